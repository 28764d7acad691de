"""Which unit is kept for which window.

Chosen anew in every decision, so that a unit that fails is replaced by another and nobody's lease is shortened
for a unit that need not be the one. The most particular window chooses first; it takes what its group holds
already, then what is busy until shortly before (so that what is free now stays free for long leases), then what
is free.
"""

from __future__ import annotations

from typing import NamedTuple

from ..request import is_model
from .decisions import Shortage
from .room import Room, Slot
from .state import IN_SERVICE, State
from .windows import Occurrence, occurrences


class Kept(NamedTuple):
    """What came of all windows in sight."""

    occurrences: list[Occurrence]
    shortages: tuple[Shortage, ...]
    units: dict[tuple[str, float], list[Slot]]
    """By window and start: what is kept for it."""
    fitting: dict[Occurrence, list[Slot]]
    """What it could be."""
    sight: float
    """How far was looked; infinite where there are no windows."""


def keep(room: Room, state: State) -> Kept:
    """Write into each slot's `kept_for` which windows it is kept for."""
    if not state.windows:
        return Kept([], (), {}, {}, float("inf"))
    ends = [end for slot in room.slots for end, _, _ in slot.takes]
    wished = [ticket.lease_s for ticket in state.tickets]
    longest = min(max([*wished, state.policy.leases.max_s]), state.policy.leases.max_s)
    sight = max([room.now, *ends]) + 2 * longest
    found = occurrences(state, room.now, sight)
    fitting = {one: [slot for slot in room.slots if _fits(slot, one, room)] for one in set(found)}
    shortages = []
    kept: dict[tuple[str, float], list[Slot]] = {}
    for one in sorted(found, key=lambda each: (len(fitting[each]), each.start, each.window_id)):
        able = [slot for slot in fitting[one] if _is_able(slot, one, room)]
        able.sort(key=lambda slot: _preference(slot, one))
        chosen = able[: one.gpus]
        for slot in chosen:
            slot.kept_for.append((one.start, one.end, one.group))
        missing = one.gpus - len(chosen)
        if missing > 0:
            shortages.append(Shortage(one.window_id, one.start, missing))
            chosen += _keep_later(fitting[one], one, missing)
        kept[one.window_id, one.start] = chosen
    for slot in room.slots:
        slot.kept_for.sort()
    return Kept(found, tuple(shortages), kept, fitting, sight)


def in_use(kept: Kept) -> dict[tuple[str, float], int]:
    """By window and start: on how many of the units kept for it somebody of its group is."""
    return {
        (one.window_id, one.start): sum(
            any(one.group in groups for _, _, groups in slot.takes)
            for slot in kept.units[one.window_id, one.start]
        )
        for one in kept.occurrences
    }


def _fits(slot: Slot, one: Occurrence, room: Room) -> bool:
    unit = slot.unit
    if unit.state not in IN_SERVICE or not room.is_whole(unit):
        return False
    if one.min_memory_mib is not None and unit.memory_mib < one.min_memory_mib:
        return False
    return one.model is None or is_model(unit.model, one.model)


def _keep_later(slots: list[Slot], one: Occurrence, missing: int) -> list[Slot]:
    """What others hold into the window but give back before it ends: nobody else has it after them."""
    late = []
    for slot in slots:
        if not any(start < one.end and end > one.start for start, end, _ in slot.kept_for):
            free_at = max((end for end, _, groups in slot.takes if one.group not in groups), default=one.end)
            if free_at < one.end:
                late.append((free_at, slot.index, slot))
    late.sort()
    for free_at, _, slot in late[:missing]:
        slot.kept_for.append((max(free_at, one.start), one.end, one.group))
    return [slot for _, _, slot in late[:missing]]


def _is_able(slot: Slot, one: Occurrence, room: Room) -> bool:
    """Whether nobody else has it, or is promised it, at any time of this window."""
    if any(start < one.end and end > one.start for start, end, _ in slot.kept_for):
        return False
    begins = max(one.start - room.policy.windows.lead_s, room.now)
    is_open = begins <= room.now  # then whoever is on it now is in the way, however soon they go
    return not any((end > begins or is_open) and one.group not in groups for end, _, groups in slot.takes)


def _preference(slot: Slot, one: Occurrence) -> tuple[int, float, int]:
    if any(end > one.start and one.group in groups for end, _, groups in slot.takes):
        return (0, 0.0, slot.index)
    if slot.takes:
        return (1, -max(end for end, _, _ in slot.takes), slot.index)
    return (2, 0.0, slot.index)
