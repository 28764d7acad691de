"""What the broker asks of Hub and engine for one claim or ticket, and what it makes of the answer.

Every errand may be asked twice: after a crash of the broker the book says the same again.
"""

from __future__ import annotations

import asyncio
import logging
import time

from . import turns, wishes
from .book import Book
from .docker_side import DockerSide, EngineSilent
from .hub_side import HubSide, Server
from .records import ALLOCATED, HELD, OFFERED, Ticket
from .turns import ToDo

LOOK_EVERY_S = 2.0
"""At a server that is starting."""

LOOKS = 60
"""Then the errand ends, and the next one goes on looking."""

CAME_MARGIN_S = 10.0
"""Activity so soon after a server answered is its own, and not its user's."""

log = logging.getLogger("tf29hub.broker")


async def run(book: Book, hub: HubSide, engine: DockerSide, errand: ToDo) -> None:
    """Do it once."""
    if errand.kind == "start":
        await _start(book, hub, errand)
    elif errand.kind == "watch":
        await _watch(book, hub, errand)
    elif errand.kind == "stop":
        await _stop(book, hub, errand)
    elif errand.kind == "remove":
        await _remove(engine, errand)


async def _start(book: Book, hub: HubSide, errand: ToDo) -> None:
    ticket = book.tickets.get(errand.ticket)
    if ticket is None or ticket.state != HELD:
        return
    outcome, words = await hub.start(ticket.user, ticket.server, ticket.options)
    now = time.time()
    log.info("Start of %s/%s for its turn: %s %s", ticket.user, ticket.server, outcome, words)
    ticket = _still_held(book, errand.ticket)
    if ticket is None:
        return
    if outcome == "accepted":
        turns.start_accepted(book, ticket, now)
        await _until_ready(book, hub, errand)
    elif outcome == "blocked":
        if not await _ready(book, hub, ticket):
            turns.start_blocked(book, ticket, now)
    elif outcome == "unheard":
        turns.start_unheard(book, ticket, now)
    elif outcome == "refused":
        log.warning("The turn of %s/%s is dropped: %s", ticket.user, ticket.server, words)
        turns.dropped(book, ticket, now)
    else:
        turns.start_failed(book, ticket, now, counts=outcome == "failed")


async def _until_ready(book: Book, hub: HubSide, errand: ToDo) -> None:
    """Look until its server answers; the spawner gives the claim back where the start fails."""
    for _ in range(LOOKS):
        ticket = _still_held(book, errand.ticket)
        if ticket is None or await _ready(book, hub, ticket):
            return
        await asyncio.sleep(LOOK_EVERY_S)


async def _ready(book: Book, hub: HubSide, ticket: Ticket) -> bool:
    """Whether its server answers, with its GPUs: another one may run under its name."""
    server = await hub.server(ticket.user, ticket.server)
    claim = book.claims.get(ticket.claim)
    if not isinstance(server, Server) or not server.ready or claim is None or claim.state != ALLOCATED:
        return False
    current = _still_held(book, ticket.id)
    if current is not None:
        turns.server_ready(book, current, time.time())
    return True


async def _watch(book: Book, hub: HubSide, errand: ToDo) -> None:
    """Whether the user of a server that was started for them has come."""
    ticket = book.tickets.get(errand.ticket)
    if ticket is None or ticket.state != OFFERED:
        return
    server = await hub.server(ticket.user, ticket.server)
    if isinstance(server, Server):
        active_at = max(server.active_at, server.user_active_at)
        if active_at > ticket.ready_at + CAME_MARGIN_S and ticket.id in book.tickets:
            turns.user_came(book, ticket, time.time())
    elif server == "unheard":
        turns.start_unheard(book, ticket, time.time())


async def _stop(book: Book, hub: HubSide, errand: ToDo) -> None:
    outcome, words = await hub.stop(errand.user, errand.server)
    log.info("Stop of %s/%s (%s): %s %s", errand.user, errand.server, errand.why, outcome, words)
    if outcome in ("later", "unheard"):
        return
    server = await hub.server(errand.user, errand.server)
    claim = book.claims.get(errand.claim)
    if server is not None or claim is None or not claim.held:
        return
    if claim.container_id and claim.container_id in book.containers:
        # the Hub knows nothing of it: nobody but us would ever stop it
        now = time.time()
        with book.change(now):
            book.intruders.setdefault(
                claim.container_id, f"the Hub has no such server, and it must end: {errand.why}"
            )
    else:
        wishes.release(book, claim.id, errand.why, time.time())


async def _remove(engine: DockerSide, errand: ToDo) -> None:
    try:
        await engine.remove(errand.container)
        log.warning("Removed container %s: %s", errand.container[:12], errand.why)
    except EngineSilent as error:
        log.error("Container %s could not be removed (%s): %s", errand.container[:12], errand.why, error)


def _still_held(book: Book, ticket_id: str) -> Ticket | None:
    """The ticket as it is now: while we asked, it may have been given up."""
    ticket = book.tickets.get(ticket_id)
    return ticket if ticket is not None and ticket.state == HELD else None
