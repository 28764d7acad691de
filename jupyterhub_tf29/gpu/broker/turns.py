"""What the policy wants now, done: grants, turns in the line, warnings, and servers that must be stopped.

`decide_now` asks the scheduler and keeps its answer. `to_do` is what the Hub and the engine have to be asked for;
it follows from the book alone, so after a crash the same things are asked for again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from ...i18n import LANGUAGES, N_, in_language
from ..scheduler.decide import decide
from ..scheduler.decisions import Decisions, Grant
from ..words import say, say_ending, say_notice
from . import accounting
from .book import Book
from .records import HELD, OFFERED, RESERVED, WAITING, Claim, ReleaseRecord, Ticket
from .view import scheduler_state

MAX_ATTEMPTS = 3
"""A ticket's server is asked to start so often before the ticket is given up."""

RETRY_S = 60.0
"""Before the second attempt; twice, thrice as long before those after it."""

AFTER_ABSENCE_S = 60.0
"""A broker that has just started asks the Hub about every turn before it lets one pass."""

log = logging.getLogger("tf29hub.broker")


@dataclass(frozen=True)
class ToDo:
    """Something to ask of the Hub (`start`, `watch`, `stop`) or of the engine (`remove`)."""

    kind: str
    user: str = ""
    server: str = ""
    ticket: str = ""
    claim: str = ""
    container: str = ""
    why: str = ""


def decide_now(book: Book, now: float) -> None:
    """Ask the scheduler and keep its answer. Inside a change, or as one."""
    with book.change(now):
        decisions: Decisions = decide(scheduler_state(book, now), now)
        for grant in decisions.grants:
            _grant(book, grant, now)
        for extension in decisions.extensions:
            claim = book.claims[extension.claim_id]
            claim.lease_end = extension.lease_end
            book.put(claim)
        for notice in decisions.warnings:
            claim = book.claims[notice.claim_id]
            claim.warned = {**claim.warned, notice.key: now}
            book.put(claim)
            kind = {"overrun": "warn-share"}.get(notice.kind, f"warn-{notice.kind}")
            detail = {"ends_at": notice.ends_at}
            book.event(now, kind, say_notice(notice), about=claim, level="warning", detail=detail)
        for ending in decisions.endings:
            stop(book, book.claims[ending.claim_id], ending.cause, now)
        _keep_releases(book, decisions, now)
        for shortage in decisions.shortages:
            _tell_shortage(book, shortage, now)
        book.line = {entry.ticket_id: entry for entry in decisions.line}
        book.offers = {offer.ticket_id: offer for offer in decisions.offers}


def stop(book: Book, claim: Claim, cause: str, now: float, words: str = "") -> None:
    """Its server is to be stopped; once said, it stays so until the claim is given back. Inside a change."""
    if claim.ending_cause or not claim.held:
        return
    claim.ending_cause, claim.ending_at = cause, now
    book.put(claim)
    ours: dict[str, str] = {
        "asked": N_("An admin stops this workspace, because its GPUs are needed."),
        "cancelled": N_("The place in the line for GPUs was given up."),
        "not-started": N_("The workspace could not be started when its turn for GPUs came."),
        "no-show": N_("Nobody came for the workspace that was started when its turn for GPUs came."),
    }
    text = {one: in_language(one)(ours[cause]) for one in LANGUAGES} if cause in ours else say_ending(cause)
    if words:
        text = {one: f"{sentence} ({words})" for one, sentence in text.items()}
    detail = {"cause": cause}
    book.event(now, "ending", text, about=claim, level="warning", detail=detail)


def to_do(book: Book) -> list[ToDo]:
    """What is to be asked of Hub and engine, from the book alone: asking twice does no harm."""
    wanted = [
        ToDo(_FOR_TURN[ticket.state], ticket.user, ticket.server, ticket=ticket.id, claim=ticket.claim)
        for ticket in book.tickets.values()
        if ticket.state in _FOR_TURN
    ]
    wanted += [
        ToDo(
            "stop", claim.user, claim.server, claim=claim.id, container=claim.container_id, why=claim.ending_cause
        )
        for claim in book.claims.values()
        if claim.ending_cause and claim.held
    ]
    wanted += [ToDo("remove", container=one, why=why) for one, why in book.intruders.items()]
    return wanted


_FOR_TURN = {HELD: "start", OFFERED: "watch"}


def start_accepted(book: Book, ticket: Ticket, now: float) -> None:
    """The Hub has begun to start its server, which may take as long as a start may."""
    with book.change(now):
        ticket.hold_until = now + max(book.rules.start_s, book.rules.hold_s)
        book.put(ticket)


def start_blocked(book: Book, ticket: Ticket, now: float) -> None:
    """Something else runs on that server: its user can stop it, and has the hold time to do so."""
    with book.change(now):
        if ticket.told != "blocked":
            ticket.told = "blocked"
            sentence = N_(
                "Your turn for GPUs has come. Stop the workspace that runs now and press Start; the GPUs are kept "
                "for you for {minutes} minutes."
            )
            minutes = max(1, round((ticket.hold_until - now) / 60))
            book.event(now, "ticket-held", sentence, about=ticket, level="warning", minutes=minutes)
        book.put(ticket)


def start_unheard(book: Book, ticket: Ticket, now: float) -> None:
    """The Hub does not answer: nobody can come, so the time to come does not run."""
    with book.change(now):
        ticket.hold_until = now + book.rules.hold_s
        book.put(ticket)


def start_failed(book: Book, ticket: Ticket, now: float, *, counts: bool) -> None:
    """The start failed at the Hub; `counts` where it was not for want of memory or a busy Hub. The GPUs go on."""
    with book.change(now):
        claim = book.claims.get(ticket.claim)
        try_again(book, ticket, now, counts)
        if claim and claim.held:
            claim.ticket = ""
            book.put(claim)
            stop(book, claim, "not-started", now)


def try_again(book: Book, ticket: Ticket, now: float, counts: bool = True) -> None:
    """Its server did not start: keep the place and try later, not for ever if it `counts`. Inside a change."""
    if counts:
        ticket.attempts += 1
    if ticket.attempts >= MAX_ATTEMPTS:
        book.drop(ticket)
        sentence = N_("Your turn for GPUs came, but the workspace could not be started. Please start it yourself.")
        book.event(now, "ticket-failed", sentence, about=ticket, level="error")
        return
    ticket.state, ticket.claim, ticket.hold_until, ticket.ready_at = WAITING, "", 0.0, 0.0
    ticket.retry_at = now + RETRY_S * max(1, ticket.attempts)
    book.put(ticket)


def server_ready(book: Book, ticket: Ticket, now: float) -> None:
    """Its server answers; from now on its user has the hold time to come."""
    with book.change(now):
        ticket.state, ticket.ready_at, ticket.hold_until = OFFERED, now, now + book.rules.hold_s
        book.put(ticket)
        sentence = N_(
            "Your workspace with GPUs has been started: it was your turn. Open it within {minutes} minutes, or it "
            "is stopped and the next one has its turn."
        )
        minutes = max(1, round(book.rules.hold_s / 60))
        book.event(now, "ticket-ready", sentence, about=ticket, level="warning", minutes=minutes)


def user_came(book: Book, ticket: Ticket, now: float) -> None:
    """The line has done its work: the claim is its user's like any other."""
    with book.change(now):
        claim = book.claims.get(ticket.claim)
        if claim:
            claim.ticket = ""
            book.put(claim)
        book.drop(ticket)
        book.event(now, "ticket-taken", N_("You have your GPUs."), about=ticket)


def dropped(book: Book, ticket: Ticket, now: float) -> None:
    """The Hub refused what was chosen when the ticket was made: the menu has changed since."""
    with book.change(now):
        _without_claim(book, ticket, "cancelled", now)
        sentence = N_(
            "Your turn for GPUs came, but what you had chosen is not on the menu any more. Please choose again."
        )
        book.event(now, "ticket-dropped", sentence, about=ticket, level="error")


def expire_holds(book: Book, now: float) -> None:
    """Turns whose time is over: the server is stopped, the GPUs go on. Inside a change.

    A broker that was away may have missed that a user came: those turns last a little longer.
    """
    if not book.was_here:
        book.was_here = True
        for ticket in book.tickets.values():
            if ticket.state in (HELD, OFFERED) and ticket.hold_until < now + AFTER_ABSENCE_S:
                ticket.hold_until = now + AFTER_ABSENCE_S
                book.put(ticket)
    for ticket in list(book.tickets.values()):
        if ticket.state in (HELD, OFFERED) and now >= ticket.hold_until:
            _without_claim(book, ticket, "no-show", now)
            sentence = N_("Your turn for GPUs has passed, because nobody came for it in time.")
            book.event(now, "ticket-expired", sentence, about=ticket, level="warning")


def _without_claim(book: Book, ticket: Ticket, cause: str, now: float) -> None:
    """Drop a ticket, and stop the server that its claim may have by now."""
    book.drop(ticket)
    claim = book.claims.get(ticket.claim)
    if claim and claim.held:
        claim.ticket = ""
        book.put(claim)
        stop(book, claim, cause, now)


def _grant(book: Book, grant: Grant, now: float) -> None:
    ticket = book.tickets[grant.ticket_id]
    problem = book.fits(grant.uuids, grant.mib or 0)
    if problem:
        # the scheduler is tested not to do this; a wrong grant must not become two holders of one GPU
        log.error("The scheduler's grant to %s was not followed: %s", ticket.user, problem)
        return
    claim = Claim(
        id=book.new_id(),
        user=ticket.user,
        server=ticket.server,
        groups=list(ticket.groups),
        request=ticket.request,
        uuids=list(grant.uuids),
        mib=grant.mib or 0,
        weight=grant.weight,
        state=RESERVED,
        since=now,
        lease_end=grant.lease_end,
        protected_until=grant.protected_until,
        profile=ticket.profile,
        options=ticket.options,
        ticket=ticket.id,
        asked_at=now,
    )
    accounting.opened(book, claim)
    book.put(claim)
    ticket.state, ticket.claim, ticket.hold_until = HELD, claim.id, now + book.rules.hold_s
    ticket.told = ""
    book.put(ticket)
    detail: dict[str, Any] = {"uuids": claim.uuids, "waited_s": now - ticket.submitted, "why": grant.reason.code}
    book.event(now, "grant", say(grant.reason), about=claim, detail=detail)


def _keep_releases(book: Book, decisions: Decisions, now: float) -> None:
    for one in decisions.releases:
        book.put(ReleaseRecord(f"{one.window_id}@{one.start:.0f}", one.window_id, one.start, one.keep))
    lengths = {window.id: window.duration_s for window in book.rules.windows}
    for record in list(book.releases.values()):
        if now > record.start + lengths.get(record.window_id, 0.0):
            book.drop(record)


def _tell_shortage(book: Book, shortage: Any, now: float) -> None:
    key = f"{shortage.window_id}@{shortage.start:.0f}"
    if key in book.shortages_told:
        return
    book.shortages_told.add(key)
    sentence = N_("The reservation {window} lacks {missing} GPUs.")
    detail = {"window": shortage.window_id, "start": shortage.start, "missing": shortage.missing}
    book.event(
        now,
        "window-short",
        sentence,
        level="warning",
        detail=detail,
        window=shortage.window_id,
        missing=shortage.missing,
    )
