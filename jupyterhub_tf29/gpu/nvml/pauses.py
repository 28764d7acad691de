"""Cards that hung: left out for a while, then tried again, each time for longer. Pure; times in seconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..devices import Trouble

FIRST_S, LAST_S = 60.0, 900.0


@dataclass(frozen=True)
class Pause:
    """One card's: what can be handed out of it, and until when nobody asks it."""

    uuids: tuple[str, ...]
    until: float
    length_s: float


class Pauses:
    """By the driver's index, which stays as long as the driver is loaded; the UUID of a card that hangs may be
    unknown.
    """

    def __init__(self, first_s: float = FIRST_S, last_s: float = LAST_S) -> None:
        self._first_s, self._last_s = first_s, last_s
        self._pauses: dict[int, Pause] = {}

    def skip(self, now: float) -> list[int]:
        """Indices that are not to be asked now."""
        return sorted(index for index, pause in self._pauses.items() if now < pause.until)

    def ended(self, now: float) -> bool:
        """Whether a card is due to be tried again."""
        return any(now >= pause.until for pause in self._pauses.values())

    def blame(self, index: int, uuids: Iterable[str], now: float) -> None:
        """It did not answer."""
        before = self._pauses.get(index)
        length = min(before.length_s * 2, self._last_s) if before else self._first_s
        self._pauses[index] = Pause(tuple(uuids), now + length, length)

    def forgive(self, asked: Iterable[int]) -> None:
        """These have answered."""
        for index in asked:
            self._pauses.pop(index, None)

    @property
    def uuids(self) -> set[str]:
        return {uuid for pause in self._pauses.values() for uuid in pause.uuids}

    def troubles(self) -> list[Trouble]:
        text = "the card does not answer: NVML hangs when it is asked; the kernel's log (dmesg) may say why"
        return [Trouble(uuid, "hung", 0, text, quarantine=True) for uuid in sorted(self.uuids)]
