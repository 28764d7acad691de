"""Why a ticket waits, as codes and values: what `words.say()` makes a sentence of."""

from __future__ import annotations

from ..request import Request
from .backfill import Head, Terms
from .decisions import Reason
from .room import Room

HELD = Reason("held", {})


def impossible(request: Request, room: Room) -> Reason | None:
    """Why it cannot start however long it waits: there is no such unit, or too few; or they are out of service."""
    serving = len(room.serving(request))
    if serving >= request.count:
        return None
    fitting = room.pool(request)
    if request.share_mib is not None:
        fitting = [slot for slot in fitting if slot.unit.usable_mib >= request.share_mib]
    asked = {"request": request.to_json(), "count": request.count, "total": len(fitting)}
    if len(fitting) < request.count:
        return Reason("never", asked)
    return Reason("out-of-service", {**asked, "serving": serving})


def waits(request: Request, groups: tuple[str, ...], found: Terms, room: Room, head: Head | None) -> Reason:
    """Why something that fits this machine does not start now."""
    slots, now = room.serving(request), room.now
    free = [slot for slot in slots if slot.has_room(request.share_mib)]
    if found.bound == "units":
        counts = {"free": len(free), "count": request.count, "total": len(slots)}
        return Reason("units", {**counts, "request": request.to_json()})
    if found.bound == "no-backfill":
        return Reason("no-backfill", {})
    if found.bound == "head":
        head_s = max(0.0, head.at - now) if head is not None else 0.0
        return Reason("would-delay", {"free": len(free), "head_s": head_s})
    kept = [each for slot in free for each in slot.kept_for if each[1] > now and each[2] not in groups]
    start, end, group = min(kept, default=(now, now, ""))
    if found.bound == "window-kept":
        return Reason("window-kept", {"free": len(free), "group": group, "end_s": end - now})
    lease_s = max(0.0, found.until - now)
    return Reason("lease-window", {"group": group, "start_s": start - now, "lease_s": lease_s})
