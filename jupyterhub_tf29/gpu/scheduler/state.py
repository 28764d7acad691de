"""What the scheduler knows when it decides: units, who holds them, who waits, what is reserved, who used how much.

Plain frozen values. Times are UTC epoch seconds, memory is whole MiB, a weight is in units of one whole GPU.
The broker builds a `State` from its store and from what it sees; `decide(state, now)` answers and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..devices import WHOLE_SLICES, Pair
from ..request import Request
from .policy import Policy

UnitState = Literal["free", "reserved", "allocated", "draining", "quarantined", "foreign", "missing"]
IN_SERVICE: frozenset[UnitState] = frozenset({"free", "reserved", "allocated"})
"""Units that somebody may be given. What is free *on* them follows from the holdings, never from this word."""

HoldingState = Literal["reserved", "allocated", "draining"]


@dataclass(frozen=True, slots=True)
class Unit:
    """A whole GPU or a MIG slice, by its UUID. A GPU that has slices or is in MIG mode is given by slices only."""

    uuid: str
    model: str
    memory_mib: int
    """All of it, as NVML says; what `min_memory_mib` of a request is compared with."""
    usable_mib: int
    """What shares on it may add up to."""
    state: UnitState = "free"
    """`draining` is an admin's word here: whoever is on it stays, nobody new comes."""
    parent: str | None = None
    mig_profile: str | None = None
    slices: int = WHOLE_SLICES
    mig_mode: bool = False
    """A whole GPU that is in MIG mode: nothing can be given of it but its slices."""

    @property
    def weight(self) -> float:
        """What it counts for when all of it is held."""
        return self.slices / WHOLE_SLICES


@dataclass(frozen=True, slots=True)
class Holding:
    """What a claim holds, from its grant until NVML shows that it is gone; `draining` still holds all of it."""

    claim_id: str
    user: str
    groups: tuple[str, ...]
    uuids: tuple[str, ...]
    mib: int | None
    """MiB of the one unit in `uuids` for a share; None where units are held whole."""
    since: float
    lease_end: float
    weight: float
    """`Grant.weight`, as it was when the claim was granted."""
    state: HoldingState = "allocated"
    protected_until: float = 0.0
    """Not taken back for being idle, or for a window, before this."""
    counted_to: float | None = None
    """GPU-seconds up to here are in `State.uses` already; None: none of them since `since`."""
    idle_since: float | None = None
    """From `idle.verdict()`; None while it is busy, and while nobody can tell."""
    overrun_since: float | None = None
    """Since when it holds more MiB than its share; None while it does not."""
    warned: tuple[tuple[str, float], ...] = ()
    """`(Notice.key, when)` of all that its user was told."""
    request: Request | None = None
    server: str = ""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A place in the line. Only those who still wait belong in `State.tickets`, offered ones among them."""

    id: str
    user: str
    groups: tuple[str, ...]
    request: Request
    submitted: float
    lease_s: float
    """What its user asked for; a grant is cut to the policy's longest lease."""
    accepts_s: float | None = None
    """The shortest lease that its user takes (an `Offer` that was accepted); None: only the whole one."""
    place: int | None = None
    """Where an admin put it, from 1; None: where fair share puts it."""
    held: bool = False
    """Keeps its place but is granted nothing now (its user's hold; the server is still stopping)."""
    server: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """GPUs kept for a group at a time of the week, every week, on the clock of a time zone."""

    id: str
    group: str
    count: int
    """Whole GPUs."""
    weekdays: tuple[int, ...]
    """0 is Monday, on the local calendar, of the day on which it starts."""
    start: str
    """`HH:MM`, local."""
    duration_s: float
    timezone: str
    """An IANA name such as `Europe/Berlin`."""
    model: str | None = None
    min_memory_mib: int | None = None
    first_day: str | None = None
    """`YYYY-MM-DD`, local, inclusive, as is `last_day`; None: since ever, for ever."""
    last_day: str | None = None
    except_days: tuple[str, ...] = ()
    """Local days without it: holidays."""
    no_show_s: float | None = None
    """After so long, what nobody of the group came for is given to all; None: as the policy says."""


@dataclass(frozen=True, slots=True)
class Release:
    """Of one occurrence of a window no more than `keep` GPUs are still kept: the others were no-shows."""

    window_id: str
    start: float
    keep: int


@dataclass(frozen=True, slots=True)
class Use:
    """What a user has used up to `at`, without what holdings count on top from their `counted_to`."""

    user: str
    groups: tuple[str, ...]
    decayed_gpu_s: float
    """GPU-seconds by weight, decayed to `at`; `fairshare.settle()` keeps it."""
    at: float
    period_gpu_s: float = 0.0
    """GPU-seconds by weight since the present limit period began, not decayed."""


@dataclass(frozen=True)
class State:
    """All that a decision depends on, besides the time."""

    units: tuple[Unit, ...]
    holdings: tuple[Holding, ...] = ()
    tickets: tuple[Ticket, ...] = ()
    windows: tuple[Window, ...] = ()
    releases: tuple[Release, ...] = ()
    """`Decisions.releases` of before; the broker keeps them until the occurrence has ended."""
    uses: tuple[Use, ...] = ()
    links: Mapping[Pair, int] = field(default_factory=dict)
    """As `Inventory.links`: how well two GPUs are connected."""
    policy: Policy = field(default_factory=Policy)
    period_ends: float | None = None
    """When the present limit period ends, for the explanation of a limit on GPU-hours."""
