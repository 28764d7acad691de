"""EASY backfill: only the head of the line has a reservation; another may pass only if it cannot delay the head.

The head's moment is the earliest at which enough of the units that fit it have room, if every lease lasts to its
end. Another may start now if its lease ends by then, or if what it takes leaves the head enough at that moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from ..request import Request
from .room import Room, Slot


class Head:
    """The reservation of whoever is first in line and cannot start yet."""

    def __init__(
        self, ticket_id: str, request: Request, at: float, by: float, serving: set[int], spare: int
    ) -> None:
        self.ticket_id = ticket_id
        self.request = request
        self.at = at
        """When it starts at the latest."""
        self.by = by
        """Leases that end by then are out of its way: their servers have time to stop."""
        self.serving = serving
        """Indices of the slots that have room for it then."""
        self.spare = spare
        """How many of those it does not need."""

    def costs(self, slot: Slot, share_mib: int | None) -> int:
        """1 if a lease that lasts beyond `by` on this slot takes from the head one that would serve it, else 0."""
        if slot.index not in self.serving:
            return 0
        wanted = self.request.share_mib
        if wanted is None or share_mib is None:
            return 1
        held = sum(slot.unit.usable_mib if mib is None else mib for end, mib, _ in slot.takes if end > self.by)
        return 0 if slot.unit.usable_mib - held - share_mib >= wanted else 1

    def note(self, slots: Sequence[Slot], share_mib: int | None, lease_end: float) -> None:
        """A lease was granted on `slots`; call before they are taken."""
        if lease_end <= self.by:
            return
        for slot in slots:
            if self.costs(slot, share_mib):
                self.serving.discard(slot.index)
                self.spare -= 1


class Terms(NamedTuple):
    """How long a lease could last that starts now."""

    until: float
    """At the latest; before `now` where it cannot start."""
    bound: Literal["units", "window-kept", "no-backfill", "window", "head"]
    """What sets that: no room, all that is free is kept for others, nobody may pass, a window, the head of the
    line.
    """


NONE = float("-inf")


def reserve(
    ticket_id: str, request: Request, groups: tuple[str, ...], lease_s: float, room: Room, sight: float
) -> Head | None:
    """The reservation for a request; None where no moment can be foreseen at which it could start."""
    slots = room.serving(request)
    if len(slots) < request.count:
        return None
    lead_s = room.policy.windows.lead_s
    ready = [(slot, slot.room_at(request.share_mib, room.now)) for slot in slots]
    at = room.now
    while True:  # each round passes the end of a window at least, and there are only so many in sight
        moments = [slot.start_from(groups, max(free, at), lease_s, lead_s) for slot, free in ready]
        latest = sorted(moments)[request.count - 1]
        if latest <= at:
            break
        at = latest
    if at + lease_s > sight:
        return None
    serving = {slot.index for (slot, _), moment in zip(ready, moments, strict=True) if moment <= at}
    return Head(ticket_id, request, at, at - room.drain_s, serving, len(serving) - request.count)


def terms(
    request: Request, groups: tuple[str, ...], slots: Sequence[Slot], room: Room, head: Head | None
) -> Terms:
    """The longest lease that could start now on `slots`; whoever wants a shorter one fits as well."""
    share_mib, count = request.share_mib, request.count
    free = [slot for slot in slots if slot.has_room(share_mib)]
    if len(free) < count:
        return Terms(NONE, "units")
    if head is not None and not room.policy.backfill:
        return Terms(NONE, "no-backfill")
    limits = _limits(free, groups, room)
    if len(limits) < count:
        return Terms(NONE, "window-kept")
    whole = _longest(limits, count)
    if head is None:
        return Terms(whole, "window")
    until = max(_longest(_beside(limits, share_mib, head), count), min(whole, head.by))
    return Terms(until, "window" if until >= whole else "head")


def able(
    request: Request,
    groups: tuple[str, ...],
    slots: Sequence[Slot],
    room: Room,
    head: Head | None,
    lease_end: float,
) -> list[Slot]:
    """The slots to choose from for a lease that starts now and ends then; any `request.count` of them will do.

    Of units that are kept for a window at different times, those with the nearest are given first, so that the
    others stay free for long leases.
    """
    limits = _limits([slot for slot in slots if slot.has_room(request.share_mib)], groups, room)
    limits = [(limit, slot) for limit, slot in limits if limit >= lease_end]
    if head is not None and lease_end > head.by:
        limits = _beside(limits, request.share_mib, head)
    if request.share_mib is None and len(limits) > request.count:
        limits.sort(key=lambda pair: pair[0])
        nearest = limits[request.count - 1][0]
        limits = [(limit, slot) for limit, slot in limits if limit <= nearest]
    return [slot for _, slot in limits]


def _limits(free: Sequence[Slot], groups: tuple[str, ...], room: Room) -> list[tuple[float, Slot]]:
    """How long each could be had from now on, without those that cannot."""
    lead_s, now = room.policy.windows.lead_s, room.now
    limits = [(slot.lease_limit(groups, now, lead_s), slot) for slot in free]
    return [(limit, slot) for limit, slot in limits if limit > now]


def _beside(limits: list[tuple[float, Slot]], share_mib: int | None, head: Head) -> list[tuple[float, Slot]]:
    """What a lease may have beyond the head's moment: slots that the head has no use for, and its spare ones."""
    other: list[tuple[float, Slot]] = []
    wanted: list[tuple[float, Slot]] = []
    for pair in limits:
        (wanted if head.costs(pair[1], share_mib) else other).append(pair)
    if head.spare > 0:
        wanted.sort(key=lambda pair: -pair[0])
        other += wanted[: head.spare]
    return other


def _longest(limits: list[tuple[float, Slot]], count: int) -> float:
    """Until when `count` of them can be had at once."""
    if len(limits) < count:
        return NONE
    return sorted((limit for limit, _ in limits), reverse=True)[count - 1]
