"""The floor: what Docker itself takes to start a container of our image in which nearly nothing runs."""

from __future__ import annotations

import socket
import time

import docker

from ..ours import NAME_LABEL
from .contender import Contender

PORT = 8888
EVERY_S = 0.01
GIVE_UP_S = 60
COMMAND = ["python3", "-m", "http.server", str(PORT), "--directory", "/opt"]


def start_floor(engine: docker.DockerClient, hub: Contender, image_id: str) -> float:
    """Seconds from `docker run` until a bare HTTP server in the container answers. Raises RuntimeError."""
    began = time.monotonic()
    container = engine.containers.run(
        image_id, COMMAND, detach=True, network=hub.network, labels={NAME_LABEL: hub.label}
    )
    try:
        container.reload()
        address = container.attrs["NetworkSettings"]["Networks"][hub.network]["IPAddress"]
        while not _answers(address):
            if time.monotonic() - began > GIVE_UP_S:
                raise RuntimeError(f"the bare server does not answer: {container.logs().decode()[-500:]}")
            time.sleep(EVERY_S)
        return time.monotonic() - began
    finally:
        container.remove(force=True, v=True)


def _answers(address: str) -> bool:
    try:
        with socket.create_connection((address, PORT), timeout=1) as connection:
            connection.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
            return connection.recv(5) == b"HTTP/"
    except OSError:
        return False
