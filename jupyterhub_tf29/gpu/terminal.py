"""What the commands about GPUs share: asking the broker, tables, times as people read them."""

from __future__ import annotations

import json
import sys
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..cli import CommandError
from ..settings import Paths
from .client import BrokerAtTerminal, BrokerRefused, BrokerUnavailable

SHORT = 12
"""Of an id, what the eye needs."""


@contextmanager
def broker() -> Iterator[BrokerAtTerminal]:
    """The broker of this installation; its refusals and its silence become CommandErrors."""
    try:
        yield BrokerAtTerminal(Paths.from_environment().broker_socket)
    except BrokerUnavailable as error:
        raise CommandError(
            f"{error}; is it running? (log: broker.log; `tf29hub doctor` looks at everything)"
        ) from error
    except BrokerRefused as error:
        raise CommandError(str(error)) from error


def print_json(document: Any) -> None:
    """For programs: as the broker answered."""
    print(json.dumps(document, ensure_ascii=False, indent=2))


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], out: Any = None) -> None:
    """Columns as wide as what is in them; a character that fills two columns counts as two."""
    lines = [head, *rows]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        cells = [cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)]
        print("  ".join(cells).rstrip(), file=out or sys.stdout)


def chosen(rows: Sequence[dict[str, Any]], key: str, beginning: str, what: str) -> dict[str, Any]:
    """The one row whose `key` begins so. Raises CommandError where there is none, or more than one."""
    found = [
        row for row in rows if str(row[key]).startswith(beginning) or _bare(str(row[key])).startswith(beginning)
    ]
    exact = [row for row in found if row[key] == beginning]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if not found:
        raise CommandError(f"there is no {what} {beginning!r}")
    raise CommandError(f"{beginning!r} is the beginning of {len(found)} {what}s; give more of it")


def in_from_now(moment: float | None, now: float | None = None) -> str:
    """A moment (epoch seconds) as the time until it: `1h 20m`; `-` for none, `over` where it has passed."""
    if moment is None:
        return "-"
    left = moment - (time.time() if now is None else now)
    return lasting(left) if left > 0 else "over"


def lasting(seconds: float | None) -> str:
    """The two largest units that matter: `45s`, `25m`, `1h 20m`, `3d 4h`; `-` where nobody knows."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{max(0, int(seconds))}s"
    minutes = int(seconds // 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [f"{days}d" if days else "", f"{hours}h" if hours else "", f"{minutes}m" if minutes else ""]
    return " ".join([part for part in parts if part][:2])


def server_of(row: dict[str, Any]) -> str:
    """`ada`, `ada (training)`."""
    return f"{row['user']} ({row['server']})" if row["server"] else str(row["user"])


def _bare(uuid: str) -> str:
    """Without the `GPU-` or `MIG-` that all of them begin with."""
    return uuid.partition("-")[2] if uuid[:4] in ("GPU-", "MIG-") else uuid


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
