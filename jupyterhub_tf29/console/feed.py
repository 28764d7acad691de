"""One subscription to the broker for everybody who looks.

`Feed.run()` listens to the broker's events and asks for cards, claims and tickets when something happened, and now
and then while somebody watches. Browsers wait for the next snapshot; none of them costs the broker anything. When
the broker goes, the last snapshot stays, marked as such, and the feed goes on trying.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

from ..gpu.client import BrokerClient, BrokerRefused, BrokerUnavailable, Event
from .snapshot import Snapshot

EVERY_S = 5.0
"""Between two looks while somebody watches: as often as the broker samples, about."""
SETTLE_S = 0.15
"""After an event, for those that come with it: a grant moves everybody in the line."""
FRESH_S = 2.0
"""A page that is opened is satisfied with what is known, if it is not older."""
PATIENCE_S = 3.0
"""A page that is opened waits so long for a broker that does not answer, then shows what was last known."""
HISTORY_HOURS = 6
HISTORY_EVERY_S = 60.0
FIRST_HISTORY_EVERY_S = 10.0
"""While a card has none yet: the broker has just started, or the card is new."""
RETRY_S = (0.5, 1.0, 2.0, 4.0)
"""Pauses while the broker does not answer; the last one from then on."""
KEPT_EVENTS = 500
"""For programs that come back with the id of the last event that they saw."""

log = logging.getLogger("tf29hub.console")


class Feed:
    """See the module's text. `now` is the clock, in epoch seconds."""

    def __init__(self, broker: BrokerClient, now: Callable[[], float] = time.time) -> None:
        self.broker = broker
        self._now = now
        self._snapshot = Snapshot()
        self._changed = asyncio.Event()
        """Set, and replaced by a new one, whenever there is something new."""
        self._wanted = asyncio.Event()
        self._refreshing = asyncio.Lock()
        self._watchers = 0
        self._history_at = self._looked_at = float("-inf")
        self._events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._last_event = 0
        self._books = 0
        """How often the broker came back with another book, whose ids begin anew."""
        self.closed = False

    @property
    def snapshot(self) -> Snapshot:
        """What is known now."""
        return self._snapshot

    async def run(self) -> None:
        """Until it is cancelled. Never raises because of the broker."""
        await asyncio.gather(self._listen(), self._look())

    def close(self) -> None:
        """Let everybody go who waits, for good."""
        self.closed = True
        self._tell()

    # -- for those who look ------------------------------------------------------------------------------------

    async def current(self) -> Snapshot:
        """What is known, asked for anew where it is not fresh."""
        age = self._now() - self._snapshot.time
        if age > FRESH_S or not self._snapshot.reachable or self._history_is_old():
            refreshing = asyncio.ensure_future(self.refresh())
            await asyncio.wait([refreshing], timeout=PATIENCE_S)
        return self._snapshot

    async def refresh(self) -> None:
        """Ask the broker now; those who ask at the same time share one look."""
        asked = self._now()
        async with self._refreshing:
            if self._looked_at > asked:
                return  # somebody else has asked while this one waited, and was answered or was not
            self._looked_at = self._now()
            try:
                fresh = await self._ask()
            except (BrokerUnavailable, BrokerRefused) as error:
                self._lost(error)
            else:
                self._publish(fresh)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """While somebody is in here the cards are looked at steadily."""
        self._watchers += 1
        self._wanted.set()
        try:
            yield
        finally:
            self._watchers -= 1

    async def after(self, version: int, timeout_s: float) -> Snapshot:
        """The first snapshot that is not of that version, or what there is after `timeout_s`."""
        deadline = self._now() + timeout_s
        while not self.closed and self._snapshot.version == version and self._now() < deadline:
            await self._something_new(deadline - self._now())
        return self._snapshot

    async def events(self, after: int | None, silence_s: float) -> AsyncIterator[Event | None]:
        """Events after that id (None: from now on), as they come; None where nothing happens for `silence_s`."""
        last, book = self._last_event if after is None else after, self._books
        while not self.closed:
            if book != self._books:
                last, book = 0, self._books
            for event in [event for event in self._events if event["id"] > last]:
                last = event["id"]
                yield event
            deadline = self._now() + silence_s
            while not self.closed and self._last_event <= last and book == self._books:
                if not await self._something_new(deadline - self._now()):
                    yield None
                    break

    async def _something_new(self, timeout_s: float) -> bool:
        """Wait for anything; False where nothing came in time."""
        try:
            await asyncio.wait_for(self._changed.wait(), max(0.01, timeout_s))
        except asyncio.TimeoutError:
            return False
        return True

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    # -- towards the broker ------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        failures = 0
        while True:
            self._wanted.set()  # where it answers now, cards and line are asked for, too
            try:
                # from 0 the broker sends what it has kept: whoever asks the API for the past gets some of it
                async for event in self.broker.events(after=self._last_event):
                    failures = 0
                    self._heard(event)
            except (BrokerUnavailable, BrokerRefused) as error:
                self._lost(error)
            await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
            failures += 1

    def _heard(self, event: Event) -> None:
        if event["id"] <= self._last_event:
            # asked for what came after the last one, the broker sends less only where it has another book
            log.warning("The GPU broker's events begin anew at %d, after %d", event["id"], self._last_event)
            self._events.clear()
            self._books += 1
        self._events.append(event)
        self._last_event = event["id"]
        self._wanted.set()
        self._tell()

    async def _look(self) -> None:
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), EVERY_S)
                await asyncio.sleep(SETTLE_S)
            asked_for = self._wanted.is_set()
            self._wanted.clear()
            if asked_for or self._watchers:
                await self.refresh()

    def _history_is_old(self) -> bool:
        known = self._snapshot.history
        complete = all(known.get(device["uuid"]) for device in self._snapshot.devices)
        return self._now() - self._history_at > (HISTORY_EVERY_S if complete else FIRST_HISTORY_EVERY_S)

    async def _ask(self) -> Snapshot:
        inventory, claims, tickets = await asyncio.gather(
            self.broker.devices(), self.broker.claims(), self.broker.tickets()
        )
        history = self._snapshot.history
        if self._history_is_old():
            history = (await self.broker.history(HISTORY_HOURS))["devices"]
            self._history_at = self._now()
        return Snapshot(
            version=self._snapshot.version,
            time=self._now(),
            reachable=True,
            inventory=inventory,
            claims=tuple(dict(claim) for claim in claims),
            tickets=tuple(dict(ticket) for ticket in tickets),
            history=history,
            history_s=HISTORY_HOURS * 3600.0,
        )

    def _publish(self, fresh: Snapshot) -> None:
        before = self._snapshot
        if not before.reachable:
            log.info("The GPU broker answers.")
        changed = replace(fresh, time=before.time, version=before.version) != before
        self._snapshot = replace(fresh, version=before.version + changed)
        if changed:
            self._tell()

    def _lost(self, error: Exception) -> None:
        if not self._snapshot.reachable and self._snapshot.version:
            return  # said already
        log.warning("%s; the pages show what was last known", error)
        self._snapshot = replace(self._snapshot, reachable=False, version=self._snapshot.version + 1)
        self._tell()
