"""What is free on each unit, now and later: the working table of one decision.

The only thing here that changes while a decision is made; it never leaves `decide()`.
"""

from __future__ import annotations

from ..devices import Pair
from ..request import Request, is_model
from .state import IN_SERVICE, State, Unit

PoolKey = tuple[str | None, str | None, int | None]

Interval = tuple[float, float, str]
"""Start, end and group of a window that this unit is kept for."""


class Slot:
    """One unit, who is on it and until when."""

    __slots__ = ("drain_s", "free_mib", "index", "kept_for", "shared", "takes", "unit")

    def __init__(self, index: int, unit: Unit, drain_s: float) -> None:
        self.index = index
        self.drain_s = drain_s
        """From the end of a lease until the unit is free."""
        self.unit = unit
        self.free_mib = unit.usable_mib
        """What a further share could have; 0 where the unit is held whole."""
        self.shared = True
        """False where somebody holds all of it."""
        self.takes: list[tuple[float, int | None, tuple[str, ...]]] = []
        """When it ends, its MiB (None: all), and the groups of its holder."""
        self.kept_for: list[Interval] = []
        """In order of time; they do not overlap."""

    @property
    def empty(self) -> bool:
        return not self.takes

    def take(self, end: float, mib: int | None, groups: tuple[str, ...]) -> None:
        """Somebody has it, or a share of it, until `end`."""
        self.takes.append((end, mib, groups))
        if mib is None:
            self.shared = False
            self.free_mib = 0
        elif self.shared:
            self.free_mib -= mib

    def has_room(self, share_mib: int | None) -> bool:
        """For a share of so many MiB, or (None) for somebody who wants all of it."""
        if share_mib is None:
            return not self.takes
        return self.shared and self.free_mib >= share_mib

    def room_at(self, share_mib: int | None, now: float) -> float:
        """When there is room for that if nobody else comes; `now` where there is."""
        if self.has_room(share_mib):
            return now
        if share_mib is None:
            last = self.takes[0][0] if len(self.takes) == 1 else max(end for end, _, _ in self.takes)
            return last + self.drain_s
        free = self.unit.usable_mib - sum(self.unit.usable_mib if mib is None else mib for _, mib, _ in self.takes)
        for end, mib, _ in sorted(self.takes, key=lambda take: take[0]):
            free += self.unit.usable_mib if mib is None else mib
            if free >= share_mib:
                return end + self.drain_s
        return float("inf")  # larger than the unit; pools leave such units out

    def lease_limit(self, groups: tuple[str, ...], now: float, lead_s: float) -> float:
        """Until when a lease from `now` on may last here: the next window of a group not in `groups`."""
        for start, end, group in self.kept_for:
            if end > now and group not in groups:
                return start - lead_s
        return float("inf")

    def own_window_end(self, groups: tuple[str, ...], now: float) -> float | None:
        """The end of the window that this unit is kept for at `now`, if it is one of `groups`'."""
        for start, end, group in self.kept_for:
            if start <= now < end:
                return end if group in groups else None
        return None

    def start_from(self, groups: tuple[str, ...], at: float, lease_s: float, lead_s: float) -> float:
        """The first moment from `at` on at which a lease of `lease_s` runs into no window of another group."""
        for start, end, group in self.kept_for:
            if end > at and group not in groups:
                if at + lease_s <= start - lead_s:
                    return at
                at = end
        return at


class Room:
    """All slots, and the pools of those that fit a request."""

    def __init__(self, state: State, now: float) -> None:
        self.now = now
        self.policy = state.policy
        self.links = state.links
        self.drain_s = state.policy.leases.drain_s
        self.slots = [Slot(index, unit, self.drain_s) for index, unit in enumerate(state.units)]
        self.by_uuid = {unit.uuid: slot for unit, slot in zip(state.units, self.slots, strict=True)}
        self._cut = {unit.parent for unit in state.units if unit.parent is not None}
        self._pools: dict[PoolKey, list[Slot]] = {}
        self._serving: dict[PoolKey, list[Slot]] = {}
        self._fitting: dict[str, set[int]] = {}
        self._large: dict[str, list[Slot]] = {}
        self._neighbours: dict[str, dict[str, int]] | None = None
        for holding in state.holdings:
            # for as long as a server needs to stop, its end stays where it was; after that nobody can tell
            late = holding.lease_end + self.drain_s <= now
            end = now if late or holding.state == "draining" else holding.lease_end
            for uuid in holding.uuids:
                slot = self.by_uuid.get(uuid)
                if slot is not None:
                    slot.take(end, holding.mib, holding.groups)

    def pool(self, request: Request) -> list[Slot]:
        """Every unit of this machine that fits what is asked for, in service or not."""
        found = self._pools.get(request.pool)
        if found is None:
            found = [slot for slot in self.slots if self._fits(slot.unit, request)]
            self._pools[request.pool] = found
        return found

    def in_service(self, request: Request) -> list[Slot]:
        """Those of them that can be given to somebody new, were they large enough."""
        found = self._serving.get(request.pool)
        if found is None:
            found = [slot for slot in self.pool(request) if slot.unit.state in IN_SERVICE]
            self._serving[request.pool] = found
        return found

    def serving(self, request: Request) -> list[Slot]:
        """Those that fit all that is asked for and can be given to somebody new."""
        if request.share_mib is None:
            return self.in_service(request)
        found = self._large.get(request.key)
        if found is None:
            found = [slot for slot in self.in_service(request) if slot.unit.usable_mib >= request.share_mib]
            self._large[request.key] = found
        return found

    def fitting(self, request: Request) -> set[int]:
        """The indices of `serving()`."""
        found = self._fitting.get(request.key)
        if found is None:
            found = self._fitting[request.key] = {slot.index for slot in self.serving(request)}
        return found

    def _fits(self, unit: Unit, request: Request) -> bool:
        if request.kind == "mig":
            if unit.mig_profile is None or unit.mig_profile != request.mig_profile:
                return False
        elif not self.is_whole(unit):
            return False
        if request.min_memory_mib is not None and unit.memory_mib < request.min_memory_mib:
            return False
        return request.model is None or is_model(unit.model, request.model)

    def is_whole(self, unit: Unit) -> bool:
        """Whether it is a GPU that can be given as one, or in shares; one in MIG mode is given by slices only."""
        return (
            unit.parent is None and unit.mig_profile is None and not unit.mig_mode and unit.uuid not in self._cut
        )

    def link(self, one: str, other: str) -> int:
        """How well two are connected; 0 where it is not known."""
        key: Pair = (one, other) if one < other else (other, one)
        return self.links.get(key, 0)

    def neighbours(self) -> dict[str, dict[str, int]]:
        """UUID → UUID → score, made once a decision that needs it."""
        if self._neighbours is None:
            near: dict[str, dict[str, int]] = {}
            for (one, other), score in self.links.items():
                near.setdefault(one, {})[other] = score
                near.setdefault(other, {})[one] = score
            self._neighbours = near
        return self._neighbours
