"""The pages: cards and line, which stay up to date by themselves, and use by month."""

from __future__ import annotations

import datetime
import time
from typing import Any
from urllib.parse import quote, urlencode

from tornado.iostream import StreamClosedError

from ..gpu.words import duration_in_words, memory_in_words
from . import usage, views, words
from .base import PageHandler
from .snapshot import Snapshot
from .sparkline import HEIGHT, WIDTH, Sparkline, sparkline
from .stream import EventStream

PARTS = ("status", "mine", "cards", "line")
"""Parts of the page that are sent anew when they change; each is a template `part_….html` and an element's id."""

HOTTEST_C = 100
"""The top of the scale of temperatures; cards throttle well before."""
EXTENSIONS_S = (3600, 2 * 3600, 4 * 3600, 8 * 3600, 24 * 3600)
"""What the page offers, as far as the policy's longest extension allows."""
STREAM_SILENCE_S = 15.0


class Sparks:
    """The lines of all cards, drawn once for everybody until the history is a new one."""

    def __init__(self) -> None:
        self._of: dict[str, Any] | None = None
        self._drawn: dict[str, dict[str, Sparkline | None]] = {}

    def of(self, snapshot: Snapshot) -> dict[str, dict[str, Sparkline | None]]:
        """UUID → `memory`, `utilisation`, `temperature`."""
        if snapshot.history is not self._of:
            self._of = snapshot.history
            end = max((rows[-1][0] for rows in snapshot.history.values() if rows), default=0.0)
            room = {device["uuid"]: float(device["memory_mib"] or 1) for device in snapshot.devices}
            self._drawn = {
                uuid: {
                    name: sparkline([(row[0], row[column]) for row in rows], end - snapshot.history_s, end, top)
                    for name, column, top in (
                        ("memory", 1, room.get(uuid, 1.0)),
                        ("utilisation", 2, 100.0),
                        ("temperature", 3, HOTTEST_C),
                    )
                }
                for uuid, rows in snapshot.history.items()
            }
        return self._drawn


class GpuHandler(PageHandler):
    """Draws the page's parts for its person."""

    def parts(self, snapshot: Snapshot) -> dict[str, str]:
        """Part → HTML."""
        values = self.values(snapshot)
        return {part: self.render_template(f"part_{part}.html", **values) for part in PARTS}

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
            "sparks": self.settings["sparks"].of(snapshot),
            "spark_width": WIDTH,
            "spark_height": HEIGHT,
            "spark_hours": round(snapshot.history_s / 3600),
            "left": left,
            "server_url": server_url,
            "duration": lambda seconds: duration_in_words(seconds, self.language),
            "moment": lambda iso: words.clock(datetime.datetime.fromisoformat(iso).timestamp()),
            "size": lambda mib: memory_in_words(round(mib)),
            "of_size": words.of_mebibytes,
            "said": lambda text: words.sentence(text, self.language),
            "asked_for": lambda request: words.asked_for(request, self.language),
            "state_words": words.STATES,
            "state_meanings": words.MEANINGS,
            "may_extend": self.settings["extend"] != "never",
            "enabled": snapshot.reachable,
        }


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
    """`GET /services/gpus/live`: the parts of the page that have changed, as server-sent events."""

    async def get(self) -> None:
        stream = EventStream(self, self.still_signed_in)
        sent: dict[str, str] = {}
        version = -1
        try:
            with self.feed.watching():
                while not self.feed.closed and await stream.goes_on():
                    snapshot = await self.feed.after(version, STREAM_SILENCE_S)
                    version = snapshot.version
                    # drawn anew also where nothing happened: times go by
                    parts = self.parts(snapshot)
                    changed = {part: html for part, html in parts.items() if sent.get(part) != html}
                    sent = parts
                    if changed:
                        await stream.send(changed)
                    else:
                        await stream.comment("as before")
        except StreamClosedError:
            return


class Why(Fragment):
    """`GET /services/gpus/why/{ticket}`: why it still waits, and what would have to happen first, as HTML."""

    async def get(self, ticket_id: str) -> None:
        await self.visible_ticket(ticket_id)
        told = await self.feed.broker.explain(ticket_id)
        told = views.explanation(told, self.person, self.settings["names"])
        self.page("part_why.html", told=told, **self.values(await self.feed.current()))


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
