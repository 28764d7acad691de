"""The broker at work: look at machine and engine, settle the book, decide, and do what follows. Again and again.

One round at a time, every `sample_every`, and at once when something happened (a claim was given back, a container
died). What has to be asked of Hub and engine is asked in tasks of its own, one for each thing and not too often: a
Hub that does not answer delays nobody else.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any, Protocol

from ..devices import Inventory
from ..nvml.wire import Reading
from . import accounting, errands, lookout, truth, turns
from .book import Book
from .docker_side import DockerSide, EngineSilent
from .history import Minutes
from .hub_side import HubSide
from .inside import Inside

NO_DEVICES_EVERY_S = 60.0
"""Without any GPU nothing can change but that one is put in."""

INVENTORY_EVERY_S = 60.0
KICK_DELAY_S = 0.3
"""Events come in swarms: a container that stops dies and is removed at the same moment."""

PRUNE_EVERY_S = 6 * 3600.0
FIRST_RETRY_S, LAST_RETRY_S = 5.0, 60.0
"""Between two attempts at the same errand: twice as long each time."""

log = logging.getLogger("tf29hub.broker")


class Reader(Protocol):
    """`gpu.nvml.reader.NvmlReader`. It never raises for a sick card, and never takes longer than its time-out."""

    async def inventory(self) -> Inventory: ...

    async def reading(self) -> Reading: ...

    async def close(self) -> None: ...


class Loop:
    """See the module's text. `expected`: having no GPU is a fault."""

    def __init__(
        self,
        book: Book,
        reader: Reader,
        engine: DockerSide,
        hub: HubSide,
        sample_every_s: float,
        expected: bool = False,
    ) -> None:
        self.book, self.reader, self.engine, self.hub = book, reader, engine, hub
        self.every_s, self._expected = sample_every_s, expected
        self._inside = Inside(book, engine, sample_every_s)
        self.minutes = Minutes(book.store)
        self.rounds = 0
        self.round_s = 0.0
        self.engine_problem = ""
        self._kicked = asyncio.Event()
        self._rounds_done = asyncio.Condition()
        self._errands: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._attempts: dict[tuple[str, str], tuple[int, float]] = {}
        self._inventory_at = self._pruned_at = self._before = 0.0

    def kick(self) -> None:
        """Have the next round soon."""
        self._kicked.set()

    async def next_round(self, timeout_s: float) -> None:
        """Wait until a round that begins after this call has ended, or the time is over."""
        wanted = self.rounds + (2 if self._in_round else 1)
        self.kick()
        async with self._rounds_done:
            waiting = self._rounds_done.wait_for(lambda: self.rounds >= wanted)
            try:
                await asyncio.wait_for(waiting, timeout_s)
            except asyncio.TimeoutError:
                return

    _in_round = False

    async def run(self) -> None:
        """For ever. A round that fails is logged, and the next one tries again."""
        self.engine.hear(self.kick)
        while True:
            self._in_round = True
            try:
                await self.round()
            except Exception:
                log.exception("A round of the broker failed")
            self._in_round = False
            async with self._rounds_done:
                self.rounds += 1
                self._rounds_done.notify_all()
            try:
                await asyncio.wait_for(self._kicked.wait(), self._pause())
                await asyncio.sleep(KICK_DELAY_S)
            except asyncio.TimeoutError:
                pass
            self._kicked.clear()

    def _pause(self) -> float:
        alone = not (self.book.devices or self.book.claims or self.book.tickets)
        return NO_DEVICES_EVERY_S if alone else self.every_s

    async def round(self) -> None:
        """One look, and what follows from it."""
        began = time.monotonic()
        inventory = await self._take_inventory()
        reading = await self.reader.reading() if self.book.devices or inventory.devices else None
        containers, listed_at = None, time.time()
        try:
            if self.book.listed_at == 0 or self.book.devices or inventory.devices or self.book.claims:
                containers = await self.engine.containers()
                self._engine_answers("")
        except EngineSilent as error:
            self._engine_answers(str(error))
        now = time.time()
        book = self.book
        with book.change(now):
            accounting.turn_of_period(book, self._before or now, now)
            if inventory is not book.inventory:
                truth.counted(book, inventory, now)
            if containers is not None:
                truth.listed(book, containers, listed_at, now)
            lookout.sampled(book, reading.samples if reading else (), reading.troubles if reading else (), now)
            if book.ready:
                truth.settle(book, now)
                turns.decide_now(book, now)
            self._prune(now)
        self._before = now
        if reading:
            self.minutes.add(reading.samples, now)
        if containers is not None:
            await self._inside.look()
        self.round_s = time.monotonic() - began
        self.do_errands()

    async def _take_inventory(self) -> Inventory:
        """Which devices there are; asked again from time to time: cards fall off the bus, and are put in."""
        now = time.monotonic()
        known = self.book.inventory
        if known is not None and now - self._inventory_at < INVENTORY_EVERY_S and not self._something_is_wrong():
            return known
        self._inventory_at = now
        found = await self.reader.inventory()
        if self._expected and not found.devices and (known is None or known.devices):
            log.error("hub.yaml says gpu.managed: true, and there is no GPU: %s", found.problem)
        return found

    def _something_is_wrong(self) -> bool:
        """A device that is there by the book and was not in the last sample: look at once, not in a minute."""
        inventory = self.book.inventory
        if inventory is None:
            return True
        there = {device.uuid for device in inventory.devices}
        silent = [
            uuid
            for uuid, sight in self.book.sights.items()
            if uuid in there and sight.sample and time.time() - sight.sample.time > 1.5 * self.every_s
        ]
        return bool(silent)

    def _engine_answers(self, problem: str) -> None:
        if problem and not self.engine_problem:
            log.warning("The container engine does not answer; what is held stays held: %s", problem)
        elif self.engine_problem and not problem:
            log.info("The container engine answers again.")
        self.engine_problem = problem

    def _prune(self, now: float) -> None:
        if now - self._pruned_at >= PRUNE_EVERY_S:
            self._pruned_at = now
            accounting.prune(self.book, now)
            self.minutes.prune(now)

    # -- errands -----------------------------------------------------------------------------------------------

    def do_errands(self) -> None:
        """Begin what is to be done and is not under way, each thing at most as often as its attempts allow."""
        wanted = {}
        for one in turns.to_do(self.book):
            wanted[(one.kind, one.ticket or one.claim or one.container)] = one
        self._attempts = {key: tried for key, tried in self._attempts.items() if key in wanted}
        now = time.monotonic()
        for key, errand in wanted.items():
            many, again_at = self._attempts.get(key, (0, 0.0))
            if key in self._errands or now < again_at:
                continue
            pause = min(LAST_RETRY_S, FIRST_RETRY_S * 2**many)
            self._attempts[key] = (many + 1, now + pause)
            self._begin(key, errands.run(self.book, self.hub, self.engine, errand))

    def _begin(self, key: tuple[str, str], job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(job)
        self._errands[key] = task

        def ended(done: asyncio.Task[None]) -> None:
            self._errands.pop(key, None)
            if not done.cancelled() and done.exception():
                log.error("The errand %s %s failed", *key, exc_info=done.exception())
            self.kick()

        task.add_done_callback(ended)
