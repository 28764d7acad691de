"""The broker's view of the Docker Engine: which containers have GPUs, how busy they are, and their removal.

Calls run in threads of their own, so that an engine that does not answer stops nothing but them.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import docker
import docker.errors
import requests

from ...spawner import labels
from .book import Seen

CALL_TIMEOUT_S = 30
RETRY_EVENTS_S = 2.0

NANOSECONDS = 1e9

log = logging.getLogger("tf29hub.broker")


class EngineSilent(Exception):
    """The engine does not answer, or with an error; the text is the cause."""


class DockerSide:
    """One for the broker. `name` is the hub's (`name` of hub.yaml): nothing else's containers are looked at."""

    def __init__(self, name: str, make_client: Callable[[], Any] | None = None) -> None:
        self._name = name
        self._make_client = make_client or _client
        self._threads = ThreadPoolExecutor(3, thread_name_prefix="docker")
        self._local = threading.local()
        self._cpu: dict[str, tuple[float, float]] = {}
        self._closed = False

    def close(self) -> None:
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def containers(self) -> list[Seen]:
        """All containers of this hub that were given GPUs, running or not. Raises EngineSilent."""
        filters = {"label": [f"{labels.NAME}={self._name}", labels.CLAIM]}
        found = await self._call(lambda client: client.containers(all=True, filters=filters))
        return [_seen(one) for one in found]

    async def remove(self, container_id: str) -> None:
        """Stop and remove it, its anonymous volumes too; users' files are in named ones. Raises EngineSilent."""

        def job(client: Any) -> None:
            try:
                client.remove_container(container_id, force=True, v=True)
            except docker.errors.APIError as error:
                if error.status_code not in (404, 409):  # gone, or going
                    raise

        await self._call(job)

    async def run_inside(self, container_id: str, command: list[str]) -> tuple[int, str]:
        """Exit code and output of a program in a container. Raises EngineSilent."""

        def job(client: Any) -> tuple[int, str]:
            made = client.exec_create(container_id, command)
            output = client.exec_start(made["Id"])
            return int(client.exec_inspect(made["Id"])["ExitCode"] or 0), output.decode("utf-8", "replace")

        return await self._call(job)

    async def cpu_shares(self, container_ids: Iterable[str]) -> dict[str, float]:
        """Container → CPUs in use on average since it was last asked for; not there at the first time."""

        def job(client: Any) -> dict[str, float]:
            found = {one: self._cpus_since(client, one) for one in container_ids}
            return {one: used for one, used in found.items() if used is not None}

        return await self._call(job)

    async def info(self) -> dict[str, Any]:
        """The engine's `/info`. Raises EngineSilent."""
        return await self._call(lambda client: client.info())

    def hear(self, kick: Callable[[], None]) -> None:
        """Call `kick` on the running loop whenever a container with GPUs starts, dies or is removed."""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._listen, args=(loop, kick), name="docker-events", daemon=True).start()

    async def _call(self, job: Callable[[Any], Any]) -> Any:
        def in_thread() -> Any:
            if not hasattr(self._local, "client"):
                self._local.client = self._make_client()
            return job(self._local.client)

        try:
            return await asyncio.wrap_future(self._threads.submit(in_thread))
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            raise EngineSilent(f"{type(error).__name__}: {error}") from error

    def _cpus_since(self, client: Any, container_id: str) -> float | None:
        try:
            usage = client.stats(container_id, stream=False, one_shot=True)["cpu_stats"]["cpu_usage"][
                "total_usage"
            ]
        except (docker.errors.NotFound, KeyError):
            self._cpu.pop(container_id, None)
            return None
        now = time.monotonic()
        before = self._cpu.get(container_id)
        self._cpu[container_id] = (now, usage)
        if before is None or now <= before[0]:
            return None
        return max(0.0, (usage - before[1]) / NANOSECONDS / (now - before[0]))

    def _listen(self, loop: asyncio.AbstractEventLoop, kick: Callable[[], None]) -> None:
        filters = {
            "type": "container",
            "event": ["start", "die", "destroy"],
            "label": [f"{labels.NAME}={self._name}", labels.CLAIM],
        }
        while not (self._closed or loop.is_closed()):
            try:
                # without a time-out of its own the client would hang up on a quiet minute
                for _event in self._make_client().events(filters=filters, decode=True):
                    loop.call_soon_threadsafe(kick)
            except Exception as error:
                log.debug("The engine's events are not heard for now: %s", error)
            time.sleep(RETRY_EVENTS_S)


def _client() -> Any:
    return docker.APIClient(version="auto", timeout=CALL_TIMEOUT_S, **docker.utils.kwargs_from_env())


def _seen(container: dict[str, Any]) -> Seen:
    """A row of `GET /containers/json`; what its labels do not say is empty, and never an error."""
    marks = container.get("Labels") or {}
    sizes = [_number(text) for text in marks.get(labels.GPU_MIB, "").split(",")]
    return Seen(
        id=container["Id"],
        claim=marks[labels.CLAIM],
        user=marks.get(labels.USER, ""),
        server=marks.get(labels.SERVER, ""),
        uuids=tuple(uuid for uuid in marks.get(labels.GPUS, "").split(",") if uuid),
        mib=int(sizes[0]),
        lease_end=_number(marks.get(labels.LEASE_END, "")),
        # paused and restarting ones hold their GPUs, too
        running=container.get("State") not in ("created", "exited", "dead", "removing"),
        profile=marks.get(labels.PROFILE, ""),
    )


def _number(text: str) -> float:
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0
