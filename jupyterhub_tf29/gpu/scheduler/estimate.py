"""When each ticket starts, if every lease lasts to its end and nobody else comes.

The line is played forward in its order: each takes the units that are free first. That is a list schedule, n log
n in the length of the line; it looks into no hole that a wide request leaves, so it says rather too late than too
early.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from ..request import Request
from .grants import Waiting
from .room import PoolKey, Room, Slot

LOOKS = 8
"""For a share, so many units with room soonest are looked at; those behind them rarely have enough sooner."""


def estimates(waiting: Iterable[Waiting], room: Room) -> dict[str, float]:
    """Ticket id → epoch seconds at which it has its units; those that do not wait for their turn are not in it."""
    plan = _Plan(room)
    max_s = room.policy.leases.max_s
    found: dict[str, float] = {}
    for ticket, _, in_turn in waiting:
        if in_turn:
            lease_s = ticket.lease_s if ticket.lease_s < max_s else max_s
            found[ticket.id] = plan.place(ticket.request, ticket.groups, lease_s)
    return found


class _Plan:
    """When each unit is free, moved forward ticket by ticket."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.drain_s = room.policy.leases.drain_s
        self.lead_s = room.policy.windows.lead_s
        self.free_at = [slot.room_at(None, room.now) for slot in room.slots]
        """By slot: when nobody is on it."""
        self.pieces: dict[int, list[tuple[float, int]]] = {}
        """By slot that shares were looked for on: when how many MiB become free, in order of time."""
        self.heaps: dict[tuple[PoolKey, bool], list[tuple[float, int]]] = {}
        """By pool, for whole units and for shares: `(free from, slot)`; entries that are no longer so are
        skipped.
        """
        self.heaps_of: list[list[tuple[bool, list[tuple[float, int]]]]] = [[] for _ in room.slots]
        self.windows = any(slot.kept_for for slot in room.slots)

    def place(self, request: Request, groups: tuple[str, ...], lease_s: float) -> float:
        """The moment at which it starts; its units are taken from then on."""
        if request.share_mib is not None:
            return self._place_share(request, request.share_mib, groups, lease_s)
        heap = self._heap(request, False)
        count, free_at = request.count, self.free_at
        if count == 1 and not self.windows:
            while True:
                at, index = heap[0]
                if free_at[index] == at:
                    break
                heappop(heap)
            self._hold(index, at + lease_s + self.drain_s)
            return at
        return self._place_several(heap, count, groups, lease_s)

    def _place_several(
        self, heap: list[tuple[float, int]], count: int, groups: tuple[str, ...], lease_s: float
    ) -> float:
        found: list[tuple[float, int]] = []
        passed: list[tuple[float, int]] = []
        looks = count if not self.windows else count + LOOKS
        while heap and len(passed) < looks:
            free, index = heappop(heap)
            if self.free_at[index] != free or (passed and passed[-1] == (free, index)):
                continue
            passed.append((free, index))
            slot = self.room.slots[index]
            start = slot.start_from(groups, free, lease_s, self.lead_s) if slot.kept_for else free
            found.append((start, index))
        found.sort()
        taken = found[:count]
        at = taken[-1][0]
        indices = {index for _, index in taken}
        for entry in passed:
            if entry[1] not in indices:
                heappush(heap, entry)
        for index in indices:
            self._hold(index, at + lease_s + self.drain_s)
        return at

    def _place_share(self, request: Request, mib: int, groups: tuple[str, ...], lease_s: float) -> float:
        heap = self._heap(request, True)
        passed: list[tuple[float, int]] = []
        best: tuple[float, int] | None = None
        while heap and len(passed) < LOOKS and (best is None or heap[0][0] < best[0]):
            soonest, index = heappop(heap)
            slot = self.room.slots[index]
            pieces = self._pieces(slot)
            if pieces[0][0] != soonest or (passed and passed[-1] == (soonest, index)):
                continue
            passed.append((soonest, index))
            if slot.unit.usable_mib < mib:
                continue
            at = _free_from(pieces, mib)
            at = slot.start_from(groups, at, lease_s, self.lead_s) if slot.kept_for else at
            if best is None or (at, index) < best:
                best = (at, index)
        for entry in passed:
            heappush(heap, entry)
        if best is None:
            return float("inf")
        self._share(best[1], mib, best[0] + lease_s + self.drain_s)
        return best[0]

    # -- keeping the books -----------------------------------------------------------------------------------

    def _heap(self, request: Request, shares: bool) -> list[tuple[float, int]]:
        heap = self.heaps.get((request.pool, shares))
        if heap is None:
            slots = self.room.in_service(request)
            if shares:
                heap = [(self._pieces(slot)[0][0], slot.index) for slot in slots]
            else:
                heap = [(self.free_at[slot.index], slot.index) for slot in slots]
            heapify(heap)
            self.heaps[request.pool, shares] = heap
            for slot in slots:
                self.heaps_of[slot.index].append((shares, heap))
        return heap

    def _hold(self, index: int, until: float) -> None:
        """All of a unit is taken until then."""
        self.free_at[index] = until
        if index in self.pieces:
            self.pieces[index] = [(until, self.room.slots[index].unit.usable_mib)]
        self._moved(index)

    def _share(self, index: int, mib: int, until: float) -> None:
        """So much of a unit, of what is free first, is taken until then."""
        left = mib
        rest = []
        for free, piece in self.pieces[index]:
            used = min(left, piece)
            left -= used
            if piece > used:
                rest.append((free, piece - used))
        rest.append((until, mib))
        rest.sort()
        self.pieces[index] = rest
        self.free_at[index] = max(self.free_at[index], until)
        self._moved(index)

    def _moved(self, index: int) -> None:
        for shares, heap in self.heaps_of[index]:
            heappush(heap, (self.pieces[index][0][0] if shares else self.free_at[index], index))

    def _pieces(self, slot: Slot) -> list[tuple[float, int]]:
        known = self.pieces.get(slot.index)
        if known is None:
            usable = slot.unit.usable_mib
            known = [(end, usable if mib is None else mib) for end, mib, _ in slot.takes]
            left = usable - sum(mib for _, mib in known)
            if left > 0:
                known.append((self.room.now, left))
            known.sort()
            self.pieces[slot.index] = known
        return known


def _free_from(pieces: list[tuple[float, int]], mib: int) -> float:
    """When so many MiB are free; pieces are in order of time."""
    for free, piece in pieces:
        mib -= piece
        if mib <= 0:
            return free
    return float("inf")
