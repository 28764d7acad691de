"""A stand-in for the GPU broker: what it would answer is plain data that a test writes; it serves it on a socket.

For tests of the console alone: cards in every state, and a broker that goes and comes back, at a moment's notice.
What was asked of it is in `calls`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from math import sin
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket
from tornado.web import Application, RequestHandler

_IDS = itertools.count(1)
"""Of events: each stand-in goes on where the one before it ended, as one broker does over its restarts."""


class BrokerStandIn:
    """What the broker knows, and where it listens."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.inventory: dict[str, Any] = {
            "devices": [],
            "problem": None,
            "driver_version": "470.57",
            "cuda_version": "11.4",
        }
        self.claims: list[dict[str, Any]] = []
        self.tickets: list[dict[str, Any]] = []
        self.usage: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.refuses: dict[str, Any] | None = None
        """`{"status", "code", "text"}`: the answer to every change, where it is not None."""
        self.calls: list[tuple[str, str, Any]] = []
        """Method, path with query, body."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: HTTPServer | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    # -- what it knows -----------------------------------------------------------------------------------------

    def card(self, number: int, state: str = "free", **more: Any) -> dict[str, Any]:
        """A card of 40 GiB is there; its holders come from the claims."""
        device = {
            "uuid": f"GPU-{number:08d}-0000-0000-0000-000000000000",
            "model": "NVIDIA A100-SXM4-40GB",
            "memory_mib": 40960,
            "usable_mib": 39731,
            "parent": None,
            "mig_profile": None,
            "slices": 7,
            "bus_id": f"00000000:{number + 16:02X}:00.0",
            "minor": number,
            "state": state,
            "reason": None,
            "since": time.time() - 3600,
            "holders": [],
            "sample": {"time": time.time(), "used_mib": 2, "utilisation": 0, "temperature": 31},
            **more,
        }
        self.inventory["devices"].append(device)
        return device

    def hold(
        self, device: dict[str, Any], user: str, *, mib: int | None = None, left_s: float = 7200, **more: Any
    ) -> dict[str, Any]:
        """`user` holds the card, or `mib` of it."""
        claim = {
            "id": f"claim-{len(self.claims) + 1}",
            "user": user,
            "server": "",
            "groups": [],
            "request": {"kind": "share", "share_mib": mib} if mib else {"kind": "whole", "count": 1},
            "devices": [{"uuid": device["uuid"], "mib": mib}],
            "state": "allocated",
            "since": time.time() - 1800,
            "lease_end": time.time() + left_s,
            "protected_until": time.time(),
            "container_id": "c" * 64,
            "share_mib": mib,
            "profile": "gpu",
            "ticket": None,
            "ending": None,
            "lost": [],
            **more,
        }
        self.claims.append(claim)
        kept = ("user", "server", "since", "lease_end", "state")
        device["holders"].append(
            {"claim": claim["id"], "mib": mib, "used_mib": 100, **{k: claim[k] for k in kept}}
        )
        device["state"] = "allocated" if device["state"] == "free" else device["state"]
        return claim

    def wait(self, user: str, **more: Any) -> dict[str, Any]:
        """`user` waits at the end of the line."""
        place = len(self.tickets) + 1
        ticket = {
            "id": f"ticket-{place}-{user}",
            "user": user,
            "server": "",
            "groups": [],
            "place": place,
            "estimate_s": 1500.0 * place,
            "submitted": time.time() - 600 / place,
            "request": {"kind": "whole", "count": 1},
            "lease_s": 4 * 3600,
            "reason": {
                "en": "Every GPU is held; the first lease ends in 25 minutes.",
                "zh": "所有 GPU 都在使用中；最早的租期 25 分钟后结束。",
            },
            "state": "waiting",
            "claim": None,
            "hold_until": None,
            "offer": None,
            "profile": "gpu",
            "options": {},
            **more,
        }
        self.tickets.append(ticket)
        return ticket

    def tell(self, kind: str, **more: Any) -> dict[str, Any]:
        """Something happened."""
        event = {"id": next(_IDS), "time": time.time(), "kind": kind, "level": "info", **more}
        self.events.append(event)
        return event

    def history(self, hours: float = 6) -> dict[str, Any]:
        now, rows = time.time() // 60 * 60, 180
        return {
            device["uuid"]: [
                [now - (rows - i) * hours * 3600 / rows, *_sample(number, i, device)] for i in range(rows + 1)
            ]
            for number, device in enumerate(self.inventory["devices"])
        }

    # -- its life ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen, in a thread; back when it does."""
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        self._thread.start()
        ready.result(timeout=10)

    def stop(self) -> None:
        """As a broker that is killed: streams end, and nobody listens."""
        if self._loop and self._stop and self._thread:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(timeout=10)
        self._loop = None
        self.socket.unlink(missing_ok=True)

    async def _serve(self, ready: Future[None]) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = HTTPServer(Application([("/.*", _Answers, {"broker": self})]))
        server.add_socket(bind_unix_socket(str(self.socket), mode=0o600))
        ready.set_result(None)
        await self._stop.wait()
        server.stop()
        await server.close_all_connections()


class _Answers(RequestHandler):
    def initialize(self, broker: BrokerStandIn) -> None:
        self.broker = broker

    async def get(self) -> None:
        broker, path = self.broker, self.request.path
        if path == "/v1/events":
            await self._events()
            return
        if path == "/v1/usage":
            broker.calls.append(("GET", self.request.uri or "", None))
        user = self.get_argument("user", None)
        answers: dict[str, Any] = {
            "/v1/devices": broker.inventory,
            "/v1/claims": {"claims": broker.claims},
            "/v1/tickets": {"tickets": broker.tickets},
            "/v1/history": {"devices": broker.history()},
            "/v1/usage": {"usage": [row for row in broker.usage if user in (None, row.get("user"))]},
        }
        if path == "/metrics":
            self.finish("# TYPE tf29hub_gpus gauge\ntf29hub_gpus 4\n")
        elif path.startswith("/v1/explain/"):
            self.finish(self._explanation(path.rpartition("/")[2]))
        else:
            self.finish(answers[path])

    def _explanation(self, ticket_id: str) -> dict[str, Any]:
        factors = {"rank": 0.41, "factor": 0.3, "age": 0.02, "placed": False, "overdue": False, "group": "vision"}
        tickets = self.broker.tickets
        before = tickets[: next(i for i, one in enumerate(tickets) if one["id"] == ticket_id)]
        ahead = [
            {"ticket_id": one["id"], **{key: one[key] for key in ("user", "request", "estimate_s")}}
            for one in before
        ]
        ends = [
            {
                "claim_id": claim["id"],
                "user": claim["user"],
                "uuids": [one["uuid"] for one in claim["devices"]],
                "end_s": claim["lease_end"] - time.time(),
                "idle_s": None,
            }
            for claim in self.broker.claims[:1]
        ]
        return {
            "ticket_id": ticket_id,
            "needs": 1,
            "free": 0,
            "is_head": not ahead,
            "factors": factors,
            "ahead": [{**one, "factors": {**factors, "rank": 0.8}} for one in ahead],
            "releases": ends,
        }

    async def post(self) -> None:
        body = json.loads(self.request.body or b"{}")
        self.broker.calls.append(("POST", self.request.uri or "", body))
        if self._refused():
            return
        _, _, kind, name, what = self.request.path.split("/")
        if kind == "claims":
            claim = next(one for one in self.broker.claims if one["id"] == name)
            claim["lease_end"] += body.get("seconds", 0)
            self.finish({"claim": claim})
        elif kind == "tickets":
            ticket = next(one for one in self.broker.tickets if one["id"] == name)
            if what == "move":
                self._move(ticket, body["place"])
            self.finish({"ticket": ticket})
        else:
            device = next(one for one in self.broker.inventory["devices"] if one["uuid"] == name)
            device["state"] = "draining" if what == "drain" else "free"
            device["reason"] = body.get("reason")
            self.finish({})

    async def delete(self) -> None:
        self.broker.calls.append(("DELETE", self.request.uri or "", None))
        if not self._refused():
            name = self.request.path.rpartition("/")[2]
            self.broker.tickets[:] = [one for one in self.broker.tickets if one["id"] != name]
            self._number()
            self.finish({})

    def _refused(self) -> bool:
        refuses = self.broker.refuses
        if refuses:
            self.set_status(refuses["status"])
            self.finish({"error": refuses["text"]["en"], "code": refuses["code"], "text": refuses["text"]})
        return bool(refuses)

    def _move(self, ticket: dict[str, Any], place: int) -> None:
        self.broker.tickets.remove(ticket)
        self.broker.tickets.insert(place - 1, ticket)
        self._number()

    def _number(self) -> None:
        for place, ticket in enumerate(self.broker.tickets, 1):
            ticket["place"] = place

    async def _events(self) -> None:
        events = self.broker.events
        sent = int(self.get_argument("after", str(events[-1]["id"] if events else 0)))
        if events and sent > events[-1]["id"]:
            sent = 0  # another book
        await self.flush()
        while not self.request.connection.stream.closed():  # type: ignore[union-attr]
            for event in [one for one in self.broker.events if one["id"] > sent]:
                self.write(json.dumps(event) + "\n")
                await self.flush()
                sent = event["id"]
            await asyncio.sleep(0.02)


def _sample(number: int, i: int, device: dict[str, Any]) -> list[Any]:
    """A day at work: nothing on a free card, waves on the others."""
    if not device["holders"]:
        return [2, 0 if not device["mig_profile"] else None, 30 + number % 3]
    load = max(0.0, min(99.0, 60 + 35 * sin(i / 9 + number) + 10 * sin(i * 1.7)))
    return [int(8000 + 24000 * min(1, i / 60)), int(load), int(35 + load / 3)]


@contextmanager
def broker_stand_in(socket: Path) -> Iterator[BrokerStandIn]:
    """Running; stopped at the end."""
    broker = BrokerStandIn(socket)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def department(broker: BrokerStandIn) -> None:
    """Cards in every state, a line, and use: something to look at."""
    cards = [broker.card(number) for number in range(6)]
    busy = {"used_mib": 31877, "utilisation": 87, "temperature": 64}
    broker.hold(cards[0], "lin", left_s=1500)
    broker.hold(cards[1], "wang", mib=16384, left_s=9000)
    broker.hold(cards[1], "garcia", mib=8192, left_s=3 * 86400, server="thesis")
    broker.hold(cards[2], "garcia", left_s=5000)
    for card in cards[:3]:
        card["sample"] = {"time": time.time(), **busy}
    cards[3] |= {
        "state": "quarantined",
        "reason": {"en": "XID 79: the GPU has fallen off the bus.", "zh": "XID 79：GPU 已从总线上掉线。"},
    }
    cards[4] |= {"state": "draining", "reason": "new fan on Friday (admin)"}
    broker.wait(
        "wang",
        reason={
            "en": "Every GPU that fits is held; the first lease ends in 25 minutes.",
            "zh": "所有合适的 GPU 都在使用中；最早的租期 25 分钟后结束。",
        },
    )
    broker.wait("okafor", request={"kind": "whole", "count": 2, "model": "A100"}, server="big")
    broker.wait("smith", estimate_s=None, request={"kind": "share", "share_mib": 8192})
    month = time.strftime("%Y-%m")
    for user, hours, claims in (("garcia", 212.4, 31), ("lin", 96.0, 12), ("wang", 40.5, 22), ("okafor", 3.2, 2)):
        broker.usage.append(
            {"user": user, "month": month, "group": "vision", "gpu_seconds": hours * 3600, "claims": claims}
        )
