"""What the broker remembers: claims, tickets, devices, and what was held in the past.

Times are UTC epoch seconds, memory is in MiB. Every field is plain data, as it stands in the store.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

RESERVED, ALLOCATED, DRAINING = "reserved", "allocated", "draining"
"""States of a claim: granted but no container yet; its container exists; given back but perhaps still in use."""

WAITING, HELD, OFFERED = "waiting", "held", "offered"
"""States of a ticket: in the line; its turn, its server is being started; started, and its user has not come."""


@dataclass
class Claim:
    """GPUs that one server holds: all of `uuids`, or `mib` of the one that is there."""

    id: str
    user: str
    server: str
    groups: list[str]
    request: dict[str, Any]
    uuids: list[str]
    mib: int
    """MiB of a share; 0 where devices are held whole."""
    weight: float
    """In units of one whole GPU, all devices together."""
    state: str
    since: float
    lease_end: float
    protected_until: float
    profile: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    group: str = ""
    """Which of the user's groups this use is reckoned to; empty for none."""
    ticket: str = ""
    asked_at: float = 0.0
    """When its server last asked for it; what was asked for and never came is given back after a bound."""
    counted_to: float = 0.0
    """GPU-seconds up to here are in the user's `Use` already."""
    container_id: str = ""
    committed_at: float = 0.0
    seen_at: float = 0.0
    """When its container was last known to exist; use after that is not charged where it vanished unseen."""
    released_at: float = 0.0
    release_reason: str = ""
    ending_cause: str = ""
    """Why its server is to be stopped; empty while it is not."""
    ending_at: float = 0.0
    warned: dict[str, float] = field(default_factory=dict)
    """Kind of warning → when it was last given."""
    over_since: float = 0.0
    """Since when its container holds more than its share; 0: it does not."""
    lost: list[str] = field(default_factory=list)
    """Devices that are gone from inside its container."""

    @property
    def held(self) -> bool:
        """Whether its user has it: from then on, until it is given back, use is reckoned."""
        return self.state in (RESERVED, ALLOCATED)


@dataclass
class Ticket:
    """A place in the line, for one server of one user."""

    id: str
    user: str
    server: str
    groups: list[str]
    request: dict[str, Any]
    lease_s: float
    submitted: float
    state: str = WAITING
    accepts_s: float = 0.0
    """The shortest lease that its user takes; 0: only the whole one."""
    place: int = 0
    """Where an admin put it, from 1; 0: where the policy does."""
    claim: str = ""
    profile: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    retry_at: float = 0.0
    """Not granted anything before: its last start failed for want of something other than GPUs."""
    hold_until: float = 0.0
    ready_at: float = 0.0
    """When its server answered; 0 before."""
    attempts: int = 0
    """How often its server was asked to start and did not."""
    told: str = ""
    """The last place or state that its user was told, so that no event is repeated."""


@dataclass
class DeviceRecord:
    """A device, as it was seen last and as admins and its faults left it."""

    uuid: str
    model: str
    memory_mib: int
    usable_mib: int
    bus_id: str
    minor: int
    parent: str = ""
    mig_profile: str = ""
    slices: int = 7
    seen_at: float = 0.0
    """When it was last in the inventory."""
    quarantined: str = ""
    """Why nobody gets it; empty where it is well."""
    quarantined_at: float = 0.0
    drained: str = ""
    """Why an admin took it out; empty where none did."""
    drained_at: float = 0.0


@dataclass
class Holding:
    """One device, held by one claim from `start` to `end` (0: still). GPU-seconds: `weight` × (end − start)."""

    id: str
    claim: str
    user: str
    server: str
    group: str
    uuid: str
    model: str
    weight: float
    start: float
    end: float = 0.0
    reason: str = ""


@dataclass
class UseRecord:
    """What a user used, for fair share and limits; the scheduler's `Use`, kept."""

    user: str
    groups: list[str]
    decayed_gpu_s: float
    at: float
    period_gpu_s: float


@dataclass
class ReleaseRecord:
    """Of one occurrence of a window no more than `keep` GPUs are kept; the scheduler's `Release`, kept."""

    id: str
    window_id: str
    start: float
    keep: int


@dataclass
class EventRecord:
    """Something that happened, as the stream of events tells it."""

    id: int
    time: float
    kind: str
    level: str
    text: dict[str, str]
    user: str = ""
    server: str = ""
    claim: str = ""
    ticket: str = ""
    device: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Without what is empty; `server` stays where there is a user: the default server's name is empty."""
        plain = {key: value for key, value in vars(self).items() if value not in ("", {})}
        return {**plain, "server": self.server} if self.user else plain
