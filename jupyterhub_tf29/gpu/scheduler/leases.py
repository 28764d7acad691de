"""How claims end, and how they go on: leases, idle GPUs, shares that were passed; notice before every stop.

A notice is given once, by its key; an end is only decided when its notice is old enough, so that a broker that
slept through the time for it still warns first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..request import Request
from .decisions import Ending, Extension, Notice, Reason
from .grants import Round, Waiting
from .limits import Allowances
from .order import line_of
from .policy import Policy
from .reserve import keep
from .room import Room
from .state import Holding, State
from .takeback import key_of

_MANY = ""
"""Instead of a user's name: several users wait."""


class Wanted:
    """Who waits for which units."""

    def __init__(self, waiting: Sequence[Waiting], room: Room) -> None:
        self._room = room
        self._waiting = waiting
        self._by_slot: dict[int, set[str]] | None = None

    def _look(self) -> dict[int, set[str]]:
        """Who waits for each slot; only made when somebody's claim depends on it."""
        by_pool: dict[tuple[object, ...], tuple[Request, str]] = {}
        for ticket, _, in_turn in self._waiting:
            if in_turn:
                pool = ticket.request.pool
                known = by_pool.get(pool)
                if known is None:
                    by_pool[pool] = (ticket.request, ticket.user)
                elif known[1] is not _MANY and known[1] != ticket.user:
                    by_pool[pool] = (ticket.request, _MANY)
        by_slot: dict[int, set[str]] = {}
        for request, user in by_pool.values():
            for slot in self._room.in_service(request):
                by_slot.setdefault(slot.index, set()).add(user)
        return by_slot

    def by_others(self, holding: Holding) -> bool:
        """Whether somebody else waits for their turn on a unit of this claim."""
        if self._by_slot is None:
            self._by_slot = self._look()
        for uuid in holding.uuids:
            slot = self._room.by_uuid.get(uuid)
            if slot is not None and self._by_slot.get(slot.index, set()) - {holding.user}:
                return True
        return False


class Outcome(NamedTuple):
    """What comes of the claims that are held."""

    notices: list[Notice]
    endings: list[Ending]
    extensions: list[Extension]


def review(
    state: State, now: float, room: Room, wanted: Wanted, allowances: Allowances, windows: Mapping[str, float]
) -> Outcome:
    """Every claim: who is warned, who must go, whose lease goes on by itself; `windows` as of `in_the_way()`."""
    outcome = Outcome([], [], [])
    first_notice = max(state.policy.leases.notice_s, default=0.0)
    for holding in state.holdings:
        if holding.state == "draining" or not (_is_due(holding, first_notice, now) or holding.claim_id in windows):
            continue
        told = dict(holding.warned)
        found = (
            _lease(holding, told, state.policy, now),
            _idle(holding, told, state.policy, now, wanted),
            _overrun(holding, told, state.policy, now),
            _window(holding, told, state.policy, now, windows.get(holding.claim_id)),
        )
        if state.policy.leases.extend == "always" and found[0] is not None and holding.lease_end > now:
            step = min(state.policy.leases.max_s, holding.lease_end - holding.since)
            end, _ = extended(holding, step, state, now, room, wanted, allowances)
            if end is not None:
                outcome.extensions.append(Extension(holding.claim_id, end))
                found = (None, *found[1:])
        ending = next((each for each in found if isinstance(each, Ending)), None)
        if ending is not None:
            outcome.endings.append(ending)
        else:
            outcome.notices.extend(each for each in found if isinstance(each, Notice) and each.key not in told)
    return outcome


def _is_due(holding: Holding, first_notice_s: float, now: float) -> bool:
    """Whether there can be anything to say about it."""
    return (
        now >= holding.lease_end - first_notice_s
        or holding.idle_since is not None
        or holding.overrun_since is not None
    )


def _lease(holding: Holding, told: dict[str, float], policy: Policy, now: float) -> Notice | Ending | None:
    """The lease's own end: each notice at its time, then the end."""
    end, notice_s = holding.lease_end, policy.leases.notice_s
    first_told = min((at for key, at in told.items() if key.startswith(f"lease {end:.0f} ")), default=None)
    shortest = min(notice_s, default=0.0)
    ends_at = max(end, (now if first_told is None else first_told) + shortest)
    if now >= ends_at and (first_told is not None or not notice_s):
        return Ending(holding.claim_id, "lease")
    due = [before_s for before_s in notice_s if now >= end - before_s]
    if not due:
        return None
    return Notice(holding.claim_id, "lease", f"lease {end:.0f} {min(due):.0f}", ends_at, ends_at - now)


def _idle(
    holding: Holding, told: dict[str, float], policy: Policy, now: float, wanted: Wanted
) -> Notice | Ending | None:
    """Taken back when it has been idle long enough, sooner if somebody waits for it."""
    rule, since = policy.idle, holding.idle_since
    if since is None or now < since + rule.warn_s:
        return None
    waited = wanted.by_others(holding)
    after_s = rule.take_back_waited_s if waited else rule.take_back_s
    key = f"idle {since:.0f}"
    told_at = told.get(key, now)
    ends_at = None if after_s is None else max(since + after_s, told_at + rule.notice_s, holding.protected_until)
    if ends_at is not None and key in told and now >= ends_at:
        return Ending(holding.claim_id, "idle")
    return Notice(holding.claim_id, "idle", key, ends_at, None if ends_at is None else ends_at - now)


def _overrun(holding: Holding, told: dict[str, float], policy: Policy, now: float) -> Notice | Ending | None:
    """A server that holds more memory than its share is warned, then stopped if the policy says so."""
    since = holding.overrun_since
    if since is None:
        return None
    key = f"overrun {since:.0f}"
    if policy.overrun.action == "warn":
        return Notice(holding.claim_id, "overrun", key, None, None)
    ends_at = told.get(key, now) + policy.overrun.grace_s
    if key in told and now >= ends_at:
        return Ending(holding.claim_id, "overrun")
    return Notice(holding.claim_id, "overrun", key, ends_at, ends_at - now)


def _window(
    holding: Holding, told: dict[str, float], policy: Policy, now: float, start: float | None
) -> Notice | Ending | None:
    """Sent away for a window that starts then."""
    if start is None:
        return None
    key = key_of(start)
    after_notice = told.get(key, now) + min(policy.leases.notice_s, default=0.0)
    ends_at = max(start - policy.windows.lead_s, after_notice, holding.protected_until)
    if key in told and now >= ends_at:
        return Ending(holding.claim_id, "window")
    return Notice(holding.claim_id, "window", key, ends_at, ends_at - now)


def extended(
    holding: Holding,
    seconds: float,
    state: State,
    now: float,
    room: Room,
    wanted: Wanted,
    allowances: Allowances,
) -> tuple[float | None, Reason]:
    """The new end of a lease that is to last `seconds` longer, or None; and why it is so, or not longer."""
    rule = state.policy.leases
    if holding.state == "draining" or now >= holding.lease_end:
        return None, Reason("extend-ended", {})
    if rule.extend == "never":
        return None, Reason("extend-never", {})
    if wanted.by_others(holding):
        return None, Reason("extend-waited", {})
    bounds = [
        (holding.lease_end + min(seconds, rule.max_s), Reason("extended", {})),
        (holding.since + rule.max_total_s, Reason("extend-total", {"max_s": rule.max_total_s})),
        (_until_window(holding, now, room), Reason("extend-window", {})),
    ]
    allowance = allowances.more(holding.user, holding.groups, holding.weight)
    bounds.append((holding.lease_end + allowance, Reason("extend-hours", {})))
    end, reason = min(bounds, key=lambda bound: bound[0])
    if end < holding.lease_end + min(seconds, rule.min_s, 60.0):
        return None, reason
    return end, reason


def may_extend(state: State, claim_id: str, seconds: float, now: float) -> tuple[float | None, Reason]:
    """The new end of a claim's lease if it is to last `seconds` longer, perhaps less than was asked for; or None.

    The reason says what set the end, or why there is none. Raises KeyError for a claim that nobody holds.
    """
    holding = next((each for each in state.holdings if each.claim_id == claim_id), None)
    if holding is None:
        raise KeyError(claim_id)
    room = Room(state, now)
    round_ = Round(state, now, room, keep(room, state))
    round_.walk(line_of(state, now))
    return extended(holding, seconds, state, now, room, Wanted(round_.waiting, room), round_.allowances)


def _until_window(holding: Holding, now: float, room: Room) -> float:
    slots = [room.by_uuid[uuid] for uuid in holding.uuids if uuid in room.by_uuid]
    lead_s = room.policy.windows.lead_s
    return min((slot.lease_limit(holding.groups, now, lead_s) for slot in slots), default=float("inf"))
