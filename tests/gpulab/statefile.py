"""The file that the stand-in's library reads at each call: rows of a word and fields (see driver/state.h)."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

Value = str | int


@dataclass
class Row:
    """One line, such as `gpu` with its fields."""

    word: str
    fields: dict[str, Value] = field(default_factory=dict)

    def line(self) -> str:
        parts = [
            self.word,
            *(f"{key}={int(value) if isinstance(value, bool) else value}" for key, value in self.fields.items()),
        ]
        if any(mark in part for part in parts for mark in "\t\n"):
            raise ValueError(f"no tabs or line ends in the state file: {parts}")
        return "\t".join(parts)

    @classmethod
    def from_line(cls, line: str) -> Row:
        word, *parts = line.split("\t")
        pairs = (part.partition("=")[::2] for part in parts)
        return cls(word, {key: int(value) if value.lstrip("-").isdigit() else value for key, value in pairs})

    def __getitem__(self, key: str) -> Value:
        return self.fields[key]


def read(path: Path) -> list[Row]:
    return [Row.from_line(line) for line in path.read_text().splitlines() if line]


def write(path: Path, rows: list[Row]) -> None:
    """Replace the file in one step: a reader sees the old one or the new one."""
    fresh = path.with_suffix(".new")
    fresh.write_text("".join(row.line() + "\n" for row in rows))
    fresh.chmod(0o644)  # read by users in containers
    fresh.replace(path)


@contextlib.contextmanager
def changed(path: Path) -> Iterator[list[Row]]:
    """The rows, to be changed in place; written back at the end, one writer at a time."""
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rows = read(path)
        yield rows
        write(path, rows)
