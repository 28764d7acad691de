"""Why this one, why not me, what would have to happen first: a decision taken apart for one ticket.

It is decided anew with all numbers kept, so it says what is, not what somebody remembers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .decide import decide
from .decisions import Reason
from .fairshare import Standing, standings
from .order import is_overdue, line_of, rank
from .room import Room
from .state import State, Ticket


class Factors(NamedTuple):
    """What a place in the line follows from: rank = share_weight·F + age_weight·age."""

    factor: float
    """F, from 0 to 1: the less one has used, the larger."""
    own_use: float
    """Decayed use, as a part of all that the machine could give."""
    group: str
    group_share: float
    """S: the user's share of the machine."""
    age: float
    """Wait so far, as a part of the longest that counts."""
    rank: float
    overdue: bool
    """It has waited so long that only arrival counts."""
    placed: bool
    """An admin put it where it is."""


class Ahead(NamedTuple):
    """A ticket that comes before; programs that show it hide whose it is where the policy says so."""

    ticket_id: str
    user: str
    request: dict[str, Any]
    factors: Factors
    estimate_s: float | None


class Release(NamedTuple):
    """What has to become free: a claim on units that would do, and when its lease ends."""

    claim_id: str
    user: str
    uuids: tuple[str, ...]
    end_s: float
    """Seconds from now; 0 where it is ending."""
    idle_s: float | None


class Explanation(NamedTuple):
    """All about one ticket that waits, or that would be granted at this very moment (`granted`)."""

    ticket_id: str
    granted: bool
    place: int
    estimate_s: float | None
    reason: Reason
    is_head: bool
    """It has the reservation: nothing that starts later may delay it."""
    factors: Factors
    ahead: tuple[Ahead, ...]
    needs: int
    """Units that it takes."""
    free: int
    """Units that fit and have room now, whoever may use them."""
    releases: tuple[Release, ...]
    """In order of time: as many claims as have to end until there is room for this ticket alone."""

    def to_json(self) -> dict[str, Any]:
        """Plain data; `reason` as `{"code", "values"}`."""
        data = self._asdict()
        data["reason"] = self.reason._asdict()
        data["factors"] = self.factors._asdict()
        data["ahead"] = [{**one._asdict(), "factors": one.factors._asdict()} for one in self.ahead]
        data["releases"] = [{**one._asdict(), "uuids": list(one.uuids)} for one in self.releases]
        return data


def explain(state: State, now: float, ticket_id: str) -> Explanation:
    """Raises KeyError where nobody waits with this ticket."""
    tickets = {ticket.id: ticket for ticket in state.tickets}
    ticket = tickets[ticket_id]
    room = Room(state, now)
    stand = standings(state, now)
    decisions = decide(state, now)
    entries = {entry.ticket_id: entry for entry in decisions.line}
    order = [each.id for each in line_of(state, now)]
    mine = _factors(ticket, stand, state, now)
    ahead = []
    for other_id in order[: order.index(ticket_id)]:
        if other_id in entries:
            other = tickets[other_id]
            theirs = _factors(other, stand, state, now)
            estimate_s = entries[other_id].estimate_s
            asked = other.request.to_json()
            ahead.append(Ahead(other_id, other.user, asked, theirs, estimate_s))
    serving = room.serving(ticket.request)
    free = sum(1 for slot in serving if slot.has_room(ticket.request.share_mib))
    grant = next((each for each in decisions.grants if each.ticket_id == ticket_id), None)
    entry = entries.get(ticket_id)
    return Explanation(
        ticket_id,
        grant is not None,
        entry.place if entry else 0,
        entry.estimate_s if entry else 0.0,
        grant.reason if grant else entry.reason if entry else Reason("held", {}),
        decisions.head == ticket_id,
        mine,
        tuple(ahead),
        ticket.request.count,
        free,
        _releases(ticket, state, room, now),
    )


def _factors(ticket: Ticket, stand: dict[str, Standing], state: State, now: float) -> Factors:
    fair, mine = state.policy.fair, stand[ticket.user]
    age_s = now - ticket.submitted
    return Factors(
        mine.factor,
        mine.own,
        mine.group,
        mine.share,
        min(max(0.0, age_s) / fair.max_age_s, 1.0),
        rank(mine.factor, age_s, fair),
        is_overdue(ticket, fair, now),
        ticket.place is not None,
    )


def _releases(ticket: Ticket, state: State, room: Room, now: float) -> tuple[Release, ...]:
    """The claims whose ends make room, soonest first, until there is enough."""
    request = ticket.request
    serving = room.serving(request)
    moments = sorted(slot.room_at(request.share_mib, now) for slot in serving)
    if len(moments) < request.count:
        return ()
    enough_at = moments[request.count - 1]
    in_the_way = {slot.unit.uuid for slot in serving if now < slot.room_at(request.share_mib, now) <= enough_at}
    found = [
        Release(
            holding.claim_id,
            holding.user,
            holding.uuids,
            max(0.0, holding.lease_end - now) if holding.state != "draining" else 0.0,
            None if holding.idle_since is None else now - holding.idle_since,
        )
        for holding in state.holdings
        if in_the_way.intersection(holding.uuids)
        and (holding.state == "draining" or holding.lease_end <= max(enough_at, now))
    ]
    return tuple(sorted(found, key=lambda release: (release.end_s, release.claim_id)))
