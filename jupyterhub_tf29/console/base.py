"""What every handler of the console does: who is it, may they, in which language, with which headers."""

from __future__ import annotations

import json
import logging
import secrets
from typing import Any, ClassVar

from jupyterhub.services.auth import HubOAuth, HubOAuthenticated
from tornado.web import HTTPError, RequestHandler

from ..gpu.client import BrokerRefused, BrokerUnavailable, Ticket
from ..i18n import N_, Translate, choose_language, in_language
from .feed import Feed
from .people import Person, person_from_model
from .rendering import SECURITY_HEADERS, content_security_policy, hub_page_values
from .words import sentence

log = logging.getLogger("tf29hub.console")

NOT_ALLOWED = N_("You are not allowed to do this.")
UNREACHABLE = N_("The GPU broker does not answer, so nothing could be done. Please try again in a moment.")
HUB_SILENT = N_("The Hub does not answer, so nobody can be recognised. Please try again in a moment.")


class Refused(HTTPError):
    """An answer in words: `sentence` is for the reader (a msgid), `code` for programs."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(status, sentence.replace("%", "%%"))
        self.code, self.sentence = code, sentence


class ConsoleHandler(HubOAuthenticated, RequestHandler):
    """Knows its `person` before any method of it runs."""

    person: Person
    in_browser: bool = False
    """Whether the person came with this service's cookie, not with a token of their own."""
    _recognised: dict[str, Any] | None = None
    """What the Hub said of the token."""
    token_id: str = ""
    """Of that token, as the Hub's token page has it."""
    anybody_may: ClassVar[bool] = False
    """Whether this handler needs nobody to be recognised."""

    def initialize(self, hub_auth: HubOAuth, feed: Feed) -> None:
        self.hub_auth = hub_auth
        self.feed = feed

    async def prepare(self) -> None:
        """Recognise the person. Raises Refused; a page sends who is not signed in to the Hub instead."""
        self.language = choose_language(self.request.headers.get("Accept-Language"))
        self._: Translate = in_language(self.language)
        if self.anybody_may:
            return
        model = await self._ask_the_hub()
        if model is None:
            self.nobody()
            return
        self.in_browser = not getattr(self, "_token_authenticated", False)
        self._recognised = model
        self.token_id = str(model.get("token_id") or "")
        self.person = person_from_model(model, in_browser=self.in_browser)
        if not self.is_allowed(model):
            raise Refused(403, "scope", NOT_ALLOWED)

    def is_allowed(self, model: dict[str, Any]) -> bool:
        """Whether the scopes let this person in here at all."""
        return self.person.may_read and bool(self.hub_auth.check_scopes(self.hub_auth.access_scopes, model))

    def nobody(self) -> None:
        """Nobody is signed in, or the request lacks the XSRF token that belongs to the cookie."""
        if self.get_signed_cookie(self.hub_auth.cookie_name):
            raise Refused(403, "xsrf", N_("This request did not come from the page. Please load the page again."))
        raise Refused(401, "signed-out", N_("You are not signed in."))

    async def still_signed_in(self) -> bool:
        """For answers that last: whether the Hub still knows the token. True while the Hub does not answer."""
        token = self.hub_auth.get_token(self)
        try:
            return bool(token and await self.hub_auth.user_for_token(token, use_cache=False, sync=False))
        except HTTPError:
            return True

    async def visible_ticket(self, ticket_id: str) -> Ticket:
        """That ticket, where this person may see it; else Refused as if it were not there."""
        tickets = await self.feed.broker.tickets()
        ticket = next((one for one in tickets if one["id"] == ticket_id), None)
        if ticket is None or not (self.person.sees_all or self.person.owns(ticket["user"])):
            raise Refused(404, "unknown", N_("This place in the line is gone."))
        return ticket

    def get_current_user(self) -> Any:
        """What `prepare` found; the stock way blocks."""
        return self._recognised

    async def _ask_the_hub(self) -> dict[str, Any] | None:
        try:
            return await self.hub_auth.get_user(self, sync=False)
        except HTTPError as error:
            raise Refused(503, "hub-silent", HUB_SILENT) from error

    # -- answers -----------------------------------------------------------------------------------------------

    def set_default_headers(self) -> None:
        self.csp_nonce = secrets.token_urlsafe(16)
        for name, value in SECURITY_HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Security-Policy", content_security_policy(self.csp_nonce))
        self.clear_header("Server")

    def answer(self, data: Any) -> None:
        """JSON."""
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(data, ensure_ascii=False))

    def explain(self, status: int, error: BaseException | None) -> tuple[str, str]:
        """(code for programs, sentence for the reader) of what went wrong."""
        if isinstance(error, Refused):
            return error.code, self._(error.sentence)
        if isinstance(error, BrokerRefused):
            return error.code, sentence(error.text, self.language) or str(error)
        if isinstance(error, BrokerUnavailable):
            return "broker-silent", self._(UNREACHABLE)
        if status == 404:
            return "unknown", self._(N_("There is nothing at this address."))
        if status == 405:
            return "method", self._(N_("This address does not take this kind of request."))
        if status < 500:
            return "bad-request", self._(N_("The request makes no sense."))
        return "failed", self._(N_("Something went wrong here. The log of the console says what."))

    def log_exception(self, typ: Any, value: Any, traceback: Any) -> None:
        """What the reader was told in words needs no traceback."""
        if isinstance(value, (BrokerRefused, BrokerUnavailable)):
            who = self.person.name if hasattr(self, "person") else "nobody"
            log.warning("%s %s by %s: %s", self.request.method, self.request.path, who, value)
        else:
            super().log_exception(typ, value, traceback)

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """The broker's refusals keep their status; a silent broker is 503, as anything else that is down."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, BrokerRefused):
            status_code = error.status
        elif isinstance(error, BrokerUnavailable):
            status_code = 503
        super().send_error(status_code, **kwargs)


class PageHandler(ConsoleHandler):
    """Answers with pages; sends who is not signed in to the Hub's sign-in, and brings them back."""

    def nobody(self) -> None:
        self.redirect(self.get_login_url())

    def page(self, template: str, **values: Any) -> None:
        """Answer with that template."""
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(self.render_template(template, **values))

    def render_template(self, template: str, **values: Any) -> str:
        """The template with everything that each page needs."""
        settings = self.application.settings
        person: Person | None = getattr(self, "person", None)
        hub_wide = hub_page_values(
            hub_prefix=self.hub_auth.hub_prefix,
            name=person.name if person else "",
            is_admin=bool(person and person.hub_admin),
            title=settings["hub_title"],
        )
        values = {
            **hub_wide,
            **settings["page_values"],
            "_": self._,
            "language": self.language,
            "csp_nonce": self.csp_nonce,
            "gpus_url": self.hub_auth.base_url,
            "person": person,
            **values,
        }
        return settings["templates"].get_template(template).render(values)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        _, words = self.explain(status_code, error)
        self.page("console_error.html", status=status_code, words=words)


class NotFoundPage(PageHandler):
    """Any other address below the service's."""

    anybody_may = True

    async def prepare(self) -> None:
        await super().prepare()
        raise HTTPError(404)
