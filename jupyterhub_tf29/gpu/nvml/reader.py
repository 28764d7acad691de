"""What the rest of the program asks about GPUs. NVML runs in a worker, which is killed when it hangs.

    reader = NvmlReader()
    inventory = await reader.inventory()
    reading = await reader.reading()
    await reader.close()

Neither raises for a sick card or a missing driver: a Trouble or `Inventory.problem` says so. A card that hangs is
left out for a while and then tried again; the others are read meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from ..devices import Device, Inventory, Trouble
from . import driver
from .pauses import FIRST_S, Pauses
from .process import Silent, WorkerProcess
from .wire import Reading, inventory_from_json, reading_from_json

ANSWER_WITHIN_S = 10.0
"""For one card. A healthy one answers in milliseconds, a first call on an idle machine without
nvidia-persistenced in seconds.
"""


TRIES = 4
"""Cards that may be found to hang within one question; more of them are left for the next."""


class NvmlReader:
    """See the module's text. Calls wait for one another; times in seconds; `clock` is any steady one."""

    def __init__(
        self,
        *,
        answer_within_s: float = ANSWER_WITHIN_S,
        retry_s: float = FIRST_S,
        log: logging.Logger | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._worker = WorkerProcess(answer_within_s)
        self._pauses = Pauses(retry_s)
        self._retry_s = retry_s
        self._log = log or logging.getLogger("tf29hub.nvml")
        self._clock = clock
        self._turn = asyncio.Lock()
        self._devices: dict[str, Device] = {}
        self._silent_until: float | None = None
        self._said: str | None = None

    async def inventory(self) -> Inventory:
        """What there is now. A card that hangs is still among the devices if it was seen before."""
        async with self._turn:
            return await self._inventory()

    async def reading(self) -> Reading:
        """How the cards of the last inventory do; takes one itself where that is needed."""
        async with self._turn:
            now = self._clock()
            if not self._worker.runs or self._pauses.ended(now):
                problem = (await self._inventory()).problem
                if problem:
                    return Reading(troubles=tuple(self._lasting_troubles()))
            for _ in range(TRIES):
                try:
                    answer = await self._worker.ask("reading", self._pauses.skip(self._clock()))
                except Silent as silent:
                    # a fresh worker knows no cards: look for them again, without the one that hung
                    if not self._left_out(silent) or (await self._inventory()).problem:
                        break
                    continue
                self._pauses.forgive(self._worker.asked)
                reading = reading_from_json(answer)
                return replace(reading, troubles=(*reading.troubles, *self._lasting_troubles()))
            return Reading(troubles=tuple(self._lasting_troubles()))

    async def close(self) -> None:
        """End the worker. The reader may be used again afterwards."""
        async with self._turn:
            await self._worker.end()

    async def _inventory(self) -> Inventory:
        inventory = await self._looked()
        if inventory.problem and inventory.problem != self._said:
            self._log.info("GPUs: %s", inventory.problem)
        self._said = inventory.problem
        return inventory

    async def _looked(self) -> Inventory:
        """One inventory, tried again without a card that hangs."""
        for _ in range(TRIES):
            now = self._clock()
            if self._silent_until is not None and now < self._silent_until:
                return self._silent_driver()
            try:
                inventory = inventory_from_json(await self._worker.ask("inventory", self._pauses.skip(now)))
            except Silent as silent:
                if not self._left_out(silent):
                    return self._silent_driver()
            else:
                return await self._merged(inventory)
        return self._silent_driver()

    async def _merged(self, inventory: Inventory) -> Inventory:
        """What this look found, and what is known of the cards that it left out."""
        self._silent_until = None
        # a card may answer here and hang when it is sampled: only that forgives it
        if inventory.problem:
            await self._worker.end()
        kept = [device for uuid, device in self._devices.items() if uuid in self._pauses.uuids]
        self._devices = {device.uuid: device for device in (*kept, *inventory.devices)}
        troubles = (*inventory.troubles, *self._lasting_troubles())
        return replace(inventory, devices=tuple(self._devices.values()), troubles=troubles)

    def _left_out(self, silent: Silent) -> bool:
        """Note which card hung; False where none can be blamed, which is the driver's own silence."""
        self._log.warning("GPUs: no answer: %s", silent)
        now = self._clock()
        if silent.was_killed:
            return True
        if silent.index is None or silent.index in self._pauses.skip(now):
            self._silent_until = now + self._retry_s
            return False
        name = silent.uuid or f"GPU {silent.index}"
        parts = [device.uuid for device in self._devices.values() if name in (device.uuid, device.parent)]
        self._pauses.blame(silent.index, parts or [name], now)
        return True

    def _silent_driver(self) -> Inventory:
        troubles = tuple(self._lasting_troubles())
        return Inventory(devices=tuple(self._devices.values()), problem=driver.SILENT, troubles=troubles)

    def _lasting_troubles(self) -> list[Trouble]:
        if self._silent_until is None:
            return self._pauses.troubles()
        return [Trouble(uuid, "hung", 0, driver.SILENT, quarantine=True) for uuid in self._devices]
