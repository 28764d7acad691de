"""The scheduler's terms, worked out the slow and plain way from docs/scheduling.md, without its code."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import NamedTuple
from zoneinfo import ZoneInfo

from jupyterhub_tf29.gpu.request import Request
from jupyterhub_tf29.gpu.scheduler.state import Holding, State, Ticket, Unit

USABLE_STATES = ("free", "reserved", "allocated")


def fits(unit: Unit, request: Request, state: State) -> bool:
    """Whether the unit is of the kind that is asked for, and in service."""
    if unit.state not in USABLE_STATES:
        return False
    if request.kind == "mig":
        if unit.mig_profile != request.mig_profile:
            return False
    elif unit.mig_profile or unit.parent or unit.mig_mode or any(u.parent == unit.uuid for u in state.units):
        return False
    if request.model and request.model not in unit.model.replace("-", " ").split():
        return False
    if request.share_mib and request.share_mib > unit.usable_mib:
        return False
    return unit.memory_mib >= (request.min_memory_mib or 0)


def fitting(request: Request, state: State) -> list[Unit]:
    """All that fit it; kept beside the state, as it is asked for many times of each."""
    known = state.__dict__.setdefault("fitting", {})
    if request.key not in known:
        known[request.key] = [unit for unit in state.units if fits(unit, request, state)]
    return known[request.key]


def end_of(holding: Holding, now: float, drain_s: float) -> float:
    """When its units are free, as far as one can tell."""
    late = holding.state == "draining" or holding.lease_end + drain_s <= now
    return (now if late else holding.lease_end) + drain_s


def has_room(unit: Unit, request: Request, there: Sequence[Holding]) -> bool:
    """For the request, beside those who are there."""
    if request.share_mib is None:
        return not there
    if any(holding.mib is None for holding in there):
        return False
    return sum(holding.mib or 0 for holding in there) + request.share_mib <= unit.usable_mib


def units_with_room(
    request: Request, holdings: Iterable[Holding], state: State, at: float, now: float
) -> list[Unit]:
    """At some moment, if nobody else comes."""
    drain_s = state.policy.leases.drain_s
    there: dict[str, list[Holding]] = {}
    for holding in holdings:
        if end_of(holding, now, drain_s) > at or at == now:
            for uuid in holding.uuids:
                there.setdefault(uuid, []).append(holding)
    return [unit for unit in fitting(request, state) if has_room(unit, request, there.get(unit.uuid, []))]


def start_of(request: Request, holdings: Sequence[Holding], state: State, now: float) -> float:
    """When there is room for it, if nobody else comes and no window is in the way; infinite if never."""
    drain_s = state.policy.leases.drain_s
    moments = {now, *(end_of(holding, now, drain_s) for holding in holdings)}
    for at in sorted(moment for moment in moments if moment >= now):
        if len(units_with_room(request, holdings, state, at, now)) >= request.count:
            return at
    return math.inf


def choices(request: Request, units: Sequence[Unit]) -> Iterable[tuple[Unit, ...]]:
    """Every way to give it some of these."""
    return combinations(units, request.count)


def longest_lease(ticket: Ticket, state: State) -> float:
    return min(ticket.lease_s, state.policy.leases.max_s)


def shortest_lease(ticket: Ticket, state: State) -> float:
    """That its user takes."""
    longest = longest_lease(ticket, state)
    floor = min(state.policy.leases.min_s, longest)
    return longest if ticket.accepts_s is None else min(longest, max(ticket.accepts_s, floor))


def factors(state: State, now: float) -> dict[str, float]:
    """F of everybody: 2^(−U/S/d), with Slurm's effective use."""
    fair = state.policy.fair
    groups: dict[str, tuple[str, ...]] = {}
    for record in (*state.uses, *state.holdings, *state.tickets):
        groups[record.user] = record.groups  # type: ignore[attr-defined]
    mine = {user: next((g for g in fair.group_weights if g in of), "") for user, of in groups.items()}
    used = dict.fromkeys(groups, 0.0)
    for use in state.uses:
        used[use.user] += use.decayed_gpu_s * 0.5 ** ((now - use.at) / fair.half_life_s)
    for holding in state.holdings:
        since = max(holding.since, holding.counted_to or 0.0)
        used[holding.user] += _integral(holding.weight, since, now, now, fair.half_life_s)
    capacity = sum(unit.slices / 7 for unit in state.units if not unit.mig_mode) * fair.half_life_s / math.log(2)
    weight = {group: fair.group_weights.get(group, fair.default_weight) for group in set(mine.values())}
    found = {}
    for user, group in mine.items():
        members = [other for other in mine if mine[other] == group]
        of_group = sum(used[other] for other in members) / capacity
        own = used[user] / capacity
        share = weight[group] / sum(weight.values()) / len(members)
        found[user] = 2 ** (-(own + (of_group - own) / len(members)) / share / fair.dampening)
    return found


def decayed_history(spans: Iterable[tuple[float, float, float]], at: float, half_life_s: float) -> float:
    """Of `(weight, start, end)`, what is left at some moment."""
    return sum(_integral(weight, start, end, at, half_life_s) for weight, start, end in spans)


def _integral(weight: float, start: float, end: float, at: float, half_life_s: float) -> float:
    """∫ w·2^(−(at−t)/H) dt from start to end."""
    rate = math.log(2) / half_life_s
    return weight / rate * (math.exp(-rate * (at - end)) - math.exp(-rate * (at - start)))


def order(state: State, now: float) -> list[str]:
    """Ticket ids, first to start first."""
    fair = state.policy.fair
    known = factors(state, now)

    def key(ticket: Ticket) -> tuple[float, ...]:
        age = (now - ticket.submitted) / fair.max_age_s
        if age >= 1:
            return (0, 0, ticket.submitted)
        return (1, -(fair.share_weight * known[ticket.user] + fair.age_weight * age), ticket.submitted)

    line = [t.id for t in sorted(state.tickets, key=lambda t: (*key(t), t.id)) if t.place is None]
    placed = sorted((t for t in state.tickets if t.place is not None), key=lambda t: (t.place, t.submitted, t.id))
    for ticket in placed:
        line.insert((ticket.place or 1) - 1, ticket.id)
    return line


class Kept(NamedTuple):
    """One occurrence of a window."""

    window_id: str
    group: str
    start: float
    end: float
    gpus: int
    model: str | None


def windows_near(state: State, now: float, until: float) -> list[Kept]:
    """Found by looking at every day on the window's own calendar."""
    found = []
    for window in state.windows:
        zone = ZoneInfo(window.timezone)
        hour, minute = map(int, window.start.split(":"))
        first = datetime.datetime.fromtimestamp(now, zone).date() - datetime.timedelta(days=3)
        for days in range(int((until - now) // 86400) + 6):
            day = first + datetime.timedelta(days=days)
            start = datetime.datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).timestamp()
            end = start + window.duration_s
            if window.last_day and day > datetime.date.fromisoformat(window.last_day):
                continue
            if day.weekday() in window.weekdays and end > now and start < until:
                kept = [r.keep for r in state.releases if (r.window_id, r.start) == (window.id, start)]
                gpus = min([window.count, *kept])
                found.append(Kept(window.id, window.group, start, end, gpus, window.model))
    return found


def viable(kept: Kept, holdings: Iterable[Holding], state: State, now: float) -> set[str]:
    """The units that could still be kept for it: nobody of another group has them then."""
    lead_s = state.policy.windows.lead_s
    request = Request(model=kept.model)
    able = {unit.uuid for unit in fitting(request, state)}
    for holding in holdings:
        if kept.group not in holding.groups and holding.lease_end + lead_s > max(kept.start, now):
            able -= set(holding.uuids)
    return able
