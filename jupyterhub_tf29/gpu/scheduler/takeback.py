"""Whom a window may send away: leases that stand in its way, because it was made, or a GPU failed, after them.

Only where the policy says so (`windows.take_back`), only as many as are missing, the youngest leases first.
"""

from __future__ import annotations

from .reserve import Kept
from .room import Room, Slot
from .state import Holding, State
from .windows import Occurrence


def in_the_way(state: State, kept: Kept, room: Room, now: float) -> dict[str, float]:
    """Claim id → start of the window that it stands in the way of, as soon as its notice is due."""
    if not state.policy.windows.take_back or not kept.shortages:
        return {}
    first_notice_s = max(state.policy.leases.notice_s, default=0.0)
    missing = {(short.window_id, short.start): short.missing for short in kept.shortages}
    by_unit: dict[str, list[Holding]] = {}
    for holding in state.holdings:
        for uuid in holding.uuids:
            by_unit.setdefault(uuid, []).append(holding)
    found: dict[str, float] = {}
    for one in kept.occurrences:
        short = missing.get((one.window_id, one.start), 0)
        if not short or now < one.start - first_notice_s:
            continue
        units = [slot for slot in kept.fitting[one] if _is_taken(slot, one, by_unit, found, now)]
        units.sort(key=lambda slot: _youngest(by_unit[slot.unit.uuid], one))
        for slot in units[:short]:
            for holding in by_unit[slot.unit.uuid]:
                if one.group not in holding.groups:
                    found.setdefault(holding.claim_id, one.start)
    return found


def key_of(start: float) -> str:
    """Of the notice: one for each window, however often it is decided."""
    return f"window {start:.0f}"


def _is_taken(
    slot: Slot, one: Occurrence, held: dict[str, list[Holding]], found: dict[str, float], now: float
) -> bool:
    """By others, beyond its start, and not to be given back for another window already."""
    begins = max(one.start, now)
    others = [each for each in held.get(slot.unit.uuid, ()) if one.group not in each.groups]
    return any(each.lease_end > begins for each in others) and not any(each.claim_id in found for each in others)


def _youngest(holdings: list[Holding], one: Occurrence) -> tuple[bool, float, str]:
    """Whoever was told already goes first, or the choice would change under their feet."""
    told = any(key == key_of(one.start) for each in holdings for key, _ in each.warned)
    return (not told, -max(each.since for each in holdings), holdings[0].claim_id)
