"""How many GPUs users and groups may hold at once, and how many GPU-hours they may use in a period.

What a lease could still use counts as used: so no period's limit is passed, not even by a lease that crosses into
the next one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from .decisions import Reason, ReasonCode
from .fairshare import counted_from
from .policy import HOUR, Limit, Limits
from .state import State

_TINY = 1e-6
"""Weights are fractions; sums of them are compared with this much leniency."""


class Allowance(NamedTuple):
    """How long a lease may be; where it may not be at all, `reason` says why."""

    lease_s: float
    reason: Reason | None


FREE = Allowance(float("inf"), None)


class _Account:
    """What a user, or a group, holds and has used up."""

    __slots__ = ("gpu_s", "held")

    def __init__(self) -> None:
        self.held = 0.0
        self.gpu_s = 0.0


class Allowances:
    """Who may still have what; `note()` keeps it true while a decision grants."""

    def __init__(self, state: State, now: float) -> None:
        self._limits = state.policy.limits
        self._period_ends = state.period_ends
        self.any = _limits_anything(self._limits)
        self._users: dict[str, _Account] = {}
        self._groups: dict[str, _Account] = {group: _Account() for group in self._limits.groups}
        self._bounds: dict[tuple[str, tuple[str, ...]], list[tuple[Limit, _Account, str | None]]] = {}
        self._limit_of: dict[tuple[str, tuple[str, ...]], Limit] = {}
        if self.any:
            self._count(state, now)

    def _count(self, state: State, now: float) -> None:
        for use in state.uses:
            for account in self._accounts(use.user, use.groups):
                account.gpu_s += use.period_gpu_s
        for holding in state.holdings:
            until = now if holding.state == "draining" else max(now, holding.lease_end)
            for account in self._accounts(holding.user, holding.groups):
                account.held += holding.weight
                account.gpu_s += holding.weight * max(0.0, until - counted_from(holding))

    def check(self, user: str, groups: tuple[str, ...], weight: float, least_s: float) -> Allowance:
        """What `user` may still have of a request of this weight; refused where no lease of `least_s` is left."""
        if not self.any:
            return FREE
        longest = float("inf")
        for bound, account, group in self._judged(user, groups):
            if bound.gpus is not None and account.held + weight > bound.gpus + _TINY:
                return Allowance(0.0, self._refused("gpus", group, bound.gpus, account.held))
            if bound.gpu_hours is not None:
                left_s = (bound.gpu_hours * HOUR - account.gpu_s) / weight
                if left_s < least_s - _TINY:
                    return Allowance(0.0, self._refused("hours", group, bound.gpu_hours, account.gpu_s / HOUR))
                longest = min(longest, left_s)
        return Allowance(longest, None)

    def _judged(self, user: str, groups: tuple[str, ...]) -> list[tuple[Limit, _Account, str | None]]:
        """The limits that apply to a user, with what counts for each; the group where it is one's."""
        found = self._bounds.get((user, groups))
        if found is None:
            found = [(self._limit_for(user, groups), self._account(user), None)]
            found += [
                (self._limits.groups[name], self._groups[name], name) for name in groups if name in self._groups
            ]
            self._bounds[user, groups] = found
        return found

    def more(self, user: str, groups: tuple[str, ...], weight: float) -> float:
        """By how many seconds a lease that is held already may grow."""
        bounds = self._judged(user, groups)
        left = [
            (bound.gpu_hours * HOUR - account.gpu_s) / weight for bound, account, _ in bounds if bound.gpu_hours
        ]
        return max(0.0, min(left, default=float("inf")))

    def note(self, user: str, groups: tuple[str, ...], weight: float, lease_s: float) -> None:
        """A lease was granted."""
        if self.any:
            for account in self._accounts(user, groups):
                account.held += weight
                account.gpu_s += weight * lease_s

    def _refused(self, what: str, group: str | None, limit: float, used: float) -> Reason:
        values: dict[str, Any] = {"limit": round(limit, 2), "used": round(used, 2)}
        if group is not None:
            values["group"] = group
        if what == "hours":
            values["period_ends_at"] = self._period_ends
        codes: dict[tuple[str, bool], ReasonCode] = {
            ("gpus", False): "limit-gpus",
            ("gpus", True): "limit-group-gpus",
            ("hours", False): "limit-hours",
            ("hours", True): "limit-group-hours",
        }
        return Reason(codes[what, group is not None], values)

    def _account(self, user: str) -> _Account:
        account = self._users.get(user)
        if account is None:
            account = self._users[user] = _Account()
        return account

    def _accounts(self, user: str, groups: Iterable[str]) -> list[_Account]:
        return [self._account(user), *(self._groups[name] for name in groups if name in self._groups)]

    def _limit_for(self, user: str, groups: tuple[str, ...]) -> Limit:
        known = self._limit_of.get((user, groups))
        if known is None:
            known = self._limit_of[user, groups] = limit_for(user, groups, self._limits)
        return known


def limit_for(user: str, groups: Iterable[str], limits: Limits) -> Limit:
    """The limit of one user: their own line; else the most generous of their groups'; else everybody's."""
    if user in limits.users:
        return limits.users[user]
    mine = [limits.members[group] for group in groups if group in limits.members]
    if not mine:
        return limits.user
    return Limit(_most([each.gpus for each in mine]), _most([each.gpu_hours for each in mine]))


def _most(numbers: list[float | None]) -> float | None:
    return None if None in numbers else max(number for number in numbers if number is not None)


def _limits_anything(limits: Limits) -> bool:
    every = [limits.user, *limits.members.values(), *limits.users.values(), *limits.groups.values()]
    return any(limit.gpus is not None or limit.gpu_hours is not None for limit in every)
