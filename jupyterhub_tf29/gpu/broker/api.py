"""The broker's API: JSON over HTTP on a Unix socket that only the hub's account can open (docs/gpu-broker.md).

Whoever can open the socket may do everything: the Hub, the console and the admin's command run as that account.
What each *person* may do is decided there.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from tornado import web

from ...i18n import N_
from ..request import Request, RequestError
from ..scheduler.explain import explain
from ..scheduler.forecast import forecast
from ..words import say
from . import accounting, answers, wishes
from .book import Book
from .history import history
from .loop import Loop
from .metrics import Metrics
from .records import DRAINING, WAITING, Claim
from .stream import EventsHandler
from .view import scheduler_state
from .wishes import Refused, Wish

OWN_DRAIN_WAIT_S = 8.0
"""Who restarts a workspace gets the GPUs that it has just given back: they are free within a round or two."""

MOST_BODY = 1 << 20

log = logging.getLogger("tf29hub.broker")


def application(book: Book, loop: Loop, metrics: Metrics) -> web.Application:
    """All of it."""
    shared = {"book": book, "loop": loop}
    one = r"/([^/]+)"
    routes: list[Any] = [
        ("/v1/claims", ClaimsHandler),
        (f"/v1/claims{one}", ClaimHandler),
        (f"/v1/claims{one}/(commit|extend|end)", ClaimActionHandler),
        ("/v1/tickets", TicketsHandler),
        (f"/v1/tickets{one}", TicketHandler),
        (f"/v1/tickets{one}/(move|accept)", TicketActionHandler),
        (f"/v1/explain{one}", ExplainHandler),
        ("/v1/forecast", ForecastHandler),
        ("/v1/devices", DevicesHandler),
        (f"/v1/devices{one}/(drain|return)", DeviceActionHandler),
        ("/v1/history", HistoryHandler),
        ("/v1/usage", UsageHandler),
        ("/v1/busy", BusyHandler),
        ("/health", HealthHandler),
    ]
    handlers: list[Any] = [(path, handler, shared) for path, handler in routes]
    handlers += [
        ("/v1/events", EventsHandler, {"book": book}),
        ("/metrics", MetricsHandler, {"metrics": metrics}),
    ]
    return web.Application(handlers, default_handler_class=UnknownHandler, log_function=_log_request)


class Handler(web.RequestHandler):
    """JSON in, JSON out; a refusal as `{"error", "code", "text"}`."""

    def initialize(self, book: Book, loop: Loop) -> None:
        self.book, self.loop, self.now = book, loop, time.time()

    def body(self) -> dict[str, Any]:
        try:
            found = json.loads(self.request.body or b"{}")
        except ValueError as error:
            raise bad(f"the body is not JSON: {error}") from None
        if not isinstance(found, dict):
            raise bad("the body is not a JSON object")
        return found

    def number(self, name: str, default: float) -> float:
        text = self.get_query_argument(name, "")
        try:
            return float(text) if text else default
        except ValueError:
            raise bad(f"{name}: expected a number, found {text!r}") from None

    def answer(self, document: Any, status: int = 200) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(document, ensure_ascii=False))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = (kwargs.get("exc_info") or (None, None))[1]
        if isinstance(error, Refused):
            self.set_status(error.status)
            self.answer({"error": error.text["en"], "code": error.code, "text": error.text}, error.status)
        else:
            words = str(error) if status_code < 500 else "the broker failed; its log has the cause"
            self.answer({"error": words, "code": "failed", "text": {}}, status_code)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, Refused):
            super().log_exception(typ, value, tb)


def bad(words: str) -> Refused:
    """A request that no program of ours sends: the text is for its author."""
    return Refused(400, "bad-request", {"en": words, "zh": words})


def read(data: dict[str, Any], name: str, kind: type | tuple[type, ...], default: Any = ...) -> Any:
    """A field of a body. Raises Refused where it is missing or of another kind."""
    value = data.get(name, default)
    if value is ...:
        raise bad(f"{name}: this is needed and missing")
    if value is not default and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
        raise bad(f"{name}: found {value!r}, which is of the wrong kind")
    return value


def request_from(data: Any) -> Request:
    try:
        return Request.from_json(data)
    except RequestError as error:
        raise bad(f"request: {error}") from None


class UnknownHandler(web.RequestHandler):
    def prepare(self) -> None:
        self.set_status(404)
        self.finish({"error": "there is no such path", "code": "unknown", "text": {}})


class ClaimsHandler(Handler):
    def get(self) -> None:
        self.answer({"claims": answers.claims(self.book, self.get_query_argument("user", None))})

    async def post(self) -> None:
        wish = self._wish()
        await self._until_own_are_free(wish)
        found = wishes.submit(self.book, wish, time.time())
        if isinstance(found, Claim):
            self.answer({"claim": answers.claim_answer(found)})
        else:
            self.answer({"ticket": answers.ticket_answer(self.book, found)}, 202)

    def _wish(self) -> Wish:
        data = self.body()
        user = read(data, "user", str)
        if not user:
            raise bad("user: this is empty")
        return Wish(
            user=user,
            server=read(data, "server", str, ""),
            request=request_from(read(data, "request", dict)),
            groups=tuple(map(str, read(data, "groups", list, []))),
            lease_s=read(data, "lease_s", (int, float), None),
            profile=read(data, "profile", str, ""),
            options=read(data, "options", dict, {}),
            may_wait=read(data, "may_wait", bool, True),
        )

    async def _until_own_are_free(self, wish: Wish) -> None:
        """Not into the line behind one's own workspace that has stopped a second ago."""
        end = time.monotonic() + OWN_DRAIN_WAIT_S
        while time.monotonic() < end and any(
            (claim.user, claim.server) == (wish.user, wish.server)
            and claim.state == DRAINING
            and time.time() - claim.released_at < self.book.rules.free_within_s
            for claim in self.book.claims.values()
        ):
            await self.loop.next_round(end - time.monotonic())


class ClaimHandler(Handler):
    def delete(self, claim_id: str) -> None:
        reason = self.get_query_argument("reason", "stopped")
        wishes.release(self.book, unquote(claim_id), reason, self.now)
        self.loop.kick()
        self.answer({})


class ClaimActionHandler(Handler):
    def post(self, claim_id: str, action: str) -> None:
        claim_id, data = unquote(claim_id), self.body()
        if action == "commit":
            claim = wishes.commit(self.book, claim_id, read(data, "container_id", str), self.now)
        elif action == "extend":
            claim = wishes.extend(self.book, claim_id, read(data, "seconds", (int, float)), self.now)
        else:
            claim = wishes.end(self.book, claim_id, read(data, "reason", str, ""), self.now)
            self.loop.do_errands()
        self.answer({"claim": answers.claim_answer(claim)})


class TicketsHandler(Handler):
    def get(self) -> None:
        self.answer({"tickets": answers.in_line(self.book, self.get_query_argument("user", None))})


class TicketHandler(Handler):
    def get(self, ticket_id: str) -> None:
        ticket = wishes.find_ticket(self.book, unquote(ticket_id))
        self.answer({"ticket": answers.ticket_answer(self.book, ticket)})

    def delete(self, ticket_id: str) -> None:
        wishes.cancel(self.book, unquote(ticket_id), self.now)
        self.loop.kick()
        self.answer({})


class TicketActionHandler(Handler):
    def post(self, ticket_id: str, action: str) -> None:
        ticket_id, data = unquote(ticket_id), self.body()
        wishes.need_ready(self.book)
        if action == "move":
            ticket = wishes.move(self.book, ticket_id, read(data, "place", int), self.now)
        else:
            ticket = wishes.accept(self.book, ticket_id, read(data, "lease_s", (int, float), None), self.now)
        self.loop.do_errands()
        self.answer({"ticket": answers.ticket_answer(self.book, ticket)})


class ExplainHandler(Handler):
    def get(self, ticket_id: str) -> None:
        ticket = wishes.find_ticket(self.book, unquote(ticket_id))
        if ticket.state != WAITING:
            raise Refused(409, "state", N_("The turn of this place in the line has come already."))
        self.answer(explain(scheduler_state(self.book, self.now), self.now, ticket.id).to_json())


class ForecastHandler(Handler):
    def post(self) -> None:
        wishes.need_ready(self.book)
        data = self.body()
        requests = {key: request_from(one) for key, one in read(data, "requests", dict).items()}
        groups = tuple(map(str, read(data, "groups", list, [])))
        state = scheduler_state(self.book, self.now)
        user, server = read(data, "user", str), read(data, "server", str, "")
        wanted, usual = read(data, "lease_s", dict, {}), self.book.rules.default_lease_s
        leases = {key: float(read(wanted, key, (int, float), None) or usual) for key in requests}
        found = forecast(state, self.now, user, groups, requests, leases, server=server)
        self.answer(
            {
                key: {
                    "free": one.free,
                    "total": one.total,
                    "now": one.now,
                    "possible": one.possible,
                    "place": one.place,
                    "estimate_s": one.estimate_s,
                    "lease_s": one.lease_s,
                    "reason": say(one.reason),
                }
                for key, one in found.items()
            }
        )


class DevicesHandler(Handler):
    def get(self) -> None:
        self.answer(answers.devices(self.book, self.now))


class DeviceActionHandler(Handler):
    def post(self, uuid: str, action: str) -> None:
        if action == "drain":
            reason = read(self.body(), "reason", str, "") or N_("An admin took it out of service.")
            wishes.drain(self.book, unquote(uuid), reason, self.now)
        else:
            wishes.bring_back(self.book, unquote(uuid), self.now)
            self.loop.kick()
        self.answer({})


class HistoryHandler(Handler):
    def get(self) -> None:
        hours = min(max(self.number("hours", 6.0), 0.1), 168.0)
        self.answer({"devices": history(self.book.store, hours, self.now)})


class UsageHandler(Handler):
    def get(self) -> None:
        by = tuple(self.get_query_argument("by", "user").split(","))
        try:
            rows = accounting.usage(
                self.book.store,
                self.book.claims.values(),
                self.now,
                start=self.number("from", 0.0),
                end=self.number("to", self.now),
                by=by,
                user=self.get_query_argument("user", None),
            )
        except (ValueError, OverflowError, OSError) as error:
            raise bad(str(error)) from None
        self.answer({"usage": rows})


class BusyHandler(Handler):
    def get(self) -> None:
        user, server = self.get_query_argument("user"), self.get_query_argument("server", "")
        self.answer({"busy": answers.busy(self.book, user, server)})


class HealthHandler(Handler):
    """For supervisors and `tf29hub doctor`."""

    def get(self) -> None:
        inventory = self.book.inventory
        self.answer(
            {
                "ready": self.book.ready,
                "rounds": self.loop.rounds,
                "round_s": round(self.loop.round_s, 3),
                "engine_problem": self.loop.engine_problem or None,
                "gpu_problem": inventory.problem if inventory else None,
                "devices": len(self.book.devices),
                "claims": len(self.book.claims),
                "tickets": len(self.book.tickets),
                "last_event": self.book.last_event,
            }
        )


class MetricsHandler(web.RequestHandler):
    def initialize(self, metrics: Metrics) -> None:
        self._text: Callable[[], bytes] = metrics.text

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.finish(self._text())


def _log_request(handler: web.RequestHandler) -> None:
    """Only what failed: the Hub asks often."""
    if handler.get_status() >= 500:
        log.error("%s %s: %s", handler.request.method, handler.request.path, handler.get_status())
