"""What a start has done so far, as the progress page shows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypedDict


class Event(TypedDict, total=False):
    """One line of the progress page, as JupyterHub takes it."""

    progress: int
    message: str


class Story:
    """Events of one start. Readers may come late and still hear all of it; they end when it ends."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._changed = asyncio.Event()
        self._ended = False

    def tell(self, progress: int, message: str) -> None:
        """Add a line; `progress` in per cent never goes back."""
        if self._events:
            progress = max(progress, self._events[-1]["progress"])
        self._events.append({"progress": progress, "message": message})
        self._wake()

    def end(self) -> None:
        """Nothing more will be told."""
        self._ended = True
        self._wake()

    async def events(self) -> AsyncIterator[Event]:
        """All events from the first on, then new ones as they come, until the end."""
        told = 0
        while True:
            changed = self._changed
            while told < len(self._events):
                yield self._events[told]
                told += 1
            if self._ended:
                return
            await changed.wait()

    def _wake(self) -> None:
        # each change has an event of its own, so no reader can miss one between two waits
        self._changed.set()
        self._changed = asyncio.Event()
