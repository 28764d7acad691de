"""What can be done through the JSON API: with cards, with what is held, with the line.

Every one of them says in the log who did it, and what is done to others in the audit trail, too. What is another's
answers as if it were not there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..audit.acting import Acting
from ..audit.trail import record
from ..gpu.client import Claim, Ticket
from ..i18n import N_
from .api import ApiHandler
from .base import NOT_ALLOWED, Refused, log
from .words import iso

REASON_LENGTH = 300
LONGEST_EXTENSION_S = 366 * 86400
"""Nonsense ends here; what is allowed is for the broker's policy to say."""


class About(NamedTuple):
    """What was acted on: GPUs, and whose workspace they are or are to be."""

    user: str = ""
    server: str = ""
    gpus: tuple[str, ...] = ()


def about_claim(claim: Claim) -> About:
    return About(claim["user"], claim["server"], tuple(device["uuid"] for device in claim["devices"]))


def about_ticket(ticket: Ticket) -> About:
    return About(ticket["user"], ticket["server"])


class Action(ApiHandler):
    """Changes something."""

    def reason(self, needed: bool = True) -> str:
        """The reason that the request gives, in one line, with who gives it where that is not the owner."""
        text = " ".join(str(self.body({"reason": str}).get("reason", "")).split())
        if needed and not text:
            raise Refused(400, "reason", N_("Please give a reason: others will read it."))
        if len(text) > REASON_LENGTH:
            raise Refused(400, "reason", N_("The reason is too long."))
        return text

    def need_admin(self) -> None:
        if not self.person.is_admin:
            raise Refused(403, "scope", NOT_ALLOWED)

    async def done(self, what: str, words: str, *, about: About, reason: str = "", **data: Any) -> None:
        """Say who did it, look anew, and answer with `words` for the reader and `data`."""
        log.info("%s %s by %s", what, self.request.path, self.person.name)
        if not self.person.owns(about.user):
            acting = Acting(
                self.person.name,
                self.request.remote_ip or "",
                is_service=not self.person.is_user,
                is_admin=self.person.is_admin,
                token="" if self.in_browser else self.token_id,
            )
            record(
                "admin-action",
                action=f"gpu-{what}",
                outcome="success",
                actor=acting.as_actor(about.user),
                address=acting.address or None,
                name=about.user or None,
                server=about.server or None,
                gpus=list(about.gpus) or None,
                more={"reason": reason} if reason else None,
            )
        await self.feed.refresh()
        self.answer({"message": words, **data})


class Drain(Action):
    """`POST api/v1/devices/{uuid}/drain`"""

    async def post(self, uuid: str) -> None:
        self.need_admin()
        reason = self.reason()
        await self.feed.broker.drain(uuid, f"{reason} ({self.person.name})")
        await self.done(
            "drain", self._(N_("Nobody new gets this GPU now.")), about=About(gpus=(uuid,)), reason=reason
        )


class Return(Action):
    """`POST api/v1/devices/{uuid}/return`"""

    async def post(self, uuid: str) -> None:
        self.need_admin()
        self.body({})
        await self.feed.broker.return_device(uuid)
        await self.done("return", self._(N_("This GPU is in service again.")), about=About(gpus=(uuid,)))


class ClaimHandler(Action):
    """Acts on one claim, which is one's own unless one is an admin."""

    async def allowed_claim(self, claim_id: str) -> Claim:
        """The claim. Raises Refused as if it were not there where it is not this person's."""
        claims = await self.feed.broker.claims()
        claim = next((one for one in claims if one["id"] == claim_id), None)
        if claim is None or not (self.person.sees_all or self.person.owns(claim["user"])):
            raise Refused(404, "unknown", N_("This is not held any more."))
        if not self.person.may_act_on(claim["user"]):
            raise Refused(403, "scope", NOT_ALLOWED)
        return claim


class Extend(ClaimHandler):
    """`POST api/v1/claims/{id}/extend`"""

    async def post(self, claim_id: str) -> None:
        seconds = self.body({"seconds": int}).get("seconds", 0)
        if not 0 < seconds <= LONGEST_EXTENSION_S:
            raise Refused(400, "bad-request", N_("Please say for how long."))
        await self.allowed_claim(claim_id)
        claim = await self.feed.broker.extend(claim_id, seconds)
        end = iso(claim["lease_end"])
        await self.done("extend", self._(N_("The lease is longer now.")), about=about_claim(claim), lease_end=end)


class End(ClaimHandler):
    """`POST api/v1/claims/{id}/end`"""

    async def post(self, claim_id: str) -> None:
        claim = await self.allowed_claim(claim_id)
        own = self.person.owns(claim["user"])
        reason = self.reason(needed=not own)
        told = reason if own else f"{reason} ({self.person.name})"
        await self.feed.broker.end(claim_id, told or N_("given back by its user"))
        words = self._(N_("The workspace is being stopped, and its GPU given back."))
        await self.done("end", words, about=about_claim(claim), reason=reason)


class TicketHandler(Action):
    """Acts on one place in the line, which is one's own unless one is an admin."""

    async def allowed_ticket(self, ticket_id: str) -> Ticket:
        """The ticket. Raises Refused where this person may not see it, or only see it."""
        ticket = await self.visible_ticket(ticket_id)
        if not self.person.may_act_on(ticket["user"]):
            raise Refused(403, "scope", NOT_ALLOWED)
        return ticket


class GiveUp(TicketHandler):
    """`DELETE api/v1/tickets/{id}`"""

    async def delete(self, ticket_id: str) -> None:
        ticket = await self.allowed_ticket(ticket_id)
        await self.feed.broker.cancel(ticket_id)
        words = self._(N_("The place in the line is given up."))
        await self.done("give-up", words, about=about_ticket(ticket))


class Accept(TicketHandler):
    """`POST api/v1/tickets/{id}/accept`: take the shorter lease that is offered."""

    async def post(self, ticket_id: str) -> None:
        self.body({})
        ticket = await self.allowed_ticket(ticket_id)
        await self.feed.broker.accept(ticket_id)
        words = self._(N_("The offer is taken. The workspace starts as soon as the GPU is held."))
        await self.done("accept", words, about=about_ticket(ticket))


class Move(TicketHandler):
    """`POST api/v1/tickets/{id}/move`"""

    async def post(self, ticket_id: str) -> None:
        self.need_admin()
        place = self.body({"place": int}).get("place", 0)
        if place < 1:
            raise Refused(400, "bad-request", N_("Places in the line count from 1."))
        await self.allowed_ticket(ticket_id)
        ticket = await self.feed.broker.move(ticket_id, place)
        words = self._(N_("The line is in its new order."))
        await self.done("move", words, about=about_ticket(ticket), place=ticket["place"])
