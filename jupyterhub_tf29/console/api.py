"""The JSON API below /services/gpus/api/v1/, described by openapi.json. The page's own buttons use it, too.

With a token (`Authorization: token …`) whose scopes allow it, or with the page's cookie and its XSRF token. What
it answers has passed `views`, the gate that keeps others' names and ids back.
"""

from __future__ import annotations

import json
import time
from typing import Any

import yaml
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError

from ..gpu.client import BrokerUnavailable
from ..i18n import N_
from . import usage, views
from .base import ConsoleHandler, Refused
from .rendering import HERE
from .stream import EventStream

EVENT_SILENCE_S = 15.0
"""A comment goes out at least so often, or proxies take the connection for dead."""


class ApiHandler(ConsoleHandler):
    """Answers with JSON, errors as well: `{"error": sentence, "code": word for programs}`."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        code, words = self.explain(status_code, kwargs.get("exc_info", (None, None, None))[1])
        self.answer({"error": words, "code": code})

    def body(self, allowed: dict[str, type]) -> dict[str, Any]:
        """The request's JSON object, whose fields are of these types. Raises Refused."""
        try:
            data = json.loads(self.request.body or b"{}")
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise Refused(400, "bad-request", N_("The body of the request must be a JSON object."))
        for name, value in data.items():
            fits = name in allowed and isinstance(value, allowed[name]) and not isinstance(value, bool)
            if not fits:
                raise Refused(400, "bad-request", N_("The request makes no sense."))
        return data


class Index(ApiHandler):
    """`GET api/v1/`: who asks, and what there is."""

    async def get(self) -> None:
        person = self.person
        self.answer(
            {
                "name": person.name,
                "kind": "user" if person.is_user else "service",
                "may": {
                    "read": person.may_read,
                    "act_for_self": person.may_act_for_self,
                    "read_all": person.sees_all,
                    "admin": person.is_admin,
                },
                "openapi": self.hub_auth.base_url + "api/v1/openapi.json",
            }
        )


class OpenApi(ApiHandler):
    """`GET api/v1/openapi.json`: this API's description; no secret."""

    anybody_may = True

    async def get(self) -> None:
        self.answer(description(self.hub_auth.base_url + "api/v1"))


def description(server: str) -> dict[str, Any]:
    """The OpenAPI document, for the address at which this service is."""
    text = (HERE / "openapi.yaml").read_text(encoding="utf-8")
    return {**yaml.safe_load(text), "servers": [{"url": server}]}


class Look(ApiHandler):
    """`GET api/v1/{devices,claims,line,history}`, and all of it but the history: `overview`."""

    async def get(self, what: str) -> None:
        snapshot = await self.feed.current()
        if not snapshot.reachable:
            # a program must not take old news for new; the page shows what was last known
            raise BrokerUnavailable("the broker does not answer")
        names = self.settings["names"]
        views_of = {
            "overview": lambda: views.overview(snapshot, self.person, names),
            "devices": lambda: {**views.broker(snapshot), "devices": views.devices(snapshot, self.person, names)},
            "claims": lambda: {"claims": views.claims(snapshot, self.person)},
            "line": lambda: {"line": views.line(snapshot, self.person, names)},
            "history": lambda: {"devices": views.history(snapshot)},
        }
        self.answer(views_of[what]())


class Explain(ApiHandler):
    """`GET api/v1/tickets/{id}/explain`: why not yet, and what would have to happen first."""

    async def get(self, ticket_id: str) -> None:
        await self.visible_ticket(ticket_id)
        told = await self.feed.broker.explain(ticket_id)
        self.answer(views.explanation(told, self.person, self.settings["names"]))


class Usage(ApiHandler):
    """`GET api/v1/usage`: GPU-hours of whole months, by user, group, month; `format=csv` for spreadsheets."""

    async def get(self) -> None:
        try:
            of = usage.period(
                self.get_argument("from", ""), self.get_argument("to", ""), self.settings["zone"], time.time()
            )
            by = usage.grouping(self.get_argument("by", ""), self.person)
        except usage.PeriodError as error:
            raise Refused(400, "bad-request", str(error)) from error
        table = await usage.rows(self.feed.broker, self.person, of, by)
        if self.get_argument("format", "json") != "csv":
            self.answer({"from": of.first, "to": of.last, "by": list(by), "usage": table})
            return
        name = f"gpu-hours-{of.first}-{of.last}-by-{'-'.join(by)}.csv"
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        self.finish(usage.as_csv(table, by))


class Events(ApiHandler):
    """`GET api/v1/events`: what happens, as server-sent events, those that this person may see."""

    async def get(self) -> None:
        after = self.get_argument("after", self.request.headers.get("Last-Event-ID", ""))
        if after and not after.isdecimal():
            raise Refused(400, "bad-request", N_("The request makes no sense."))
        stream = EventStream(self, self.still_signed_in)
        try:
            await stream.comment("these are the events that you may see")
            async for event in self.feed.events(int(after) if after else None, EVENT_SILENCE_S):
                shown = views.event(event, self.person) if event else None
                if shown:
                    await stream.send(shown, id=shown["id"])
                else:
                    await stream.comment("nothing for you")
                if not await stream.goes_on():
                    return
        except StreamClosedError:
            return


class Metrics(ApiHandler):
    """`GET metrics`: the broker's, for Prometheus, with the Hub's own scope for metrics."""

    def is_allowed(self, model: dict[str, Any]) -> bool:
        return self.person.is_admin or "read:metrics" in model.get("scopes", ())

    async def get(self) -> None:
        text = await self.feed.broker.metrics()
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.finish(text)


class NotFound(ApiHandler):
    """Any other address below api/."""

    anybody_may = True

    async def prepare(self) -> None:
        await super().prepare()
        raise HTTPError(404)
