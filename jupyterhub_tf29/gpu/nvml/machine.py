"""The machine's cards through NVML: what they are, and how they do. Only the worker imports this: calls may hang.

Before each card's calls `at(index, uuid)` is told, so that whoever watches knows which card a silence belongs to;
`at(None, None)` before those that are about no card.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pynvml

from ..devices import Device, Inventory, Process, Sample, Trouble, usable_mib
from . import calls, driver
from .containers import ContainerFinder
from .links import link_scores
from .wire import Reading
from .xids import XidJudge

At = Callable[[int | None, str | None], None]
LOST = {pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED}
"""Return codes after which a card is of no use until an admin has looked."""

_PROFILE = re.compile(r"\s*MIG (\d+c\.)?(?P<profile>\d+g\.\d+gb(\+me)?).*", re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    """What can be handed out of a card: itself, or one of its slices."""

    device: Device
    handle: Any
    instance: int | None
    """NVML's GPU instance of a slice, by which XIDs name it."""


@dataclass(frozen=True)
class Card:
    index: int
    uuid: str
    bus_id: str
    handle: Any
    parts: tuple[Part, ...]

    def troubles(self, kind: Any, code: int, text: str, quarantine: bool) -> list[Trouble]:
        """One for each thing that can be handed out of it, or for the card where that is none."""
        return [Trouble(uuid, kind, code, text, quarantine) for uuid in self.uuids]

    @property
    def uuids(self) -> list[str]:
        return [part.device.uuid for part in self.parts] or [self.uuid]


class Machine:
    """`inventory()` first; it starts NVML. Raises no NVMLError: what a card does is told as a Trouble."""

    def __init__(self, at: At, finder: ContainerFinder | None = None) -> None:
        self._at = at
        self._finder = finder or ContainerFinder()
        self._judge = XidJudge()
        self._events: Any = None
        self._heard: set[str] = set()
        self.cards: list[Card] = []

    def inventory(self, skip: Collection[int]) -> Inventory:
        """Look for all cards, but for those with these indices, which hung before."""
        try:
            if self._events is None:
                pynvml.nvmlInit()
            version = pynvml.nvmlSystemGetDriverVersion()
            cuda = calls.or_none(pynvml.nvmlSystemGetCudaDriverVersion_v2)
            count = pynvml.nvmlDeviceGetCount()
        except pynvml.NVMLError as error:
            return Inventory(problem=driver.start_problem(error.value, str(error)))
        known = {"driver_version": version, "cuda_version": driver.cuda_version(cuda) if cuda else None}
        old = driver.too_old(version)
        if old:
            return Inventory(**known, problem=old)
        troubles: list[Trouble] = []
        self.cards = [card for index in range(count) if index not in skip for card in self._card(index, troubles)]
        links = self._links()
        self._at(None, None)
        self._listen()
        devices = tuple(part.device for card in self.cards for part in card.parts)
        problem = None if count else "the NVIDIA driver finds no GPU on this machine"
        return Inventory(**known, devices=devices, links=links, problem=problem, troubles=tuple(troubles))

    def reading(self, skip: Collection[int]) -> Reading:
        """How the cards of the last inventory do, but for those with these indices."""
        samples: list[Sample] = []
        troubles = [trouble for xid in self._xids() for trouble in xid]
        for card in self.cards:
            if card.index not in skip:
                self._at(card.index, card.uuid)
                try:
                    samples += [self._sample(card, part) for part in card.parts]
                    troubles += _remapping(card)
                except pynvml.NVMLError as error:
                    bad = error.value in LOST
                    troubles += card.troubles("nvml", error.value, f"NVML: {error}", quarantine=bad)
        self._at(None, None)
        return Reading(tuple(self._with_owners(samples)), tuple(troubles))

    # -- what they are -----------------------------------------------------------------------------------------

    def _card(self, index: int, troubles: list[Trouble]) -> Iterator[Card]:
        uuid = next((card.uuid for card in self.cards if card.index == index), None)
        self._at(index, uuid)
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            uuid = pynvml.nvmlDeviceGetUUID(handle)
            bus = pynvml.nvmlDeviceGetPciInfo(handle).busId
            mig = calls.or_none(pynvml.nvmlDeviceGetMigMode, handle)
            card = Card(index, uuid, bus.decode() if isinstance(bus, bytes) else bus, handle, ())
            whole = _whole(card)
            if mig and mig[0] == pynvml.NVML_DEVICE_MIG_ENABLE:
                parts = tuple(_slices(handle, whole))
                if not parts:
                    text = "is in MIG mode and has no slices, so nothing of it can be handed out"
                    troubles.append(Trouble(uuid, "nvml", 0, text, quarantine=False))
            else:
                parts = (Part(whole, handle, None),)
            yield replace(card, parts=parts)
        except pynvml.NVMLError as error:
            bad = error.value in LOST
            name = uuid or f"GPU {index}"  # a lost card does not say its UUID
            troubles.append(Trouble(name, "nvml", error.value, f"NVML: {error}", quarantine=bad))

    def _links(self) -> dict[tuple[str, str], int]:
        whole = [card for card in self.cards if card.parts and card.parts[0].instance is None]
        try:
            return link_scores(whole, self._at)
        except pynvml.NVMLError:  # a card that was lost this moment; the next reading tells of it
            return {}

    # -- how they do -------------------------------------------------------------------------------------------

    def _sample(self, card: Card, part: Part) -> Sample:
        _, _, used = calls.memory_mib(part.handle)
        rates = calls.or_none(pynvml.nvmlDeviceGetUtilizationRates, part.handle)
        degrees = calls.or_none(pynvml.nvmlDeviceGetTemperature, card.handle, pynvml.NVML_TEMPERATURE_GPU)
        rows = tuple(Process(pid, mib, None) for pid, mib in sorted(calls.processes(part.handle).items()))
        return Sample(part.device.uuid, time.time(), used, rates.gpu if rates else None, degrees, rows)

    def _with_owners(self, samples: list[Sample]) -> Iterator[Sample]:
        owners = self._finder.find(process.pid for sample in samples for process in sample.processes)
        for sample in samples:
            alive = (one for one in sample.processes if one.pid in owners)
            yield replace(sample, processes=tuple(replace(one, container_id=owners[one.pid]) for one in alive))

    # -- what the driver reports -------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Hear XIDs of all cards, in one set for ever: a fresh one would miss what the old one has not told."""
        if self._events is None:
            self._events = pynvml.nvmlEventSetCreate()
        for card in self.cards:
            if card.uuid not in self._heard:
                self._heard.add(card.uuid)
                with contextlib.suppress(pynvml.NVMLError):  # some cards report none
                    pynvml.nvmlDeviceRegisterEvents(
                        card.handle, pynvml.nvmlEventTypeXidCriticalError, self._events
                    )

    def _xids(self) -> Iterator[list[Trouble]]:
        while self._events is not None:
            try:
                event = pynvml.nvmlEventSetWait_v2(self._events, 0)
            except pynvml.NVMLError:  # NVML_ERROR_TIMEOUT: there is no more
                return
            uuid = pynvml.nvmlDeviceGetUUID(event.device)
            card = next((card for card in self.cards if card.uuid == uuid), None)
            hit = [part.device.uuid for part in card.parts if part.instance == event.gpuInstanceId] if card else []
            named = hit or (card.uuids if card else [uuid])
            now = time.monotonic()
            yield [self._judge.judge(one, event.eventData, now) for one in named]


def _whole(card: Card) -> Device:
    total, reserved, _ = calls.memory_mib(card.handle)
    return Device(
        uuid=card.uuid,
        model=pynvml.nvmlDeviceGetName(card.handle),
        memory_mib=total,
        usable_mib=usable_mib(total, reserved),
        bus_id=card.bus_id,
        minor=pynvml.nvmlDeviceGetMinorNumber(card.handle),
    )


def _slices(handle: Any, whole: Device) -> Iterator[Part]:
    for number in range(calls.or_none(pynvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
        try:
            slice_handle = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number)
        except pynvml.NVMLError as error:
            if error.value == pynvml.NVML_ERROR_NOT_FOUND:  # slices are numbered with gaps
                continue
            raise
        attributes = pynvml.nvmlDeviceGetAttributes_v2(slice_handle)
        total, reserved, _ = calls.memory_mib(slice_handle)
        named = _PROFILE.search(pynvml.nvmlDeviceGetName(slice_handle))
        size = f"{attributes.gpuInstanceSliceCount}g.{-(-attributes.memorySizeMB // 1024)}gb"
        device = replace(
            whole,
            uuid=pynvml.nvmlDeviceGetUUID(slice_handle),
            memory_mib=total,
            usable_mib=usable_mib(total, reserved),
            parent=whole.uuid,
            mig_profile=named["profile"].lower() if named else size,
            slices=attributes.computeInstanceSliceCount,
        )
        yield Part(device, slice_handle, pynvml.nvmlDeviceGetGpuInstanceId(slice_handle))


def _remapping(card: Card) -> list[Trouble]:
    rows = calls.or_none(pynvml.nvmlDeviceGetRemappedRows, card.handle)
    if rows is None:
        return []
    _, _, pending, failed = rows
    if failed:
        return card.troubles("remap", 2, "a faulty memory row could not be remapped: replace the card", True)
    if pending:
        return card.troubles("remap", 1, "a faulty memory row is remapped when the card is next reset", False)
    return []
