"""What all servers of one hub share: calls to the engine, boot slots, promised memory, events, disk in use."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any, Protocol

from ..settings import Settings
from .admission import Admission
from .bootslots import BootSlots
from .diskuse import DiskUse
from .engine import EngineCalls
from .watch import SAMPLE_EVERY, EngineEvents


class Member(Protocol):
    """A server as the fleet sees it."""

    async def on_engine_event(self, event: str) -> None:
        """`oom` or `die` happened to its container."""

    async def sample_memory(self) -> None:
        """Note how much memory the container uses now."""


class Fleet:
    """One for each Hub process; made by the first spawner, on the Hub's event loop."""

    _current: Fleet | None = None

    def __init__(self, settings: Settings, make_client: Callable[[], Any], log: logging.Logger) -> None:
        self.settings, self._log = settings, log
        self.engine = EngineCalls(make_client, settings.start.docker_calls)
        self.boot_slots = BootSlots(settings.start.concurrent_boots or max(2, os.cpu_count() or 2))
        self.admission = Admission()
        self.disk = DiskUse(self.engine, log)
        self._members: dict[str, Member] = {}
        self._make_client = make_client
        self._watching: asyncio.Task[None] | None = None
        self._condemned: set[str] = set()

    @classmethod
    def current(cls, settings: Settings, make_client: Callable[[], Any], log: logging.Logger) -> Fleet:
        """The fleet of this process."""
        if cls._current is None:
            cls._current = cls(settings, make_client, log)
        return cls._current

    def join(self, container_id: str, member: Member) -> None:
        """Hear about `container_id` from now on."""
        self._members[container_id] = member
        if self._watching is None:
            events = EngineEvents(self._make_client, self.settings.name, self._on_event, self._log)
            events.start()
            self._watching = asyncio.ensure_future(self._sample_for_ever())

    def leave(self, container_id: str) -> None:
        """The container is gone; leaving twice is harmless."""
        self._members.pop(container_id, None)

    def condemn(self, container_id: str) -> None:
        """The container must go, but the engine did not do it: tried again until it is gone."""
        self._condemned.add(container_id)

    async def _on_event(self, container_id: str, event: str) -> None:
        member = self._members.get(container_id)
        if member is not None:
            # Docker 20.10 says "oom", "die"; an exec's events are "exec_die: …" and not asked for
            await member.on_engine_event(event)

    async def _sample_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_EVERY)
            results = await asyncio.gather(
                *(member.sample_memory() for member in list(self._members.values())),
                *(self._remove(container_id) for container_id in list(self._condemned)),
                return_exceptions=True,
            )
            for problem in results:
                if isinstance(problem, BaseException):
                    self._log.debug("A sample failed: %s", problem)

    async def _remove(self, container_id: str) -> None:
        try:
            await self.engine.submit("remove_container", container_id, force=True, v=True)
        except Exception as error:
            if getattr(error, "status_code", None) not in (404, 409):
                raise
        self._condemned.discard(container_id)
        self._log.info("Container %s, which could not be removed before, is gone", container_id[:12])
