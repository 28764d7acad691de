"""The pages: cards and line, which stay up to date by themselves, and use by month."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

from jupyterhub.services.auth import HubOAuthCallbackHandler
from markupsafe import Markup
from tornado.iostream import StreamClosedError

from ..gpu.words import duration_in_words, memory_in_words
from ..i18n import N_
from . import usage, views, words
from .base import PageHandler, Refused
from .snapshot import Snapshot
from .sparkline import HEIGHT, WIDTH, Sparkline, sparkline
from .stream import EventStream

PARTS = ("status", "mine", "cards", "line")
"""Parts of the page, each a template `part_….html` and an element's id."""

HOTTEST_C = 100
"""The top of the scale of temperatures; cards throttle well before."""
EXTENSIONS_S = (3600, 2 * 3600, 4 * 3600, 8 * 3600, 24 * 3600)
"""What the page offers, as far as the policy's longest extension allows."""
STREAM_SILENCE_S = 15.0


class Curves:
    """The lines of all cards, drawn once for all readers of a language until the history is a new one."""

    def __init__(self) -> None:
        self._history: dict[str, Any] | None = None
        self._drawn: dict[tuple[str, str], Markup] = {}

    def of(self, snapshot: Snapshot, device: dict[str, Any], language: str, draw: Callable[..., str]) -> Markup:
        """One card's, as `draw(device=…, lines=…)` makes them."""
        if snapshot.history is not self._history:
            self._history, self._drawn = snapshot.history, {}
        key = (device["uuid"], language)
        if key not in self._drawn:
            self._drawn[key] = Markup(draw(device=device, lines=_lines(snapshot, device)))  # noqa: S704
        return self._drawn[key]


def _lines(snapshot: Snapshot, device: dict[str, Any]) -> dict[str, Sparkline | None]:
    """`memory`, `utilisation`, `temperature` of one card."""
    end = max((rows[-1][0] for rows in snapshot.history.values() if rows), default=0.0)
    rows = snapshot.history.get(device["uuid"], [])
    figures = (
        ("memory", 1, float(device["memory_mib"] or 1)),
        ("utilisation", 2, 100.0),
        ("temperature", 3, HOTTEST_C),
    )
    return {
        name: sparkline([(row[0], row[column]) for row in rows], end - snapshot.history_s, end, top)
        for name, column, top in figures
    }


class GpuHandler(PageHandler):
    """Draws the page's parts for its person."""

    def values(self, snapshot: Snapshot) -> dict[str, Any]:
        """What the parts' templates are drawn from, helpers included."""
        now = time.time()
        seen = views.overview(snapshot, self.person, self.settings["names"])

        def left(moment: str) -> float:
            """Seconds from now until that ISO time."""
            return datetime.datetime.fromisoformat(moment).timestamp() - now

        def server_url(server: str) -> str:
            path = f"user/{quote(self.person.name, safe='@~')}/" + (f"{quote(server)}/" if server else "")
            return self.hub_auth.hub_prefix.removesuffix("hub/") + path

        return {
            **seen,
            "known": snapshot.known,
            "labels": {device["uuid"]: device["label"] for device in seen["devices"]},
            "curves_of": lambda device: self.curves(snapshot, device),
            "spark_hours": round(snapshot.history_s / 3600),
            "left": left,
            "server_url": server_url,
            "duration": lambda seconds: duration_in_words(seconds, self.language),
            "moment": lambda iso: words.clock(datetime.datetime.fromisoformat(iso).timestamp()),
            "size": _size,
            "of_size": words.of_mebibytes,
            "said": lambda text: words.sentence(text, self.language),
            "asked_for": lambda request: words.asked_for(request, self.language),
            "state_words": words.STATES,
            "state_meanings": words.MEANINGS,
            "may_extend": self.settings["extend"] != "never",
            "enabled": snapshot.reachable,
        }

    def curves(self, snapshot: Snapshot, device: dict[str, Any]) -> Markup:
        """How that card did over the last hours, as HTML."""

        def draw(**values: Any) -> str:
            size = {"spark_width": WIDTH, "spark_height": HEIGHT, "size": _size}
            return self.render_template("curves.html", **size, **values)

        return self.settings["curves"].of(snapshot, device, self.language, draw)


def _size(mib: float) -> str:
    return memory_in_words(round(mib))


class GpuPage(GpuHandler):
    """`GET /services/gpus/`"""

    async def get(self) -> None:
        snapshot = await self.feed.current()
        longest = self.settings["longest_extension_s"]
        self.page(
            "gpus.html",
            **self.values(snapshot),
            parts=PARTS,
            extensions=[seconds for seconds in EXTENSIONS_S if seconds <= longest] or [longest],
            xsrf=self.xsrf_token.decode("ascii"),
        )


class Fragment(GpuHandler):
    """Answers the page's script, for which there is no way to the sign-in: it loads the page again."""

    def nobody(self) -> None:
        super(PageHandler, self).nobody()


class Live(Fragment):
    """`GET /services/gpus/live`: what has changed on the page, as server-sent events: element's id → HTML."""

    async def get(self) -> None:
        stream = EventStream(self, self.still_signed_in)
        self.sent: dict[str, str] = {}
        version = -1
        try:
            with self.feed.watching():
                while not self.feed.closed and await stream.goes_on():
                    snapshot = await self.feed.after(version, STREAM_SILENCE_S)
                    version = snapshot.version
                    # drawn anew also where nothing happened: times go by
                    changed = self.news(snapshot)
                    if changed:
                        await stream.send(changed)
                    else:
                        await stream.comment("as before")
        except StreamClosedError:
            return

    def news(self, snapshot: Snapshot) -> dict[str, str]:
        """What this reader has not been sent yet: small parts whole, of the cards only those that changed."""
        values = self.values(snapshot)
        drawn = {part: self.render_template(f"part_{part}.html", **values) for part in PARTS if part != "cards"}
        for device in values["devices"]:
            one = {**values, "device": device, "curves": ""}
            drawn[f"card-{device['uuid']}"] = self.render_template("card.html", **one)
            drawn[f"curves-{device['uuid']}"] = self.curves(snapshot, device)
        cards_came_or_went = drawn.keys() != self.sent.keys()
        changed = {part: html for part, html in drawn.items() if self.sent.get(part) != html}
        if cards_came_or_went:
            changed = {part: html for part, html in changed.items() if part in PARTS}
            changed["cards"] = self.render_template("part_cards.html", **values)
        self.sent = drawn
        return changed


class Why(Fragment):
    """`GET /services/gpus/why/{ticket}`: why it still waits, and what would have to happen first, as HTML."""

    async def get(self, ticket_id: str) -> None:
        await self.visible_ticket(ticket_id)
        told = await self.feed.broker.explain(ticket_id)
        told = views.explanation(told, self.person, self.settings["names"])
        self.page("part_why.html", told=told, **self.values(await self.feed.current()))


class OAuthCallback(PageHandler):
    """The Hub sends browsers here that it has just recognised; JupyterHub's own handler does the work."""

    anybody_may = True

    async def prepare(self) -> None:
        await super().prepare()
        # who comes twice is signed in already, and is let through
        self._recognised = await self._ask_the_hub()

    async def get(self) -> None:
        await HubOAuthCallbackHandler.get(self)

    def explain(self, status: int, error: BaseException | None) -> tuple[str, str]:
        if status < 500 and not isinstance(error, Refused):
            return "sign-in", self._(
                N_("You could not be recognised: that took too long. Please open the page again.")
            )
        return super().explain(status, error)


class UsagePage(PageHandler):
    """`GET /services/gpus/usage`: GPU-hours of whole months."""

    async def get(self) -> None:
        problem, table = "", []
        wanted = {key: self.get_argument(key, "") for key in ("from", "to", "by")}
        zone, now = self.settings["zone"], time.time()
        try:
            of = usage.period(wanted["from"], wanted["to"], zone, now)
            by = usage.grouping(wanted["by"], self.person)
        except usage.PeriodError as error:
            problem = self._(str(error))
            of, by = usage.period("", "", zone, now), usage.grouping("", self.person)
        else:
            table = await usage.rows(self.feed.broker, self.person, of, by)
        query = urlencode({"from": of.first, "to": of.last, "by": ",".join(by), "format": "csv"})
        self.page(
            "usage.html",
            problem=problem,
            period=of,
            by=by,
            table=table,
            most=max((row["gpu_hours"] for row in table), default=0),
            total=sum(row["gpu_hours"] for row in table),
            csv_url=f"{self.hub_auth.base_url}api/v1/usage?{query}",
        )
