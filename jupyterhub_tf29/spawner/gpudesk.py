"""The Hub's way to the GPU broker: one for each Hub process, shared by all its servers.

What a page waits for is bounded: the menu of a Hub whose broker hangs says "not known" and is as fast as ever.
What must reach the broker (a claim given back) is tried until it does. What the broker tells (a lease that ends, a
card that is lost) goes to the server that it is about.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from typing import Any, Protocol, TypeVar
from weakref import WeakValueDictionary

from ..gpu.client import BrokerClient, BrokerRefused, BrokerUnavailable, Event, Forecast, Ticket
from ..profiles import Gpu
from ..settings import Paths, Settings
from .heard import HeardUntil

PAGE_WAITS = 0.5
"""Seconds that a page waits for the broker, who answers in a few milliseconds when all is well."""

LOOK_AGAIN_AFTER = 60.0
"""Seconds for which the answer whether there are GPUs holds: cards do not come and go by the minute."""

RETRY_AFTER = 5.0
"""Seconds between two tries to give a claim back, and to listen again."""

NEWS_S = 60.0
"""What happened longer ago is told to nobody where the broker's events begin anew."""

RETURN_WITHIN = 2 * RETRY_AFTER
"""Seconds that a start waits for the claim of the start before it to be given back."""

UNTOLD_KEPT = 100
"""Events kept for servers that the Hub has not looked at yet since it started."""

Answer = TypeVar("Answer")
ServerKey = tuple[str, str]
"""Username and server name."""


class Listener(Protocol):
    """A server that hears what the broker says about it."""

    async def on_gpu_event(self, event: Event) -> None:
        """Tell its user."""


class GpuDesk:
    """Ask, give back, listen. It belongs to the Hub's event loop."""

    _current: GpuDesk | None = None

    def __init__(self, settings: Settings, paths: Paths, log: logging.Logger) -> None:
        self.client = BrokerClient(paths.broker_socket)
        self._wanted = settings.gpu.managed
        self._log = log
        self._found: bool | None = None
        self._memory_mib: dict[str, int | None] = {}
        self._look_at = 0.0
        self._late = False
        # the Hub replaces spawner objects, and forgets those of users who were deleted
        self._listeners: WeakValueDictionary[ServerKey, Listener] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()
        self._untold: deque[Event] = deque(maxlen=UNTOLD_KEPT)
        self._heard = HeardUntil(paths.state / "gpu-events-heard")
        self._listening: asyncio.Task[None] | None = None
        self._giving_back: dict[ServerKey, asyncio.Task[None]] = {}

    @classmethod
    def current(cls, settings: Settings, paths: Paths, log: logging.Logger) -> GpuDesk:
        """The desk of this process."""
        if cls._current is None:
            cls._current = cls(settings, paths, log)
        return cls._current

    # -- what pages ask ----------------------------------------------------------------------------------------

    async def managed(self) -> bool | None:
        """Whether GPUs are handed out here: as hub.yaml says, else whether the broker has any.

        None: nobody knows, as the broker has not answered since the Hub started.
        """
        if self._wanted == "auto" and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + RETRY_AFTER
            await self._soon(self._look())
        if self.known:
            self.listen()
        return self.known

    @property
    def known(self) -> bool | None:
        """As `managed`, without asking again."""
        return self._found if self._wanted == "auto" else self._wanted is True

    def memory_mib(self, uuid: str) -> int | None:
        """Of a whole device, as last seen; None where it is not known."""
        return self._memory_mib.get(uuid)

    async def forecast(
        self, server: ServerKey, groups: Sequence[str], wishes: Mapping[str, Gpu]
    ) -> dict[str, Forecast]:
        """Key → what the menu of that server says beside it; empty where the broker is late or silent."""
        asking = self.client.forecast(
            user=server[0],
            server=server[1],
            groups=groups,
            requests={key: gpu.request.to_json() for key, gpu in wishes.items()},
            lease_s={key: gpu.lease for key, gpu in wishes.items() if gpu.lease},
        )
        return await self._soon(asking) or {}

    async def tickets(self, user: str) -> list[Ticket] | None:
        """The user's places in the line; None where the broker is late or silent."""
        return await self._soon(self.client.tickets(user))

    async def _look(self) -> None:
        devices = (await self.client.devices())["devices"]
        self._found = bool(devices)
        self._memory_mib = {device["uuid"]: device.get("memory_mib") for device in devices}
        self._look_at = time.monotonic() + LOOK_AGAIN_AFTER

    async def _soon(self, question: Awaitable[Answer]) -> Answer | None:
        asking = asyncio.ensure_future(question)
        try:
            # not wait_for: before Python 3.12 it loses a cancellation that comes as it times out
            await asyncio.wait([asking], timeout=PAGE_WAITS)
            if not asking.done():
                level, self._late = logging.DEBUG if self._late else logging.WARNING, True
                self._log.log(level, "The GPU broker did not answer within %g s", PAGE_WAITS)
                return None
            self._late = False
            return asking.result()
        except (BrokerUnavailable, BrokerRefused) as error:
            self._log.debug("Asking the GPU broker: %s", error)
            return None
        finally:
            asking.cancel()

    # -- giving back -------------------------------------------------------------------------------------------

    def give_back(self, server: ServerKey, claim_id: str, reason: str) -> None:
        """Give a server's claim back, however long it takes until the broker answers."""
        earlier = self._giving_back.get(server)
        self._giving_back[server] = self._keep(self._give_back(claim_id, reason, earlier))

    async def given_back(self, server: ServerKey) -> None:
        """Wait until nothing of that server is under way back: the broker would answer the next wish with it.

        Raises BrokerUnavailable where that takes long, which is so when the broker does not answer.
        """
        returning = self._giving_back.get(server)
        if returning is None:
            return
        await asyncio.wait([returning], timeout=RETURN_WITHIN)
        if not returning.done():
            raise BrokerUnavailable("the claim of the last start could not be given back yet")
        self._giving_back.pop(server, None)

    async def _give_back(self, claim_id: str, reason: str, earlier: asyncio.Task[None] | None) -> None:
        if earlier is not None:
            await asyncio.wait([earlier])
        silent = False
        while True:
            try:
                await self.client.release(claim_id, reason)
                self._log.info("GPU claim %s given back (%s)", claim_id, reason)
                return
            except BrokerRefused as error:
                self._log.warning("GPU claim %s was not to be given back: %s", claim_id, error)
                return
            except BrokerUnavailable as error:
                if not silent:
                    self._log.warning("GPU claim %s is given back when the broker answers: %s", claim_id, error)
                silent = True
            await asyncio.sleep(RETRY_AFTER)

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)  # a task that nobody holds may vanish
        task.add_done_callback(self._tasks.discard)
        return task

    # -- listening ---------------------------------------------------------------------------------------------

    def join(self, key: ServerKey, listener: Listener) -> None:
        """`listener` is the server `key` from now on; what was said before about it is told now."""
        self._listeners[key] = listener
        for event in [one for one in self._untold if _server_of(one) == key]:
            self._untold.remove(event)
            self._keep(self._tell(listener, event))

    def listen(self) -> None:
        """Begin to hear events; twice is harmless."""
        if self._listening is None:
            self._listening = self._keep(self._listen_for_ever())

    async def _listen_for_ever(self) -> None:
        silent = False
        while True:
            try:
                last = await self._heard.last()
                async for event in self.client.events(after=last):
                    silent = False
                    if last is not None and event["id"] <= last and event["time"] < time.time() - NEWS_S:
                        # the broker has another book, a backup perhaps, and tells all of it: what is long over
                        await self._heard.note(event["id"])
                    else:
                        await self._hear(event)
            except (BrokerUnavailable, BrokerRefused) as error:
                if not silent:
                    self._log.warning("The GPU broker's events are not heard for now: %s", error)
                silent = True
            except Exception:
                self._log.exception("An event of the GPU broker could not be handled")
            await asyncio.sleep(RETRY_AFTER)

    async def _hear(self, event: Event) -> None:
        if event["kind"].startswith("device-"):
            self._look_at = 0.0
        if is_for_user(event):
            listener = self._listeners.get(_server_of(event))
            if listener is None:
                self._untold.append(event)
            else:
                await self._tell(listener, event)
        await self._heard.note(event["id"])

    async def _tell(self, listener: Listener, event: Event) -> None:
        try:
            await listener.on_gpu_event(event)
        except Exception:
            self._log.exception("Telling server %s about its GPU failed", "/".join(_server_of(event)))


QUIET_TICKETS = frozenset({"ticket-new", "ticket-taken", "ticket-cancelled"})
"""What the user has just done, or sees on the menu as it happens."""


def is_for_user(event: Event) -> bool:
    """Whether an event becomes a notice: a warning or worse about one's server, or news of one's place."""
    if "user" not in event or "server" not in event or not event.get("text"):
        return False
    if event["kind"].startswith("ticket-"):
        return event["kind"] not in QUIET_TICKETS
    return event.get("level") in ("warning", "error")


def _server_of(event: Event) -> ServerKey:
    return event.get("user", ""), event.get("server", "")
