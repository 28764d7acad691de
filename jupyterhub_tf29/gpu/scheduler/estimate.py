"""When each ticket starts, if every lease lasts to its end and nobody else comes.

The line is played forward in its order: each takes the units that are free first. That is a list schedule, n log
n in the length of the line; it looks into no hole that a wide request leaves, so it says rather too late than too
early.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

from ..request import Request
from .grants import Waiting
from .room import PoolKey, Room, Slot

LOOKS = 8
"""Where windows make the units that are free first not the best ones, so many more are looked at."""

MOST_LOOKS = 32
"""Of units with shares, in the order in which anything of them becomes free."""

Queue = list[tuple[float, int]]
"""`(free from, slot index)` of each unit of a pool, in order; to insert is to move a few hundred bytes."""

Pieces = list[tuple[float, int]]
"""`(free from, MiB)`"""


def estimates(waiting: Iterable[Waiting], room: Room) -> list[float | None]:
    """For each of those who wait, seconds until it has its units; None where it does not wait for its turn."""
    return _Plan(room).play(waiting)


class _Plan:
    """When each unit is free, moved forward ticket by ticket."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.drain_s = room.policy.leases.drain_s
        self.lead_s = room.policy.windows.lead_s
        self.windows = any(slot.kept_for for slot in room.slots)
        self.free_at = [slot.room_at(None, room.now) for slot in room.slots]
        """By slot: when nobody is on it."""
        self.queues: dict[PoolKey, Queue] = {}
        """By pool: its units by when they are free."""
        self.queues_of: list[list[Queue]] = [[] for _ in room.slots]
        """By slot: the queues that it is in."""
        self.pieces: dict[int, Pieces] = {}
        """By slot that has shares: when how many MiB of it are free, in order; together they are all of it."""
        self.partly: Queue = []
        """Those slots, by when the first piece of them is free."""
        for slot in room.slots:
            if slot.takes and slot.shared:
                self._cut(slot.index, _pieces(slot, room.now))

    def play(self, waiting: Iterable[Waiting]) -> list[float | None]:
        """One after the other. The usual case, whole units of one pool and no windows, is spelt out: it is hot."""
        max_s, now, drain_s = self.room.policy.leases.max_s, self.room.now, self.drain_s
        pieces, free_at = self.pieces, self.free_at
        usual: dict[str, Queue] = {}
        """By request: its queue, as long as there is no other."""
        found: list[float | None] = []
        for ticket, _, in_turn in waiting:
            if not in_turn:
                found.append(None)
                continue
            lease_s = ticket.lease_s if ticket.lease_s < max_s else max_s
            request = ticket.request
            queue = usual.get(request.key)
            if queue is None:
                at = self.place(request, ticket.groups, lease_s)
                if len(self.queues) > 1:
                    usual.clear()
                elif not self.windows and request.share_mib is None:
                    usual[request.key] = self.queues[request.pool]
            elif request.count == 1:
                at, index = queue.pop(0)
                if index in pieces:
                    self._cut(index, [])
                free_at[index] = until = at + lease_s + drain_s
                insort(queue, (until, index))
            else:
                taken = queue[: request.count]
                del queue[: request.count]
                at = taken[-1][0]
                until = at + lease_s + drain_s
                for _, index in taken:
                    if index in pieces:
                        self._cut(index, [])
                    free_at[index] = until
                    insort(queue, (until, index))
            found.append(at - now if at > now else 0.0)
        return found

    def place(self, request: Request, groups: tuple[str, ...], lease_s: float) -> float:
        """The moment at which it starts; its units are taken from then on."""
        queue = self.queues.get(request.pool)
        if queue is None:
            queue = self._queue(request)
        if request.share_mib is not None:
            return self._place_share(queue, request, request.share_mib, groups, lease_s)
        if self.windows:
            taken, at = self._around_windows(queue, request.count, groups, lease_s)
        else:
            taken = queue[: request.count]
            at = taken[-1][0]
        until = at + lease_s + self.drain_s
        for _, index in taken:
            if index in self.pieces:
                self._cut(index, [])
            self._hold(index, until)
        return at

    def _around_windows(
        self, queue: Queue, count: int, groups: tuple[str, ...], lease_s: float
    ) -> tuple[Queue, float]:
        """The units that are free first for a lease that runs into no window, and when they all are."""
        found: list[tuple[float, float, int]] = []
        for free, index in queue:
            # those behind are free no sooner than this one, so they cannot be better than what is enough already
            if len(found) >= count and (len(found) >= count + LOOKS or sorted(found)[count - 1][0] <= free):
                break
            found.append((self._start(index, free, groups, lease_s), free, index))
        found.sort()
        return [(free, index) for _, free, index in found[:count]], found[count - 1][0]

    def _place_share(
        self, queue: Queue, request: Request, mib: int, groups: tuple[str, ...], lease_s: float
    ) -> float:
        """On the unit with shares that has room first, or on one that is free before that."""
        fitting, windows = self.room.fitting(request), self.windows
        best, chosen = float("inf"), -1
        for looks, (soonest, index) in enumerate(self.partly):
            if soonest >= best or looks >= MOST_LOOKS:
                break
            if index in fitting:
                pieces = self.pieces[index]
                at = soonest if pieces[0][1] >= mib else _free_from(pieces, mib)
                if windows:
                    at = self._start(index, at, groups, lease_s)
                if at < best:
                    best, chosen = at, index
        for free, index in queue:
            if free >= best:
                break
            if index in fitting:
                at = self._start(index, free, groups, lease_s) if windows else free
                if at < best:
                    best, chosen = at, index
        if chosen >= 0:
            self._share(chosen, mib, best, best + lease_s + self.drain_s)
        return best

    def _start(self, index: int, at: float, groups: tuple[str, ...], lease_s: float) -> float:
        slot = self.room.slots[index]
        return slot.start_from(groups, at, lease_s, self.lead_s) if slot.kept_for else at

    # -- keeping the books -----------------------------------------------------------------------------------

    def _hold(self, index: int, until: float) -> None:
        """Somebody is on this unit until then."""
        before, self.free_at[index] = self.free_at[index], until
        for queue in self.queues_of[index]:
            del queue[bisect_left(queue, (before, index))]
            insort(queue, (until, index))

    def _share(self, index: int, mib: int, at: float, until: float) -> None:
        """So much of a unit, of what is free first, is taken until then."""
        pieces = self.pieces.get(index)
        if pieces is None:
            self._cut(index, _take([(at, self.room.slots[index].unit.usable_mib)], mib, until))
        else:
            soonest = pieces[0][0]
            _take(pieces, mib, until)
            if pieces[0][0] != soonest:
                del self.partly[bisect_left(self.partly, (soonest, index))]
                insort(self.partly, (pieces[0][0], index))
        if until > self.free_at[index]:
            self._hold(index, until)

    def _cut(self, index: int, pieces: Pieces) -> None:
        """A unit is in these pieces now; none: it is whole again."""
        before = self.pieces.pop(index, None)
        if before is not None:
            del self.partly[bisect_left(self.partly, (before[0][0], index))]
        if pieces:
            self.pieces[index] = pieces
            insort(self.partly, (pieces[0][0], index))

    def _queue(self, request: Request) -> Queue:
        slots = self.room.in_service(request)
        queue = self.queues[request.pool] = sorted((self.free_at[slot.index], slot.index) for slot in slots)
        for slot in slots:
            self.queues_of[slot.index].append(queue)
        return queue


def _pieces(slot: Slot, now: float) -> Pieces:
    known = [(end + slot.drain_s, mib) for end, mib, _ in slot.takes if mib is not None]
    if slot.free_mib > 0:
        known.append((now, slot.free_mib))
    return sorted(known)


def _take(pieces: Pieces, mib: int, until: float) -> Pieces:
    """`pieces`, in which so many MiB, of what is free first, are somebody's until then."""
    gone, left = 0, mib
    for free, piece in pieces:
        if piece > left:
            if left:
                pieces[gone] = (free, piece - left)
            break
        left -= piece
        gone += 1
    del pieces[:gone]
    insort(pieces, (until, mib))
    return pieces


def _free_from(pieces: Pieces, mib: int) -> float:
    """When so many MiB are free; pieces are in order of time."""
    for free, piece in pieces:
        mib -= piece
        if mib <= 0:
            return free
    return float("inf")
