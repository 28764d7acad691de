"""How many containers boot at the same time.

Nearly all of a server's start is Python imports in its container. Thirty that share two CPUs all finish last;
two at a time finish one after the other, and the first user waits two seconds instead of a minute.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

Moved = Callable[[int], None]


class BootSlots:
    """A fair line for a number of slots: first come, first served. It belongs to one event loop."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._holders: set[object] = set()
        self._line: deque[tuple[object, asyncio.Future[None], Moved]] = deque()

    @property
    def held(self) -> int:
        return len(self._holders)

    @property
    def waiting(self) -> int:
        return len(self._line)

    async def acquire(self, holder: object, moved: Moved = lambda place: None) -> None:
        """Wait for a slot; `moved` hears the place in the line (from 1) whenever it changes.

        A waiter that is cancelled leaves the line; a slot that was just given to it goes to the next.
        """
        if holder in self._holders:
            raise RuntimeError(f"{holder!r} holds a boot slot already")
        if len(self._holders) < self.size and not self._line:
            self._holders.add(holder)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (holder, turn, moved)
        self._line.append(entry)
        moved(len(self._line))
        try:
            await turn
        except asyncio.CancelledError:
            if entry in self._line:
                self._line.remove(entry)
                self._tell_places()
            else:
                self.release(holder)
            raise

    def release(self, holder: object) -> None:
        """Give the slot back; releasing what is not held is harmless."""
        if holder not in self._holders:
            return
        self._holders.discard(holder)
        while self._line and len(self._holders) < self.size:
            next_holder, turn, _ = self._line.popleft()
            if not turn.done():
                self._holders.add(next_holder)
                turn.set_result(None)
        self._tell_places()

    def _tell_places(self) -> None:
        for place, (_, _, moved) in enumerate(self._line, start=1):
            moved(place)
