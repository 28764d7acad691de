"""One line of what `tf29hub doctor` reports. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """What was looked at and how it is; where it is amiss, what to do."""

    level: Literal["ok", "warn", "failed"]
    text: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.level:<7} {self.text}" + (f"\n        → {self.advice}" if self.advice else "")
