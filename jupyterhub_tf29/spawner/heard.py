"""Up to which event of the broker this Hub has heard, so that a restarted Hub misses none and tells none twice."""

from __future__ import annotations

import asyncio
from pathlib import Path


class HeardUntil:
    """One number in a small file; a file that cannot be read means: from now on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: int | None = None

    async def last(self) -> int | None:
        """The last event's id; None where none was heard yet."""
        if self._last is None:
            self._last = await asyncio.to_thread(self._read)
        return self._last

    async def note(self, event_id: int) -> None:
        """That event was dealt with."""
        self._last = event_id
        await asyncio.to_thread(self._write, event_id)

    def _read(self) -> int | None:
        try:
            return int(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def _write(self, event_id: int) -> None:
        draft = self._path.with_name(f".{self._path.name}")
        draft.write_text(f"{event_id}\n", encoding="ascii")
        draft.replace(self._path)
