"""The policy that the scheduler follows. Durations in seconds, GPUs and GPU-hours by weight (a whole GPU is 1).

Every default is what `gpu:` in hub.yaml says when nobody changes it; docs/scheduling.md has them in plain words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0


@dataclass(frozen=True)
class FairShare:
    """Rank = `share_weight`·F + `age_weight`·min(age / `max_age_s`, 1), with F = 2^(−U/S/`dampening`)."""

    half_life_s: float = 7 * DAY
    """After so long, use counts half; Slurm's PriorityDecayHalfLife has the same default."""
    group_weights: Mapping[str, float] = field(default_factory=dict)
    """A user belongs to the first of these groups that they are in, else to the rest, with `default_weight`."""
    default_weight: float = 1.0
    dampening: float = 1.0
    share_weight: float = 1.0
    age_weight: float = 0.5
    max_age_s: float = 2 * DAY
    """Whoever has waited so long comes before all who have not, in the order of their arrival."""


@dataclass(frozen=True)
class Leases:
    """How long one may hold what one was given."""

    max_s: float = 24 * HOUR
    """Longest lease that is granted, and longest single extension."""
    min_s: float = 10 * MINUTE
    """Shorter leases are neither granted nor offered: a start alone takes part of a minute."""
    protected_s: float = 30 * MINUTE
    """From its grant on, a claim is not taken back for being idle, or for a window."""
    notice_s: tuple[float, ...] = (30 * MINUTE, 5 * MINUTE)
    """Its user is warned so long before the end; no end comes sooner after the first warning than the shortest."""
    extend: Literal["never", "ask", "always"] = "ask"
    """While nobody waits for what a claim holds: not even then; when its user asks; without being asked."""
    max_total_s: float = 7 * DAY
    """From grant to end, with all extensions."""
    drain_s: float = 30.0
    """What an estimate adds for a server to stop and its GPU to become free."""


@dataclass(frozen=True)
class Idle:
    """When a GPU counts as not used, and what follows. Times are from the first idle sample of an unbroken row."""

    utilisation: float = 2.0
    """Percent; at or below it in every sample."""
    warn_s: float = 30 * MINUTE
    take_back_waited_s: float = 60 * MINUTE
    """If someone waits who could use it."""
    take_back_s: float | None = 120 * MINUTE
    """If nobody does; None: never."""
    notice_s: float = 5 * MINUTE
    """At least so long between the warning and the end."""
    min_samples: int = 10
    """Fewer are no verdict."""
    max_gap_s: float = 5 * MINUTE
    """A longer hole between two samples breaks the row: nobody knows what happened in it."""
    mig_used_mib: int = 64
    """A MIG slice, which says no utilisation, is idle with no process on it and no more memory used than this."""


@dataclass(frozen=True)
class Overrun:
    """What happens to a server that takes more GPU memory than its share."""

    action: Literal["warn", "stop"] = "stop"
    grace_s: float = 2 * MINUTE
    """Between the warning and the end."""


@dataclass(frozen=True)
class Limit:
    """None: no limit."""

    gpus: float | None = None
    """Held at once."""
    gpu_hours: float | None = None
    """In one period; what a lease could still use counts when it is granted."""


@dataclass(frozen=True)
class Limits:
    """Who may hold and use how much."""

    user: Limit = Limit()
    """Every user that has no line in `users` and is in no group of `members`."""
    members: Mapping[str, Limit] = field(default_factory=dict)
    """By group: each of its members; of several groups the most generous counts, number by number."""
    users: Mapping[str, Limit] = field(default_factory=dict)
    """By name: instead of all that."""
    groups: Mapping[str, Limit] = field(default_factory=dict)
    """By group: all its members together."""


@dataclass(frozen=True)
class Windows:
    """How reservations for groups behave."""

    no_show_s: float = 15 * MINUTE
    lead_s: float = 2 * MINUTE
    """Leases end so long before a window starts: a server needs it to stop."""
    take_back: bool = False
    """Whether a window that was made later ends leases in its way, after notice and protected time."""


@dataclass(frozen=True)
class Policy:
    """All of it."""

    fair: FairShare = FairShare()
    leases: Leases = Leases()
    idle: Idle = Idle()
    overrun: Overrun = Overrun()
    limits: Limits = Limits()
    windows: Windows = Windows()
    order: Literal["fair", "arrival"] = "fair"
    """`arrival` is first come, first served."""
    backfill: bool = True
    """Without it nobody passes the head of the line."""
