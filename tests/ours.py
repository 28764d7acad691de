"""Names, labels and ports that belong to one test run alone, and how its Docker objects are removed."""

from __future__ import annotations

import contextlib
import random
import secrets
import socket

import docker
import docker.errors

NAME_LABEL = "tf29hub.name"


def new_name() -> str:
    """A legal `name` of hub.yaml that nothing else on this machine has."""
    return f"tf29t{secrets.token_hex(4)}"


PORTS = range(15_000, 30_000)
"""Below those that Linux gives to outgoing connections, which would take a port while its program is away."""


def find_free_port() -> int:
    """A TCP port of this machine that nobody has now."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("", port))
            return port


def remove_all(engine: docker.DockerClient, name: str) -> None:
    """Remove the containers, networks and volumes that carry `tf29hub.name=<name>`, and nothing else."""
    ours = {"label": f"{NAME_LABEL}={name}"}
    for container in engine.containers.list(all=True, filters=ours, ignore_removed=True):
        with contextlib.suppress(docker.errors.NotFound):
            container.remove(force=True, v=True)
    for network in engine.networks.list(filters=ours):
        network.remove()
    for volume in engine.volumes.list(filters=ours):
        volume.remove(force=True)
