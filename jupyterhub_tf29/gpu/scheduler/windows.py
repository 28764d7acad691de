"""When windows are: weekly recurrence on the clock of a time zone, holidays left out.

A window starts at its local time on its local day; it lasts its duration in real seconds, so that the nights in
which clocks change neither stretch nor cut it. A local time that a change of clocks skips is taken as if it had
not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from .policy import Policy
from .state import Release, State, Window

DAY_S = 86400.0


class Occurrence(NamedTuple):
    """One time that a window is: what is kept, for whom, from when until when."""

    window_id: str
    group: str
    start: float
    end: float
    gpus: int
    """Whole GPUs; fewer than the window's where no-shows were released."""
    model: str | None
    min_memory_mib: int | None
    no_show_at: float
    released: bool
    """Whether `gpus` is what was left after the no-shows."""


def occurrences(state: State, now: float, until: float) -> list[Occurrence]:
    """All that end after `now` and start before `until`, in order of time."""
    found: list[Occurrence] = []
    if not state.windows:
        return found
    kept = {(release.window_id, release.start): release.keep for release in state.releases}
    for window in state.windows:
        for start, end in times(window, now, until):
            keep = kept.get((window.id, start))
            found.append(_occurrence(window, start, end, keep, state.policy))
    found.sort(key=lambda one: (one.start, one.window_id))
    return found


def _occurrence(window: Window, start: float, end: float, keep: int | None, policy: Policy) -> Occurrence:
    no_show_s = policy.windows.no_show_s if window.no_show_s is None else window.no_show_s
    return Occurrence(
        window.id,
        window.group,
        start,
        end,
        window.count if keep is None else min(keep, window.count),
        window.model,
        window.min_memory_mib,
        start + no_show_s,
        keep is not None,
    )


def times(window: Window, after: float, before: float) -> list[tuple[float, float]]:
    """`(start, end)` of each occurrence that ends after `after` and starts before `before`."""
    zone = ZoneInfo(window.timezone)
    day = datetime.fromtimestamp(after - window.duration_s, zone).date() - timedelta(days=1)
    last = datetime.fromtimestamp(before, zone).date()
    found = []
    while day <= last:
        start = start_on(window, day)
        if start is not None and start < before and start + window.duration_s > after:
            found.append((start, start + window.duration_s))
        day += timedelta(days=1)
    return found


@lru_cache(maxsize=4096)
def start_on(window: Window, day: date) -> float | None:
    """When the window starts on this local day; None where it does not."""
    if day.weekday() not in window.weekdays or day.isoformat() in window.except_days:
        return None
    if window.first_day is not None and day < date.fromisoformat(window.first_day):
        return None
    if window.last_day is not None and day > date.fromisoformat(window.last_day):
        return None
    hour, minute = window.start.split(":")
    local = datetime(day.year, day.month, day.day, int(hour), int(minute), tzinfo=ZoneInfo(window.timezone))
    return local.timestamp()


def new_releases(
    found: Sequence[Occurrence], in_use: Mapping[tuple[str, float], int], now: float
) -> tuple[Release, ...]:
    """What is given to all because nobody of the group came for it in time; `in_use` by window and start."""
    return tuple(
        Release(one.window_id, one.start, min(one.gpus, in_use.get((one.window_id, one.start), 0)))
        for one in found
        if not one.released and one.no_show_at <= now
    )
