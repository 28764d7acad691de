"""What the Hub, users and admins ask of the broker: to have GPUs, to give them back, a place in the line.

Each function is one change of the book. Refusals are `Refused`, with a sentence for the user.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...i18n import LANGUAGES, N_, in_language
from ..request import Request
from ..scheduler import leases
from ..words import say
from . import accounting, turns
from .book import Book
from .records import ALLOCATED, DRAINING, HELD, RESERVED, WAITING, Claim, Ticket
from .view import scheduler_state

TAKEN_BACK = N_("The GPUs of this workspace are being taken back. Please try again in a moment.")


class Refused(Exception):
    """No, and why: `text` in each language, `code` for programs, an HTTP `status`."""

    def __init__(self, status: int, code: str, sentence: str | dict[str, str], **values: Any) -> None:
        if isinstance(sentence, str):
            sentence = {one: in_language(one)(sentence).format(**values) for one in LANGUAGES}
        self.status, self.code, self.text = status, code, sentence
        super().__init__(sentence["en"])


@dataclass(frozen=True)
class Wish:
    """What a server is to have. `lease_s` None: what hub.yaml says."""

    user: str
    server: str
    request: Request
    groups: tuple[str, ...] = ()
    lease_s: float | None = None
    profile: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    may_wait: bool = True


def submit(book: Book, wish: Wish, now: float) -> Claim | Ticket:
    """What this server holds, is given now, or its place in the line. Safe to repeat. Raises Refused."""
    need_ready(book)
    with book.change(now):
        claim = book.claim_of(wish.user, wish.server)
        if claim and claim.ending_cause:
            raise Refused(409, "busy", TAKEN_BACK)
        if claim and claim.request == wish.request.to_json():
            claim.asked_at = now
            book.put(claim)
            return claim
        if claim:
            _give_back(book, claim, "replaced", now)
        ticket = _ticket_for(book, wish, now)
        turns.decide_now(book, now)
        granted = book.claims.get(ticket.claim)
        if granted:
            book.drop(ticket)
            granted.ticket, granted.asked_at = "", now
            book.put(granted)
            return granted
        refusal = _refusal(book, wish, ticket)
        if refusal:
            book.drop(ticket)
        else:
            book.event(now, "ticket-new", N_("You are in the line for GPUs."), about=ticket)
    if refusal:
        raise refusal
    return ticket


def commit(book: Book, claim_id: str, container_id: str, now: float) -> Claim:
    """The container of this claim exists. Raises Refused (`unknown`) where the claim was given back meanwhile."""
    claim = _claim(book, claim_id)
    with book.change(now):
        taken(book, claim, container_id, now)
    return claim


def taken(book: Book, claim: Claim, container_id: str, now: float) -> None:
    """Its container exists: it is allocated, also if it was given back already. Inside a change."""
    if claim.state == DRAINING:
        accounting.reopened(book, claim, now)
    claim.state, claim.container_id = ALLOCATED, container_id
    claim.committed_at = claim.seen_at = now
    claim.released_at, claim.release_reason, claim.lost = 0.0, "", []
    book.intruders.pop(container_id, None)  # it was to be removed while it seemed to be left behind
    book.put(claim)


def release(book: Book, claim_id: str, reason: str, now: float) -> None:
    """Give it back. Its devices are free when engine and NVML say so; nothing happens where it is gone already."""
    claim = book.claims.get(claim_id)
    if claim is None or not claim.held:
        return
    with book.change(now):
        _give_back(book, claim, reason, now)


def given_back(book: Book, claim: Claim, reason: str, now: float, end: float) -> None:
    """Its user has it no more, as of `end`; what it names stays held until it is seen free. Inside a change."""
    accounting.closed(book, claim, end, reason)
    claim.state, claim.released_at, claim.release_reason = DRAINING, now, reason
    claim.over_since = 0.0
    book.idle_since.pop(claim.id, None)
    book.put(claim)
    detail = {"reason": reason, "uuids": claim.uuids}
    book.event(now, "ended", N_("The workspace gave its GPUs back."), about=claim, detail=detail)
    ticket = book.tickets.get(claim.ticket)
    if ticket:
        _after_its_turn(book, ticket, reason, now)


def cancel(book: Book, ticket_id: str, now: float) -> None:
    """Give a place up. Where it is its turn already, its server is stopped; where it is gone, nothing happens."""
    ticket = book.tickets.get(ticket_id)
    if ticket is None:
        return
    with book.change(now):
        claim = book.claims.get(ticket.claim)
        book.drop(ticket)
        book.event(now, "ticket-cancelled", N_("The place in the line for GPUs was given up."), about=ticket)
        if claim and claim.held:
            claim.ticket = ""
            book.put(claim)
            turns.stop(book, claim, "cancelled", now)


def accept(book: Book, ticket_id: str, lease_s: float | None, now: float) -> Ticket:
    """Take the shorter lease that is on offer, or any of at least `lease_s`. Raises Refused."""
    ticket = find_ticket(book, ticket_id)
    offer = book.offers.get(ticket.id)
    shortest = lease_s or (offer.accepts_s if offer else 0.0)
    if ticket.state != WAITING or not shortest:
        raise Refused(409, "state", N_("No shorter lease is on offer for this place in the line."))
    with book.change(now):
        ticket.accepts_s = max(shortest, book.rules.policy.leases.min_s)
        book.put(ticket)
        turns.decide_now(book, now)
    return ticket


def move(book: Book, ticket_id: str, place: int, now: float) -> Ticket:
    """An admin puts a ticket at a place in the line, from 1; 0 puts it back where the policy does."""
    ticket = find_ticket(book, ticket_id)
    if ticket.state != WAITING:
        raise Refused(409, "state", N_("The turn of this place in the line has come already."))
    with book.change(now):
        ticket.place = place
        book.put(ticket)
        turns.decide_now(book, now)
    return ticket


def extend(book: Book, claim_id: str, seconds: float, now: float) -> Claim:
    """Move the end of a lease. Raises Refused with the reason where the policy does not allow it."""
    claim = _claim(book, claim_id)
    if claim.ending_cause:
        raise Refused(409, "busy", TAKEN_BACK)
    lease_end, reason = leases.may_extend(scheduler_state(book, now), claim.id, seconds, now)
    if lease_end is None or not claim.held:
        raise Refused(409, "state", say(reason))
    with book.change(now):
        lengthen(book, claim, lease_end, now)
    return claim


def lengthen(book: Book, claim: Claim, lease_end: float, now: float) -> None:
    """Inside a change."""
    claim.lease_end = lease_end
    book.put(claim)
    book.event(
        now, "extended", N_("The lease of the GPUs was extended."), about=claim, detail={"until": lease_end}
    )


def end(book: Book, claim_id: str, reason: str, now: float) -> Claim:
    """An admin, or its user, ends it: its server is stopped. Raises Refused (`unknown`)."""
    claim = _claim(book, claim_id)
    with book.change(now):
        turns.stop(book, claim, "asked", now, reason)
    return claim


def drain(book: Book, uuid: str, reason: str, now: float) -> None:
    """Nobody new is put on this device; who is on it stays. Raises Refused (`unknown`)."""
    device = _device(book, uuid)
    with book.change(now):
        device.drained, device.drained_at = reason or "an admin took it out", now
        book.put(device)
        book.event(now, "device-drained", dict.fromkeys(LANGUAGES, device.drained), device=uuid)


def bring_back(book: Book, uuid: str, now: float) -> None:
    """Into service again: an admin has looked at it. Raises Refused (`unknown`).

    One that the machine has no more, and nobody holds, is forgotten.
    """
    device = _device(book, uuid)
    with book.change(now):
        if book.inventory is not None and book.inventory.device(uuid) is None and not book.holders(uuid):
            book.drop(device)
            book.event(now, "device-forgotten", N_("The missing GPU was struck off the list."), device=uuid)
            return
        device.drained = device.quarantined = ""
        device.drained_at = device.quarantined_at = 0.0
        book.put(device)
        book.troubled = {key: at for key, at in book.troubled.items() if key[0] != uuid}
        book.event(now, "device-returned", N_("An admin put the GPU back into service."), device=uuid)
        if book.ready:
            turns.decide_now(book, now)


def need_ready(book: Book) -> None:
    """Raises Refused (503): before engine and NVML have answered once, nobody knows what is free."""
    if not book.ready:
        raise Refused(
            503,
            "starting",
            N_("The GPU broker has just started and does not know yet what is free. Please try again."),
        )


def find_ticket(book: Book, ticket_id: str) -> Ticket:
    """Raises Refused (`unknown`)."""
    ticket = book.tickets.get(ticket_id)
    if ticket is None:
        raise Refused(404, "unknown", N_("There is no such place in the line any more."))
    return ticket


def _claim(book: Book, claim_id: str) -> Claim:
    claim = book.claims.get(claim_id)
    if claim is None:
        raise Refused(404, "unknown", N_("These GPUs were given back already. Please start the workspace again."))
    return claim


def _device(book: Book, uuid: str) -> Any:
    device = book.devices.get(uuid)
    if device is None:
        raise Refused(404, "unknown", N_("There is no such GPU on this machine."))
    return device


def _give_back(book: Book, claim: Claim, reason: str, now: float) -> None:
    given_back(book, claim, reason, now, now)


def _ticket_for(book: Book, wish: Wish, now: float) -> Ticket:
    """This server's place in the line: the one it has if it asks for the same, else a new one at the end."""
    lease_s = min(wish.lease_s or book.rules.default_lease_s, book.rules.policy.leases.max_s)
    request = wish.request.to_json()
    ticket = book.ticket_of(wish.user, wish.server)
    if ticket and ticket.request != request:
        book.drop(ticket)
        ticket = None
    if ticket is None:
        ticket = Ticket(book.new_id(), wish.user, wish.server, list(wish.groups), request, lease_s, now)
    ticket.groups, ticket.profile, ticket.options = list(wish.groups), wish.profile, wish.options
    ticket.lease_s, ticket.retry_at = lease_s, 0.0
    book.put(ticket)
    return ticket


def _refusal(book: Book, wish: Wish, ticket: Ticket) -> Refused | None:
    """Why this wish has no place in the line: it can never come true, or its user would not wait."""
    entry = book.line.get(ticket.id)
    if entry and entry.reason.code == "never":
        return Refused(409, "impossible", say(entry.reason))
    if entry and entry.reason.code in ("limit-gpus", "limit-hours"):  # a group's limit can be waited for
        return Refused(409, "limit", say(entry.reason))
    if not wish.may_wait:
        return Refused(409, "no-wait", say(entry.reason) if entry else N_("No GPU is free."))
    return None


def _after_its_turn(book: Book, ticket: Ticket, reason: str, now: float) -> None:
    """The claim of a ticket's turn was given back: was it used, given up, or did the start fail?"""
    if ticket.state != HELD or reason in ("cancelled", "stopped", "replaced", "no-show"):
        book.drop(ticket)
        return
    turns.try_again(book, ticket, now)


def renewed(claim: Claim) -> float:
    """When its server last gave a sign of wanting it."""
    return max(claim.since, claim.asked_at) if claim.state == RESERVED else claim.committed_at
