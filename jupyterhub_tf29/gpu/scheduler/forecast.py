"""What would happen to a request that is made now, for the menu: nothing is granted and nobody's place changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from ..request import Request
from .decide import decide
from .decisions import Reason
from .room import Room
from .state import State, Ticket

ASKING = "\uffff"
"""The id of the ticket that is only asked about: after all others of the same moment."""


class Forecast(NamedTuple):
    """`place` and `estimate_s` are as of a `LineEntry`; 0 and 0.0 where it would start at once."""

    free: int
    """Units that fit and have room."""
    total: int
    """Units that fit."""
    now: bool
    possible: bool
    """False: it can never be had here, or its user is over a limit."""
    place: int
    estimate_s: float | None
    lease_s: float
    reason: Reason


def forecast(
    state: State,
    now: float,
    user: str,
    groups: tuple[str, ...],
    requests: Mapping[str, Request],
    lease_s: float | Mapping[str, float],
    server: str = "",
) -> dict[str, Forecast]:
    """For each of `requests`, by its key: one more decision each, with `user` asking for `lease_s` (or by key).

    A ticket of the same user's `server` is left out: a new one would take its place.
    """
    others = tuple(ticket for ticket in state.tickets if (ticket.user, ticket.server) != (user, server))
    state = replace(state, tickets=others)
    room = Room(state, now)
    found: dict[str, Forecast] = {}
    for key, request in requests.items():
        wanted = lease_s if isinstance(lease_s, int | float) else lease_s[key]
        found[key] = _one(state, now, room, Ticket(ASKING, user, groups, request, now, wanted, server=server))
    return found


def _one(state: State, now: float, room: Room, ticket: Ticket) -> Forecast:
    decisions = decide(replace(state, tickets=(*state.tickets, ticket)), now)
    request = ticket.request
    serving = room.serving(request)
    free = sum(1 for slot in serving if slot.has_room(request.share_mib))
    longest = min(ticket.lease_s, state.policy.leases.max_s)
    for grant in decisions.grants:
        if grant.ticket_id == ticket.id:
            return Forecast(free, len(serving), True, True, 0, 0.0, grant.lease_end - now, grant.reason)
    entry = next(each for each in decisions.line if each.ticket_id == ticket.id)
    possible = entry.reason.code != "never" and not entry.reason.code.startswith("limit-")
    return Forecast(free, len(serving), False, possible, entry.place, entry.estimate_s, longest, entry.reason)
