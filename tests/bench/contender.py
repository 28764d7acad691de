"""A hub that takes part: what the benchmark must know of it, whichever it is."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import docker
from docker.models.containers import Container

from ..hubs.rest import HubApi
from ..ours import NAME_LABEL
from . import meters


@dataclass
class Contender:
    """A running hub on loopback, and the processes that are its own."""

    title: str
    url: str
    token: str
    label: str
    """The value of the label `tf29hub.name` on all that it makes."""
    engine: docker.DockerClient
    network: str
    processes: set[int] = field(default_factory=set)

    @property
    def api(self) -> HubApi:
        return HubApi(self.url, self.token)

    def cpu_s(self) -> float:
        """CPU seconds of the Hub, its services and its proxy so far."""
        return meters.processes_cpu_s(self.processes)

    def server(self, user: str) -> Container:
        """The running container of that user's server."""
        (found,) = [one for one in self.servers() if user in one.name]
        return found

    def servers(self) -> list[Container]:
        return self.engine.containers.list(filters={"label": f"{NAME_LABEL}={self.label}"})


class Started:
    """`with Started() as started: …`: afterwards `started.processes` are the children begun in the block."""

    def __enter__(self) -> Started:
        self._before = meters.children(os.getpid())
        self.processes: set[int] = set()
        return self

    def __exit__(self, *_: object) -> None:
        self.processes = meters.children(os.getpid()) - self._before


def main_process(container: Container) -> int:
    """The process ID here of the container's first process. Raises RuntimeError where it has ended."""
    container.reload()
    pid = int(container.attrs["State"]["Pid"])
    if not Path(f"/proc/{pid}").exists() or pid == 0:
        raise RuntimeError(f"container {container.name} has ended")
    return pid
