"""Which units a request gets, of those that have room.

A share goes where the least is left over, and onto a GPU that has shares already before one that is whole. A
single GPU is the smallest that fits and, of those, the one worst connected to what else is free. Several GPUs are
of one model where that is possible, and the best connected set of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, islice
from math import comb

from ..request import Request
from .room import Room, Slot

MOST_SETS = 2000
"""Sets that are tried one by one (4 of 16 are 1,820); above it the set is grown from its best pair."""

MOST_NEAR = 64
"""Of more free units than this, connections to those that stay free are not looked at."""


def choose(request: Request, able: Sequence[Slot], room: Room) -> list[Slot]:
    """`request.count` of the slots in `able`, which all have room for it and are at least so many."""
    if request.share_mib is not None:
        return [min(able, key=lambda slot: _tightness(slot, room))]
    if request.count == 1:
        smallest = min(slot.unit.memory_mib for slot in able)
        return [_least_connected([slot for slot in able if slot.unit.memory_mib == smallest], able, room)]
    if not room.links or request.kind == "mig":
        return sorted(_of_one_model(request, able), key=_by_size)[: request.count]
    return _best_connected(_of_one_model(request, able), request.count, room)


def _tightness(slot: Slot, room: Room) -> tuple[bool, int, int, int]:
    spare = 0 if slot.takes else sum(room.neighbours().get(slot.unit.uuid, {}).values())
    return (not slot.takes, slot.free_mib, spare, slot.index)


def _by_size(slot: Slot) -> tuple[int, int]:
    return (slot.unit.memory_mib, slot.index)


def _least_connected(candidates: list[Slot], able: Sequence[Slot], room: Room) -> Slot:
    """So that well connected sets stay whole for those who need several."""
    if len(candidates) == 1 or not room.links or len(able) > MOST_NEAR:
        return candidates[0]
    near = room.neighbours()
    free = {slot.unit.uuid for slot in able}

    def strength(slot: Slot) -> tuple[int, int, int]:
        scores = sorted(
            (score for uuid, score in near.get(slot.unit.uuid, {}).items() if uuid in free), reverse=True
        )
        return (scores[0] if scores else 0, sum(scores), slot.index)

    return min(candidates, key=strength)


def _of_one_model(request: Request, able: Sequence[Slot]) -> list[Slot]:
    """The model that has enough and the least memory; all of them where no model has enough."""
    models: dict[tuple[int, str], list[Slot]] = {}
    for slot in able:
        models.setdefault((slot.unit.memory_mib, slot.unit.model), []).append(slot)
    for key in sorted(models):
        if len(models[key]) >= request.count:
            return models[key]
    return list(able)


def _best_connected(able: list[Slot], count: int, room: Room) -> list[Slot]:
    if comb(len(able), count) <= MOST_SETS:
        return _best_of_all_sets(able, count, room)
    return _grown(able, count, room)


def _best_of_all_sets(able: list[Slot], count: int, room: Room) -> list[Slot]:
    """The set with the most connection inside and, of equals, the least to what is left outside."""
    size = len(able)
    score = [[room.link(one.unit.uuid, other.unit.uuid) for other in able] for one in able]
    to_all = [sum(row) for row in score]
    best: tuple[int, int] | None = None
    chosen: tuple[int, ...] = tuple(range(count))
    for subset in combinations(range(size), count):
        inside = 0
        for place, one in enumerate(subset):
            row = score[one]
            for other in subset[place + 1 :]:
                inside += row[other]
        if best is not None and inside < best[0]:
            continue
        outside = sum(to_all[one] for one in subset) - 2 * inside
        if best is None or (inside, -outside) > best:
            best, chosen = (inside, -outside), subset
    return [able[one] for one in chosen]


def _grown(able: list[Slot], count: int, room: Room) -> list[Slot]:
    """From each start (the first 64) the best next one is added until there are enough; the best of these sets."""
    near = room.neighbours()
    best: tuple[int, list[Slot]] | None = None
    for start in islice(able, MOST_NEAR):
        chosen, inside = [start], 0
        pull = {
            slot.index: near.get(start.unit.uuid, {}).get(slot.unit.uuid, 0) for slot in able if slot is not start
        }
        by_index = {slot.index: slot for slot in able}
        while len(chosen) < count:
            index = max(pull, key=lambda each: (pull[each], -each))
            inside += pull.pop(index)
            added = by_index[index]
            chosen.append(added)
            for uuid, score in near.get(added.unit.uuid, {}).items():
                other = room.by_uuid.get(uuid)
                if other is not None and other.index in pull:
                    pull[other.index] += score
        if best is None or inside > best[0]:
            best = (inside, chosen)
    return best[1] if best else list(able[:count])
