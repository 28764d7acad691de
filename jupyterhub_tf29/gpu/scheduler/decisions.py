"""What a decision says: who is given what, who waits where and why, who is warned, who must go."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from .state import Release

ReasonCode = Literal[
    # of a grant
    "free", "backfill", "window",
    # of a place in the line
    "units", "window-kept", "lease-window", "lease-hours", "would-delay", "no-backfill",
    "limit-gpus", "limit-hours", "limit-group-gpus", "limit-group-hours",
    "out-of-service", "never", "held",
    # of an extension
    "extended", "extend-ended", "extend-never", "extend-waited", "extend-total", "extend-window", "extend-hours",
]  # fmt: skip


class Reason(NamedTuple):
    """Why, for machines: a code and the values of its sentence; `gpu.words.say(reason)` makes the sentence.

    `values` hold numbers, durations (keys end in `_s`; moments are seconds from the decision), names of groups and
    requests (`Request.to_json()`), never the name of another user.
    """

    code: ReasonCode
    values: dict[str, Any]


class Grant(NamedTuple):
    """Give this to that ticket now; the broker makes a reserved claim of it."""

    ticket_id: str
    uuids: tuple[str, ...]
    mib: int | None
    """MiB for a share, else None."""
    lease_end: float
    protected_until: float
    weight: float
    reason: Reason


class Offer(NamedTuple):
    """This ticket could start now with a shorter lease; nothing is held for it.

    When its user accepts, `Ticket.accepts_s` becomes `accepts_s`, and the next decision grants what there is then.
    """

    ticket_id: str
    lease_s: float
    """As long as that, if it were accepted this moment."""
    accepts_s: float
    reason: Reason


class LineEntry(NamedTuple):
    """One ticket that goes on waiting."""

    ticket_id: str
    place: int
    """From 1, without those that were granted just now."""
    estimate_s: float | None
    """Seconds from now until it starts if every lease lasts to its end; None where nobody can tell."""
    reason: Reason


class Notice(NamedTuple):
    """Tell the user of a claim that it will end. Comes once: the broker puts `(key, now)` in `Holding.warned`."""

    claim_id: str
    kind: Literal["lease", "idle", "overrun", "window"]
    key: str
    ends_at: float | None
    """When, if nothing changes; None: it will not be ended for this."""
    in_s: float | None
    """That, in seconds from now."""


class Ending(NamedTuple):
    """Stop the server of this claim now."""

    claim_id: str
    cause: Literal["lease", "idle", "overrun", "window"]


class Extension(NamedTuple):
    """Move the end of a claim's lease, unasked (policy `extend: always`)."""

    claim_id: str
    lease_end: float


class Shortage(NamedTuple):
    """A window cannot have all it is due: the admin should know."""

    window_id: str
    start: float
    missing: int


class Decisions(NamedTuple):
    """Everything that follows from one state at one time. An empty answer is the normal one."""

    grants: tuple[Grant, ...]
    offers: tuple[Offer, ...]
    line: tuple[LineEntry, ...]
    warnings: tuple[Notice, ...]
    endings: tuple[Ending, ...]
    extensions: tuple[Extension, ...]
    releases: tuple[Release, ...]
    """New ones; the broker keeps them for `State.releases`."""
    shortages: tuple[Shortage, ...]
    head: str | None
    """The ticket that has the reservation."""
    head_at: float | None
    """When it starts at the latest, if no unit fails and no one with a better rank comes."""
