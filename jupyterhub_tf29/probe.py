"""What a user's container can reach, tried from inside throw-away containers on the users' network."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .settings import Settings
from .spawner import labels

METADATA = ("169.254.169.254", 80)
"""Where clouds hand out a machine's credentials to whoever asks from it."""

TRY_S = 3
NEIGHBOUR_PORT = 8888
NEIGHBOUR_WITHIN_S = 20

_PYTHON = "/opt/jupyter/bin/python"
_TRY_ALL = """
import json, socket, sys
found = {}
for name, (host, port) in json.loads(sys.argv[1]).items():
    try:
        socket.create_connection((host, port), timeout=float(sys.argv[2])).close()
        found[name] = True
    except OSError:
        found[name] = False
print(json.dumps(found))
"""

Target = tuple[str, int]


@dataclass(frozen=True)
class Reach:
    """What answered (True) and what did not."""

    hub_api: bool
    other_ports: bool
    """Any other port of this machine."""
    metadata: bool
    neighbour: bool
    """Another container on the same network."""
    neighbour_from_host: bool
    """The same one, asked by the host: without this, the line above would mean nothing."""


def probe(client: Any, settings: Settings, image_id: str) -> Reach:
    """Start two containers, try from one of them, remove both. Raises docker.errors.DockerException."""
    gateway = settings.network.gateway
    with listener() as port, neighbour(client, settings, image_id) as address:
        targets: dict[str, Target] = {
            "hub_api": (gateway, settings.ports.hub),
            "other_ports": (gateway, port),
            "metadata": METADATA,
            "neighbour": (address, NEIGHBOUR_PORT),
        }
        reached = try_from_inside(client, settings, image_id, targets)
        return Reach(**reached, neighbour_from_host=_answers((address, NEIGHBOUR_PORT), NEIGHBOUR_WITHIN_S))


def try_from_inside(
    client: Any, settings: Settings, image_id: str, targets: Mapping[str, Target]
) -> dict[str, bool]:
    """Which TCP targets a container on the users' network can open a connection to."""
    output = client.containers.run(
        image_id,
        entrypoint=[_PYTHON, "-c", _TRY_ALL, json.dumps(targets), str(TRY_S)],
        command=[],
        remove=True,
        **_as_users_containers(settings),
    )
    return dict(json.loads(output))


@contextmanager
def listener() -> Iterator[int]:
    """A port of this machine, on all of its addresses, that accepts while the block runs."""
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104  (that is what is tried)

        def accept() -> None:
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)


@contextmanager
def neighbour(client: Any, settings: Settings, image_id: str) -> Iterator[str]:
    """The address of a container on the users' network that answers on NEIGHBOUR_PORT while the block runs."""
    container = client.containers.run(
        image_id,
        entrypoint=[_PYTHON, "-m", "http.server", str(NEIGHBOUR_PORT), "--directory", "/opt"],
        command=[],
        detach=True,
        **_as_users_containers(settings),
    )
    try:
        container.reload()
        address = container.attrs["NetworkSettings"]["Networks"][settings.name]["IPAddress"]
        _answers((address, NEIGHBOUR_PORT), NEIGHBOUR_WITHIN_S)
        yield address
    finally:
        container.remove(force=True)


def _as_users_containers(settings: Settings) -> dict[str, Any]:
    """The network and the rights that workspaces have, with nobody's files."""
    return {
        "network": settings.name,
        "labels": {labels.NAME: settings.name, labels.KIND: "probe"},
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "mem_limit": "256m",
        "pids_limit": 64,
    }


def _answers(target: Target, within_s: float) -> bool:
    """Whether `target` accepts a connection from this machine, waiting for it to come up."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            socket.create_connection(target, timeout=TRY_S).close()
            return True
        except OSError:
            time.sleep(0.1)
    return False
