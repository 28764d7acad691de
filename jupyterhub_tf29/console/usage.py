"""GPU-hours of a period: which period is meant, who may read what of it, and the table as CSV."""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from ..gpu.client import BrokerClient
from ..i18n import N_
from .people import Person

BY = ("user", "group", "month")
_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")
_LONGEST_MONTHS = 120
_FORMULA = tuple("=+-@\t\r")
"""A cell that begins so is a formula to a spreadsheet; usernames may (`@` and `-` are legal in them)."""


class PeriodError(ValueError):
    """Neither a period nor a grouping; the text is a msgid for the reader."""


@dataclass(frozen=True)
class Period:
    """Whole months, `first` and `last` included, as `2026-11`; from `start` to `end` in epoch seconds."""

    first: str
    last: str
    start: float
    end: float


def period(first: str, last: str, zone: ZoneInfo, now: float) -> Period:
    """Of a form's two fields; an empty one is the present month of `zone`. Raises PeriodError."""
    present = datetime.datetime.fromtimestamp(now, zone).strftime("%Y-%m")
    first, last = first or last or present, last or max(first, present)
    begins, ends = _number(first), _number(last)
    if begins > ends:
        raise PeriodError(N_("The first month comes after the last one."))
    if ends - begins > _LONGEST_MONTHS:
        raise PeriodError(N_("That is more than ten years."))
    return Period(first, last, _start_of(begins, zone), _start_of(ends + 1, zone))


def grouping(wanted: str, person: Person) -> tuple[str, ...]:
    """`user,month` → ("user", "month"). Who does not see all has months only: there is but one user in it."""
    parts = tuple(part.strip() for part in (wanted or ("user" if person.sees_all else "month")).split(","))
    if not set(parts) <= set(BY) or len(set(parts)) < len(parts):
        raise PeriodError(N_("by: expected user, group, month, or several of them with commas."))
    if not person.sees_all:
        return tuple(part for part in parts if part != "group") or ("month",)
    return parts


async def rows(broker: BrokerClient, person: Person, of: Period, by: Sequence[str]) -> list[dict[str, Any]]:
    """One row for each user, group and month: those fields, `gpu_hours` and `claims`; most used first.

    Who does not see all gets their own use only.
    """
    if not person.sees_all and not person.is_user:
        return []
    whose = None if person.sees_all else person.name
    found = await broker.usage(start=of.start, end=of.end, by=",".join(by), user=whose)
    table = [
        {
            **{key: row.get(key) for key in by},
            "gpu_hours": round(float(row["gpu_seconds"]) / 3600, 3),
            "claims": row.get("claims"),
        }
        for row in found
    ]
    if "month" in by:
        return sorted(table, key=lambda row: (row["month"], -row["gpu_hours"]))
    return sorted(table, key=lambda row: -row["gpu_hours"])


def as_csv(table: Sequence[dict[str, Any]], by: Sequence[str]) -> str:
    """As spreadsheets read it; no cell of it is a formula."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    columns = [*by, "gpu_hours", "claims"]
    writer.writerow(columns)
    for row in table:
        writer.writerow([_harmless(row.get(column)) for column in columns])
    return file.getvalue()


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _number(month: str) -> int:
    """Months since the year 0."""
    match = _MONTH.fullmatch(month)
    if not match:
        raise PeriodError(N_("A month is written as 2026-11."))
    return int(match[1]) * 12 + int(match[2]) - 1


def _start_of(number: int, zone: ZoneInfo) -> float:
    return datetime.datetime(number // 12, number % 12 + 1, 1, tzinfo=zone).timestamp()
