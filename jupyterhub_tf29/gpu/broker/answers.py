"""The book in the shapes that the API answers with; `gpu.client` describes them."""

from __future__ import annotations

from typing import Any

from ...i18n import LANGUAGES, N_, in_language
from ..devices import used_by_container
from ..words import say
from .book import Book
from .records import HELD, OFFERED, WAITING, Claim, DeviceRecord, Ticket
from .view import device_state

PRACTICE = "gpulab"
"""In the driver's version where the GPUs are the stand-ins of the tests."""


def claim_answer(claim: Claim) -> dict[str, Any]:
    return {
        "id": claim.id,
        "user": claim.user,
        "server": claim.server,
        "groups": claim.groups,
        "request": claim.request,
        "devices": [{"uuid": uuid, "mib": claim.mib or None} for uuid in claim.uuids],
        "state": claim.state,
        "since": claim.since,
        "lease_end": claim.lease_end,
        "protected_until": claim.protected_until,
        "container_id": claim.container_id or None,
        "share_mib": claim.mib or None,
        "weight": claim.weight,
        "profile": claim.profile,
        "ticket": claim.ticket or None,
        "ending": claim.ending_cause or None,
        "lost": claim.lost,
    }


def ticket_answer(book: Book, ticket: Ticket) -> dict[str, Any]:
    entry, offer = book.line.get(ticket.id), book.offers.get(ticket.id)
    return {
        "id": ticket.id,
        "user": ticket.user,
        "server": ticket.server,
        "place": entry.place if entry and ticket.state == WAITING else 0,
        "estimate_s": entry.estimate_s if entry and ticket.state == WAITING else 0.0,
        "submitted": ticket.submitted,
        "request": ticket.request,
        "lease_s": ticket.lease_s,
        "reason": _reason(book, ticket),
        "code": entry.reason.code if entry and ticket.state == WAITING else ticket.state,
        "state": ticket.state,
        "claim": ticket.claim or None,
        "hold_until": ticket.hold_until or None,
        "offer": {"lease_s": offer.lease_s} if offer and ticket.state == WAITING else None,
        "profile": ticket.profile,
        "options": ticket.options,
    }


def _reason(book: Book, ticket: Ticket) -> dict[str, str]:
    if ticket.state == HELD:
        return _each(N_("It is your turn: your workspace is being started."))
    if ticket.state == OFFERED:
        return _each(N_("It is your turn: your workspace is ready. Open it before its GPUs go to the next one."))
    entry = book.line.get(ticket.id)
    return say(entry.reason) if entry else _each(N_("You are in the line for GPUs."))


def in_line(book: Book, user: str | None = None) -> list[dict[str, Any]]:
    """Those whose turn has come first, then the line in its order."""
    found = [ticket_answer(book, ticket) for ticket in book.tickets.values() if user in (None, ticket.user)]
    return sorted(found, key=lambda ticket: (ticket["place"], ticket["submitted"], ticket["id"]))


def claims(book: Book, user: str | None = None) -> list[dict[str, Any]]:
    found = [claim_answer(claim) for claim in book.claims.values() if user in (None, claim.user)]
    return sorted(found, key=lambda claim: (claim["since"], claim["id"]))


def devices(book: Book, now: float) -> dict[str, Any]:
    """All cards and slices, as the page shows them."""
    inventory = book.inventory
    version = inventory.driver_version if inventory else None
    return {
        "devices": [_device(book, device, now) for device in sorted(book.devices.values(), key=_by_place)],
        "problem": inventory.problem if inventory else None,
        "driver_version": version,
        "cuda_version": inventory.cuda_version if inventory else None,
        "real": PRACTICE not in (version or ""),
    }


def _device(book: Book, device: DeviceRecord, now: float) -> dict[str, Any]:
    state, reason, since = device_state(book, device, now)
    sight = book.sights.get(device.uuid)
    sample = sight.sample if sight else None
    holders = book.holders(device.uuid)
    return {
        "uuid": device.uuid,
        "model": device.model,
        "memory_mib": device.memory_mib,
        "usable_mib": device.usable_mib,
        "parent": device.parent or None,
        "mig_profile": device.mig_profile or None,
        "slices": device.slices,
        "bus_id": device.bus_id,
        "minor": device.minor,
        "state": state,
        "reason": _each(reason) if reason else None,
        "since": since or None,
        "held_mib": sum(claim.mib for claim in holders) if any(claim.mib for claim in holders) else None,
        "holders": [
            {
                "claim": claim.id,
                "user": claim.user,
                "server": claim.server,
                "mib": claim.mib or None,
                "used_mib": _used(sample, claim),
                "since": claim.since,
                "lease_end": claim.lease_end,
                "state": claim.state,
            }
            for claim in holders
        ],
        "sample": {
            "time": sample.time,
            "used_mib": sample.used_mib,
            "utilisation": sample.utilisation,
            "temperature": sample.temperature,
        }
        if sample
        else None,
    }


def busy(book: Book, user: str, server: str) -> bool | None:
    """Whether this server's GPUs or kernels work; None where it has none, or too few samples tell."""
    claim = book.claim_of(user, server)
    if claim is None:
        return None
    return {"busy": True, "idle": False}.get(book.verdicts.get(claim.id, ""))


def _used(sample: Any, claim: Claim) -> int | None:
    if sample is None or not claim.container_id:
        return None
    return used_by_container([sample], claim.container_id).get(sample.uuid, 0)


def _by_place(device: DeviceRecord) -> tuple[str, str]:
    """As they sit in the machine; slices after one another on their card."""
    return device.bus_id, device.uuid


def _each(sentence: str) -> dict[str, str]:
    return {language: in_language(language)(sentence) for language in LANGUAGES}
