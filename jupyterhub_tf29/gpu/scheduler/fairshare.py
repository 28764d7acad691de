"""Fair share with decaying use, as Slurm's classic formula has it.

A holding of weight w over Δt counts exactly w·H/ln 2·(1 − 2^(−Δt/H)) when it ends (the integral of w·2^(−t/H)),
so it does not matter how often anybody looks. Use is divided by what the whole machine could give, not by what
was used: on an idle machine using much costs little. F = 2^(−U/S/d), where S is a user's share among all who are
active, and U their own use with a part of what the rest of their group used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import log
from typing import NamedTuple

from .policy import FairShare
from .state import Holding, State, Use

LN2 = log(2)
NEGLIGIBLE_GPU_S = 60.0
"""A user with less decayed use, no claim and no ticket is forgotten: they would count as one among whom to
share.
"""


def decayed(gpu_s: float, elapsed_s: float, half_life_s: float) -> float:
    """What is left of use after `elapsed_s`; a clock that was put back gives nothing away."""
    return gpu_s * 2.0 ** (-max(0.0, elapsed_s) / half_life_s)


def accrued(weight: float, elapsed_s: float, half_life_s: float) -> float:
    """What holding `weight` for `elapsed_s` counts for at the end of it."""
    return weight * half_life_s / LN2 * (1.0 - 2.0 ** (-max(0.0, elapsed_s) / half_life_s))


def charge(use: Use, weight: float, start: float, end: float, half_life_s: float) -> Use:
    """`use` with a holding from `start` to `end` added, both as seen at the later of `use.at` and `end`."""
    at = max(use.at, end)
    added = decayed(accrued(weight, end - start, half_life_s), at - end, half_life_s)
    return replace(
        use,
        decayed_gpu_s=decayed(use.decayed_gpu_s, at - use.at, half_life_s) + added,
        period_gpu_s=use.period_gpu_s + weight * max(0.0, end - start),
        at=at,
    )


def settle(use: Use, holdings: Iterable[Holding], now: float, half_life_s: float) -> Use:
    """`use` at `now` with all that its user's `holdings` count up to now; their `counted_to` is now then."""
    for holding in holdings:
        use = charge(use, holding.weight, counted_from(holding), now, half_life_s)
    return replace(use, decayed_gpu_s=decayed(use.decayed_gpu_s, now - use.at, half_life_s), at=max(use.at, now))


def counted_from(holding: Holding) -> float:
    """From when on its GPU-seconds are not in `State.uses` yet."""
    return holding.since if holding.counted_to is None else max(holding.since, holding.counted_to)


class Standing(NamedTuple):
    """How a user stands: numbers between 0 and 1, but for `own` and `use`, which may pass it for a moment."""

    group: str
    """The one that they count for; empty for the rest."""
    own: float
    """Their decayed use, as a part of all that the machine could give."""
    use: float
    """U: their own and a part of their group's."""
    share: float
    """S"""
    factor: float
    """F"""


def factors(state: State, now: float) -> dict[str, float]:
    """F of everybody who is active: who waits, holds or has used something that is not forgotten yet."""
    shared = _shared(state, now)
    used = shared.raw.get
    if len(shared.exponents) == 1:
        [(slope, fixed)] = shared.exponents.values()
        return {user: 2.0 ** (fixed + slope * used(user, 0.0)) for user in shared.groups}
    known: dict[str, float] = {}
    for user, group in shared.groups.items():
        slope, fixed = shared.exponents[group]
        known[user] = 2.0 ** (fixed + slope * used(user, 0.0))
    return known


def standings(state: State, now: float) -> dict[str, Standing]:
    """As `factors`, with all that they follow from."""
    shared = _shared(state, now)
    found = {}
    for user, group in shared.groups.items():
        own = shared.raw.get(user, 0.0) * shared.scale
        slope, fixed = shared.exponents[group]
        use = own + (shared.group_use[group] - own) / shared.members[group]
        factor = 2.0 ** (fixed + slope * shared.raw.get(user, 0.0))
        found[user] = Standing(group, own, use, shared.shares[group], factor)
    return found


class _Shared(NamedTuple):
    """What users of one group have in common. F = 2^(exponent), which is linear in their own raw use."""

    groups: dict[str, str]
    raw: dict[str, float]
    scale: float
    """GPU-seconds → part of what the machine could give in all the past that still counts."""
    members: Mapping[str, int]
    group_use: dict[str, float]
    shares: dict[str, float]
    exponents: dict[str, tuple[float, float]]
    """By group: what each GPU-second of a user's own adds, and what the rest of the group makes it at least."""


def _shared(state: State, now: float) -> _Shared:
    fair = state.policy.fair
    groups = _groups_by_user(state, fair)
    raw = _raw_use(state, now, fair.half_life_s)
    full = sum(unit.weight for unit in state.units if not unit.mig_mode) or 1.0
    scale = LN2 / (full * fair.half_life_s)
    members = Counter(groups.values())
    group_use = dict.fromkeys(members, 0.0)
    if len(members) == 1:
        group_use = dict.fromkeys(members, sum(raw.values()) * scale)
    else:
        for user, used in raw.items():
            group_use[groups[user]] += used * scale
    weights = {group: max(0.0, fair.group_weights.get(group, fair.default_weight)) for group in members}
    total = sum(weights.values()) or 1.0
    shares = {group: weights[group] / total / members[group] for group in members}
    exponents = {
        group: _exponent(shares[group], group_use[group], members[group], scale, fair) for group in members
    }
    return _Shared(groups, raw, scale, members, group_use, shares, exponents)


def _exponent(share: float, group_use: float, members: int, scale: float, fair: FairShare) -> tuple[float, float]:
    """−U/S/d with U = own + (group − own) / members, as (slope in raw own use, constant)."""
    if share <= 0:
        return (0.0, float("-inf"))
    steep = -1.0 / share / fair.dampening
    return (steep * scale * (1.0 - 1.0 / members), steep * group_use / members)


def group_of(groups: Iterable[str], fair: FairShare) -> str:
    """The group whose share a user has: the first of the policy's that they are in, else the rest, named ''."""
    mine = set(groups)
    return next((group for group in fair.group_weights if group in mine), "")


def _groups_by_user(state: State, fair: FairShare) -> dict[str, str]:
    """What is known last counts: a ticket knows a user's groups better than a use of last week."""
    if not fair.group_weights:
        users = [use.user for use in state.uses]
        users += [holding.user for holding in state.holdings]
        users += [ticket.user for ticket in state.tickets]
        return dict.fromkeys(users, "")
    known = {use.user: use.groups for use in state.uses}
    known.update((holding.user, holding.groups) for holding in state.holdings)
    known.update((ticket.user, ticket.groups) for ticket in state.tickets)
    by_groups = {groups: group_of(groups, fair) for groups in set(known.values())}
    return {user: by_groups[groups] for user, groups in known.items()}


def _raw_use(state: State, now: float, half_life_s: float) -> dict[str, float]:
    """User → decayed GPU-seconds at `now`, with what holdings count that nobody has settled yet."""
    left_of = {at: decayed(1.0, now - at, half_life_s) for at in {use.at for use in state.uses}}
    raw = {use.user: use.decayed_gpu_s * left_of[use.at] for use in state.uses}
    for holding in state.holdings:
        more = accrued(holding.weight, now - counted_from(holding), half_life_s)
        raw[holding.user] = raw.get(holding.user, 0.0) + more
    return raw


def is_forgotten(use: Use, now: float, half_life_s: float) -> bool:
    """Whether the record of somebody who neither holds nor waits can go (it may still matter to a period's
    limit).
    """
    return not use.period_gpu_s and decayed(use.decayed_gpu_s, now - use.at, half_life_s) < NEGLIGIBLE_GPU_S
