"""What a user is told about the line for GPUs, as the end of a start or the answer to a button."""

from __future__ import annotations

from ..gpu.client import BrokerClient, BrokerRefused, BrokerUnavailable, Ticket
from ..gpu.inject import CannotInject
from ..i18n import N_
from .gpumenu import OFFER_FIELD
from .gpuwords import about_in_words, place_in_words, text_in
from .refusal import StartFailed

_AS_THE_BROKER_SAYS = "{said}"


def in_line(ticket: Ticket, line_url: str, language: str) -> StartFailed:
    """Nothing is free: the start ends, and the broker starts the server when its turn comes."""
    return StartFailed(
        "gpu_line",
        "All GPUs for this workspace are taken, so you have a place in the line: you are {place}, {about}. "
        "Your server starts by itself when it is your turn, also when this page is closed.",
        status_code=409,
        level="line",
        link=line_url,
        cause=f"place {ticket['place']} in the line, ticket {ticket['id']}",
        place=place_in_words(ticket["place"], language),
        about=about_in_words(ticket["estimate_s"], language),
    )


def silent(error: BrokerUnavailable) -> StartFailed:
    """The broker does not answer."""
    return StartFailed(
        "gpu_broker",
        "The GPUs cannot be handed out right now. Please try again in a few minutes, or start a workspace "
        "without a GPU meanwhile.",
        status_code=503,
        cause=str(error),
    )


def refused(error: BrokerRefused, language: str) -> StartFailed:
    """The broker says no, in its own words."""
    said = text_in(error.text, language) or str(error)
    return StartFailed(f"gpu_{error.code}", _AS_THE_BROKER_SAYS, status_code=409, cause=error.code, said=said)


def cannot_inject(error: CannotInject) -> StartFailed:
    """This engine gives no GPUs to containers; an admin finds what to do in the log."""
    return StartFailed(
        "gpu_injection",
        "The GPUs of this machine cannot be given to workspaces just now. Please tell the admin, or start a "
        "workspace without a GPU meanwhile.",
        status_code=503,
        cause=str(error),
    )


def gone() -> StartFailed:
    """The ticket of a button is no more, or never was this user's."""
    return _told("line_gone", N_("That place in the line is gone already."))


async def press(client: BrokerClient, user: str, button: str, ticket_id: str, language: str) -> StartFailed:
    """Give up a place, or take a shorter lease at once; only one's own. Returns what the menu says to it."""
    try:
        if ticket_id not in {ticket["id"] for ticket in await client.tickets(user)}:
            return gone()
        if button == OFFER_FIELD:
            await client.accept(ticket_id)
            return _told("line_offer", N_("Your server starts in a moment."))
        await client.cancel(ticket_id)
        return _told("line_left", N_("You have given up your place in the line."))
    except BrokerUnavailable as error:
        return silent(error)
    except BrokerRefused as error:
        return refused(error, language)


def _told(reason: str, sentence: str) -> StartFailed:
    return StartFailed(reason, sentence, status_code=200, level="info")
