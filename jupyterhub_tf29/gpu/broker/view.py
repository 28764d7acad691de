"""The book as the scheduler sees it, and as people do: what state each device is in, and why."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ...i18n import N_
from ..request import Request
from ..scheduler import state as scheduler
from .book import Book
from .records import ALLOCATED, DRAINING, RESERVED, Claim, DeviceRecord

NO_ANSWER = N_("It has not answered for a while.")
NOT_THERE = N_("The driver does not show it any more.")


def out_of_service(book: Book, device: DeviceRecord, now: float) -> tuple[str, str, float]:
    """Why nobody new is put on it: (state, reason, since); ("", "", 0.0) where somebody can be."""
    if device.quarantined:
        return "quarantined", device.quarantined, device.quarantined_at
    inventory, sight = book.inventory, book.sights.get(device.uuid)
    if inventory is None or inventory.device(device.uuid) is None:
        return "missing", NOT_THERE, device.seen_at
    if sight is None or sight.sample is None or now - sight.sample.time > book.rules.stale_s:
        return "missing", NO_ANSWER, sight.sample.time if sight and sight.sample else device.seen_at
    if device.drained:
        return "draining", device.drained, device.drained_at
    if sight.foreign:
        return "foreign", sight.foreign, sight.foreign_since
    return "", "", 0.0


def device_state(book: Book, device: DeviceRecord, now: float) -> tuple[str, str, float]:
    """(state, reason, since) as the page shows it: what keeps others off it, or how it is held."""
    found = out_of_service(book, device, now)
    if found[0]:
        return found
    holders = book.holders(device.uuid)
    for state in (ALLOCATED, RESERVED, DRAINING):
        first = next((claim for claim in holders if claim.state == state), None)
        if first:
            return state, "", first.released_at if state == DRAINING else first.since
    return "free", "", 0.0


def scheduler_state(book: Book, now: float) -> scheduler.State:
    """All that a decision depends on."""
    return scheduler.State(
        units=tuple(_unit(book, device, now) for device in book.devices.values()),
        holdings=tuple(_holding(book, claim) for claim in book.claims.values()),
        tickets=tuple(
            scheduler.Ticket(
                id=ticket.id,
                user=ticket.user,
                groups=tuple(ticket.groups),
                request=Request.from_json(ticket.request),
                submitted=ticket.submitted,
                lease_s=ticket.lease_s,
                accepts_s=ticket.accepts_s or None,
                place=ticket.place or None,
                # a start that failed for want of memory keeps its place, and is not tried again at once
                held=ticket.retry_at > now or _still_stopping(book, ticket.user, ticket.server),
                server=ticket.server,
            )
            for ticket in book.waiting()
        ),
        windows=book.rules.windows,
        releases=tuple(scheduler.Release(one.window_id, one.start, one.keep) for one in book.releases.values()),
        uses=tuple(
            scheduler.Use(one.user, tuple(one.groups), one.decayed_gpu_s, one.at, one.period_gpu_s)
            for one in book.uses.values()
        ),
        links=book.inventory.links if book.inventory else {},
        policy=book.rules.policy,
        period_ends=period_bounds(now, book.rules.period, book.rules.timezone)[1],
    )


def _unit(book: Book, device: DeviceRecord, now: float) -> scheduler.Unit:
    state = out_of_service(book, device, now)[0]
    return scheduler.Unit(
        uuid=device.uuid,
        model=device.model,
        memory_mib=device.memory_mib,
        usable_mib=device.usable_mib,
        state=state or "free",  # type: ignore[arg-type]
        parent=device.parent or None,
        mig_profile=device.mig_profile or None,
        slices=device.slices,
    )


def _holding(book: Book, claim: Claim) -> scheduler.Holding:
    idle_since = book.idle_since.get(claim.id)
    return scheduler.Holding(
        claim_id=claim.id,
        user=claim.user,
        groups=tuple(claim.groups),
        uuids=tuple(claim.uuids),
        mib=claim.mib or None,
        since=claim.since,
        lease_end=claim.lease_end,
        weight=claim.weight,
        state=claim.state,  # type: ignore[arg-type]
        protected_until=claim.protected_until,
        counted_to=claim.counted_to or None,
        idle_since=idle_since if claim.state == ALLOCATED else None,
        overrun_since=claim.over_since or None,
        warned=tuple(claim.warned.items()),
        request=Request.from_json(claim.request),
        server=claim.server,
    )


def _still_stopping(book: Book, user: str, server: str) -> bool:
    """A server that is being taken down cannot be started yet."""
    return any(
        (one.user, one.server) == (user, server) and one.ending_cause and one.held for one in book.claims.values()
    )


def period_bounds(now: float, period: str, timezone: str) -> tuple[float, float]:
    """Begin and end (epoch seconds) of the week or month that holds `now`, on the clock of `timezone`."""
    midnight = datetime.fromtimestamp(now, ZoneInfo(timezone)).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "week":
        begin = midnight - timedelta(days=midnight.weekday())
        end = begin + timedelta(days=7)
    else:
        begin = midnight.replace(day=1)
        end = (begin + timedelta(days=32)).replace(day=1)
    return begin.timestamp(), end.timestamp()
