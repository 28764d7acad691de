"""Whether what a claim holds is used: a verdict from samples, which may also be "nobody can tell".

Idle is an unbroken row of samples up to now in which no GPU of the claim did anything and no kernel was busy. A
hole in the samples breaks the row, a young row is no verdict, and memory that is merely held does not count as
use, but where a device says no utilisation (MIG slices do not) a process on it might be computing: that is no
verdict either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from .policy import Idle


class Look(NamedTuple):
    """One sample of one unit that a claim holds; for a share, of what its own container does where that is
    known.
    """

    time: float
    utilisation: float | None
    """Percent of the time since the last one; None where the device does not say."""
    processes: int
    used_mib: int
    kernel_busy: bool | None = None
    """Whether a kernel of the server was computing, as Jupyter says; None where nobody asked."""


class Verdict(NamedTuple):
    """`since` is when the row of idle samples began; None unless idle."""

    state: Literal["busy", "idle", "unknown"]
    since: float | None


UNKNOWN = Verdict("unknown", None)


def verdict(looks: Mapping[str, Sequence[Look]], held_since: float, now: float, rule: Idle) -> Verdict:
    """Of a claim, from the samples of each of its units (by UUID, oldest first): one busy unit makes it busy.

    `Holding.idle_since` is `since` of this. Samples from before `held_since` are somebody else's and do not count.
    """
    if not looks:
        return UNKNOWN
    each = [_of_unit([look for look in row if look.time >= held_since], now, rule) for row in looks.values()]
    if any(one.state == "busy" for one in each):
        return Verdict("busy", None)
    if any(one.since is None for one in each):
        return UNKNOWN
    return Verdict("idle", max(one.since for one in each if one.since is not None))


def _of_unit(row: Sequence[Look], now: float, rule: Idle) -> Verdict:
    if not row or now - row[-1].time > rule.max_gap_s:
        return UNKNOWN
    latest = _look_says(row[-1], rule)
    if latest != "idle":
        return Verdict(latest, None)
    since, count, next_time = row[-1].time, 0, row[-1].time
    for look in reversed(row):
        if next_time - look.time > rule.max_gap_s or _look_says(look, rule) != "idle":
            break
        since, count, next_time = look.time, count + 1, look.time
    return Verdict("idle", since) if count >= rule.min_samples else UNKNOWN


def _look_says(look: Look, rule: Idle) -> Literal["busy", "idle", "unknown"]:
    if look.kernel_busy:
        return "busy"
    if look.utilisation is not None:
        return "idle" if look.utilisation <= rule.utilisation else "busy"
    if look.processes == 0 and look.used_mib <= rule.mig_used_mib:
        return "idle"
    return "unknown"
