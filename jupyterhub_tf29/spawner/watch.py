"""The engine's events, heard: a container that dies, and one in which the kernel killed for memory.

A kernel that is killed at the limit leaves its container running with `OOMKilled: false`; Docker's `oom`
event is the only trace. So one thread listens for all servers of the hub, and memory is sampled so that the
message can say how full it was. What is missed while the engine is down is asked for when it is back.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from . import labels

SAMPLE_EVERY = 10.0
"""Seconds between two samples of a server's memory."""

RETRY_AFTER = 2.0
"""Seconds before listening again where the engine hung up."""

EventHandler = Callable[[str, str], Awaitable[None]]


class EngineEvents:
    """Calls `handle(container_id, event)` on the event loop for each `oom` and `die` of our containers."""

    def __init__(
        self, make_client: Callable[[], Any], name: str, handle: EventHandler, log: logging.Logger
    ) -> None:
        self._make_client, self._name, self._handle, self._log = make_client, name, handle, log
        self._loop = asyncio.get_running_loop()
        self._since = time.time()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._listen, name="docker-events", daemon=True)

    def start(self) -> None:
        """Begin to listen, in a daemon thread that ends with the process."""
        self._thread.start()

    def _listen(self) -> None:
        filters = {
            "type": "container",
            "event": ["oom", "die"],
            "label": f"{labels.NAME}={self._name}",
        }
        while not self._loop.is_closed():
            try:
                # without a time-out of its own the client would hang up on a quiet minute
                client = self._make_client()
                for event in client.events(since=self._since, filters=filters, decode=True):
                    self._since = event.get("timeNano", 0) / 1e9 + 1e-6
                    self._loop.call_soon_threadsafe(self._deliver, event["id"], event["status"])
            except Exception as error:
                if self._loop.is_closed():
                    return
                self._log.warning("The engine's events are not heard for now: %s", error)
            time.sleep(RETRY_AFTER)

    def _deliver(self, container_id: str, event: str) -> None:
        task = self._loop.create_task(self._handled(container_id, event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handled(self, container_id: str, event: str) -> None:
        try:
            await self._handle(container_id, event)
        except Exception:
            self._log.exception("Handling the event %s of container %s failed", event, container_id[:12])


def memory_in_use(stats: dict[str, Any]) -> int | None:
    """Bytes in use without the page cache, from the engine's stats (cgroup v1 and v2)."""
    memory = stats.get("memory_stats") or {}
    usage = memory.get("usage")
    if usage is None:
        return None
    details = memory.get("stats") or {}
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    return usage - cache if cache < usage else usage
