"""Down the line once: who starts now, who is the head, who waits for what.

What is found for one ticket is kept for all that ask for the same, until a grant changes what is free; so a long
line costs little more than putting it in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..request import Request
from . import why
from .backfill import Head, Terms, able, reserve, terms
from .decisions import Grant, Offer, Reason, ReasonCode
from .limits import FREE, Allowance, Allowances
from .placement import choose
from .reserve import Kept
from .room import Room, Slot
from .state import State, Ticket

Shape = tuple[str, tuple[str, ...]]
"""What tickets share that can be treated alike: the request, and which windows' groups their user is in."""

INSTANT = 1e-3
"""Seconds by which a lease may be too short: epoch seconds are floats, and sums of them are rounded."""

ACCEPTED = 0.75
"""Of an offered lease: what is left of it still counts as accepted when its user takes a while to decide."""


Waiting = tuple[Ticket, Reason, bool]
"""A ticket that goes on waiting, why, and whether it waits for its turn (not for a limit, nor for a repair)."""


class Wish(NamedTuple):
    """The lease that a ticket may have, as ends: at most, and at least."""

    longest: float
    least: float
    floor: float
    """What the policy gives at least."""


class Round:
    """One walk down the line."""

    def __init__(self, state: State, now: float, room: Room, kept: Kept) -> None:
        self.now = now
        self.room = room
        self.head: Head | None = None
        self.grants: list[Grant] = []
        self.offers: list[Offer] = []
        self.waiting: list[Waiting] = []
        self.allowances = Allowances(state, now)
        self._leases = state.policy.leases
        self._sight = kept.sight
        self._window_groups = {one.group for one in kept.occurrences}
        self._terms: dict[Shape, Terms] = {}
        self._why: dict[Shape, Reason] = {}
        self._known: dict[str, tuple[float, Reason]] = {}
        """By request: how long a lease could be that starts now, and why not longer, once there is a head."""
        self._alike = not self._window_groups and not self.allowances.any
        """Whether everybody who asks for the same is in the same situation."""
        self._impossible: dict[str, Reason | None] = {}
        self._hopeless: dict[Shape, float] = {}
        self._none_kept: set[Shape] = set()
        self._mine: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._weights: dict[str, float] = {}

    def walk(self, line: Sequence[Ticket]) -> None:
        """Grant what can be granted, in this order."""
        add, known = self.waiting.append, self._known
        max_s, min_s = self._leases.max_s - INSTANT, self._leases.min_s
        for ticket in line:
            same = known.get(ticket.request.key)
            if same is not None and ticket.accepts_s is None and not ticket.held:
                lease_s, reason = same
                if lease_s < ticket.lease_s - INSTANT and lease_s < max_s:  # as _consider() would find again
                    add((ticket, reason, True))
                    if lease_s >= min_s:
                        self._offer(ticket, lease_s, reason)
                    continue
            waiting = self._consider(ticket)
            if waiting is not None:
                add(waiting)

    def _consider(self, ticket: Ticket) -> Waiting | None:
        """None where it was granted."""
        request = ticket.request
        if ticket.held:
            return (ticket, why.HELD, False)
        impossible = self._cannot(request)
        if impossible is not None:
            return (ticket, impossible, False)
        wish = self._wish(ticket)
        allowance = FREE
        if self.allowances.any:
            weight = self.weight(request)
            allowance = self.allowances.check(ticket.user, ticket.groups, weight, wish.floor - self.now)
            if allowance.reason is not None:
                return (ticket, allowance.reason, False)

        mine = self._windows_of(ticket.groups) if self._window_groups else ()
        shape = (request.key, mine)
        if mine and shape not in self._none_kept and self._grant_in_window(ticket, shape, wish, allowance):
            return None
        found = self._terms.get(shape)
        if found is None:
            slots = self.room.serving(request)
            found = self._terms[shape] = terms(request, ticket.groups, slots, self.room, self.head)
        end = min(wish.longest, self.now + allowance.lease_s, found.until)
        if end >= wish.least - INSTANT:
            code: ReasonCode = "free" if self.head is None else "backfill"
            self._grant(ticket, self.room.serving(request), end, code)
            return None
        return self._wait(ticket, shape, wish, allowance, found)

    def _windows_of(self, groups: tuple[str, ...]) -> tuple[str, ...]:
        """Those of somebody's groups that have windows in sight."""
        if groups not in self._mine:
            self._mine[groups] = tuple(sorted(self._window_groups.intersection(groups)))
        return self._mine[groups]

    def _cannot(self, request: Request) -> Reason | None:
        if request.key not in self._impossible:
            self._impossible[request.key] = why.impossible(request, self.room)
        return self._impossible[request.key]

    def _wish(self, ticket: Ticket) -> Wish:
        longest = min(ticket.lease_s, self._leases.max_s)
        floor = min(longest, self._leases.min_s)
        least = longest if ticket.accepts_s is None else min(longest, max(ticket.accepts_s, floor))
        return Wish(self.now + longest, self.now + least, self.now + floor)

    def weight(self, request: Request) -> float:
        """The most that it can count for on any units that fit it."""
        known = self._weights.get(request.key)
        if known is None:
            each = sorted((unit_weight(request, slot) for slot in self.room.serving(request)), reverse=True)
            known = self._weights[request.key] = sum(each[: request.count])
        return known

    # -- granting --------------------------------------------------------------------------------------------

    def _grant_in_window(self, ticket: Ticket, shape: Shape, wish: Wish, allowance: Allowance) -> bool:
        """Whether it got units that are kept for its group just now; such a lease ends with the window."""
        request, room = ticket.request, self.room
        ends = []
        for slot in room.serving(request):
            if slot.kept_for and slot.has_room(request.share_mib):
                end = slot.own_window_end(ticket.groups, self.now)
                if end is not None:
                    ends.append((end, slot))
        if len(ends) < request.count:
            self._none_kept.add(shape)
            return False
        window_end = sorted((end for end, _ in ends), reverse=True)[request.count - 1]
        slots = [slot for end, slot in ends if end >= window_end]
        until = terms(request, ticket.groups, slots, room, self.head).until
        end = min(wish.longest, self.now + allowance.lease_s, window_end, until)
        if end < wish.floor - INSTANT:
            return False
        self._grant(ticket, slots, end, "window")
        return True

    def _grant(self, ticket: Ticket, slots: Sequence[Slot], end: float, code: ReasonCode) -> None:
        request = ticket.request
        chosen = choose(request, able(request, ticket.groups, slots, self.room, self.head, end), self.room)
        if self.head is not None:
            self.head.note(chosen, request.share_mib, end)
        for slot in chosen:
            slot.take(end, request.share_mib, ticket.groups)
        weight = sum(unit_weight(request, slot) for slot in chosen)
        protected = min(end, self.now + self._leases.protected_s)
        uuids = tuple(slot.unit.uuid for slot in chosen)
        reason = Reason(code, {"lease_s": end - self.now})
        self.grants.append(Grant(ticket.id, uuids, request.share_mib, end, protected, weight, reason))
        self.allowances.note(ticket.user, ticket.groups, weight, end - self.now)
        self._forget()

    def _forget(self) -> None:
        """What was found no longer holds."""
        self._terms.clear()
        self._why.clear()
        self._known.clear()

    # -- waiting ---------------------------------------------------------------------------------------------

    def _wait(self, ticket: Ticket, shape: Shape, wish: Wish, allowance: Allowance, found: Terms) -> Waiting:
        lease_s = min(wish.longest, self.now + allowance.lease_s, found.until) - self.now
        if self.now + allowance.lease_s < wish.least:
            reason, in_turn = Reason("lease-hours", {"lease_s": allowance.lease_s}), False
        else:
            reason, in_turn = self._reason(ticket, shape, found), True
            if self.head is None:
                in_turn = self._become_head(ticket, shape, wish.least - self.now)
            elif self._alike:
                self._known[shape[0]] = (found.until - self.now, reason)
        self._offer(ticket, lease_s, reason)
        return (ticket, reason, in_turn)

    def _offer(self, ticket: Ticket, lease_s: float, reason: Reason) -> None:
        if lease_s >= self._leases.min_s:
            accepts_s = max(self._leases.min_s, ACCEPTED * lease_s)
            self.offers.append(Offer(ticket.id, lease_s, accepts_s, reason))

    def _reason(self, ticket: Ticket, shape: Shape, found: Terms) -> Reason:
        known = self._why.get(shape)
        if known is None:
            known = self._why[shape] = why.waits(ticket.request, ticket.groups, found, self.room, self.head)
        return known

    def _become_head(self, ticket: Ticket, shape: Shape, lease_s: float) -> bool:
        """Whether there is a moment at which it can start; the first such in the line has it reserved."""
        if lease_s >= self._hopeless.get(shape, float("inf")):
            return False
        self.head = reserve(ticket.id, ticket.request, ticket.groups, lease_s, self.room, self._sight)
        if self.head is None:
            self._hopeless[shape] = lease_s
            return False
        self._forget()
        return True


def unit_weight(request: Request, slot: Slot) -> float:
    """What one unit of the request counts for on this slot."""
    return slot.unit.weight if request.share_mib is None else request.share_mib / slot.unit.usable_mib
