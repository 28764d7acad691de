"""Who stands where in the line.

An admin's word first; then whoever has waited `max_age_s`, in the order of their arrival, so that nobody can be
passed for ever; then by rank a·F + b·min(age / max_age, 1), ties by arrival and id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter

from .fairshare import factors
from .policy import FairShare, Policy
from .state import State, Ticket

BY_ARRIVAL = attrgetter("submitted", "id")


def in_order(tickets: Sequence[Ticket], factors: Mapping[str, float], policy: Policy, now: float) -> list[Ticket]:
    """The line, first to start first; `factors` is F by user."""
    if policy.order == "arrival":
        ordered = sorted(tickets, key=BY_ARRIVAL)
    else:
        ordered = _by_rank(tickets, factors, policy.fair, now)
    if any(ticket.place is not None for ticket in tickets):
        ordered = _with_places(ordered)
    return ordered


def line_of(state: State, now: float) -> list[Ticket]:
    """All who wait, in the order in which they are considered."""
    by_rank = state.policy.order == "fair"
    return in_order(state.tickets, factors(state, now) if by_rank else {}, state.policy, now)


def rank(factor: float, age_s: float, fair: FairShare) -> float:
    """The larger, the sooner."""
    return fair.share_weight * factor + fair.age_weight * min(max(0.0, age_s) / fair.max_age_s, 1.0)


def is_overdue(ticket: Ticket, fair: FairShare, now: float) -> bool:
    """Whether it has waited so long that only those who came before it are before it."""
    return now - ticket.submitted >= fair.max_age_s


def _by_rank(tickets: Sequence[Ticket], factors: Mapping[str, float], fair: FairShare, now: float) -> list[Ticket]:
    """By arrival first, which costs little as they mostly come so; sorting by rank then keeps ties as they are."""
    first_fresh = now - fair.max_age_s
    share_weight, per_second = fair.share_weight, fair.age_weight / fair.max_age_s
    before_all = float("-inf")

    def standing(ticket: Ticket) -> float:
        submitted = ticket.submitted
        if submitted <= first_fresh:
            return before_all
        waited = now - submitted if submitted < now else 0.0
        return -share_weight * factors[ticket.user] - per_second * waited

    ordered = sorted(tickets, key=BY_ARRIVAL)
    ordered.sort(key=standing)
    return ordered


def _with_places(ordered: list[Ticket]) -> list[Ticket]:
    """Those whom an admin has moved go to their places, the others close up around them."""
    moved = sorted((t for t in ordered if t.place is not None), key=lambda t: (t.place or 0, t.submitted, t.id))
    line = [ticket for ticket in ordered if ticket.place is None]
    for ticket in moved:
        line.insert(max(0, (ticket.place or 1) - 1), ticket)
    return line
