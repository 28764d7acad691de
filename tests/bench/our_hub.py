"""This project: the whole hub as `deploy/up` sets it up, with the shipped menu."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker

from ..hubs.running import RunningHub
from .contender import Contender, Started

SHIPPED_MENU = Path(__file__).parents[2] / "config" / "profiles.yaml"

SETTINGS = {
    # what hub.yaml ships with, but for memory that a small machine may not have for thirty
    "limits": {
        "memory": "8G",
        "memory_guarantee": "64M",
        "cpus": 4,
        "processes": 4096,
        "shared_memory": "2G",
        "host_memory_reserve": "64M",
    },
    "start": {"timeout": 120, "queue_timeout": 600},
}

EXTRA = """
c.JupyterHub.log_level = "INFO"  # the tests' own hub tells all; this one is as shipped
c.JupyterHub.services.append({{"name": "bench", "api_token": "{token}"}})
scopes = ["admin:users", "admin:servers", "tokens", "access:servers"]
c.JupyterHub.load_roles.append({{"name": "bench", "services": ["bench"], "scopes": scopes}})
"""


@contextmanager
def our_hub(folder: Path, engine: docker.DockerClient, image_id: str) -> Iterator[Contender]:
    """A running hub; nothing of it is left afterwards."""
    menu = SHIPPED_MENU.read_text(encoding="utf-8").replace("mem_guarantee: 512M", "mem_guarantee: 64M")
    token = secrets.token_hex(16)
    hub = RunningHub(
        folder,
        engine,
        image_id,
        settings=SETTINGS,
        profiles=menu,
        extra=EXTRA.format(token=token),
    )
    try:
        with Started() as started:
            hub.start()
        yield Contender("ours", hub.url, token, hub.name, engine, hub.name, started.processes)
    finally:
        _close(hub)


def _close(hub: RunningHub) -> None:
    try:
        hub.close()
    except subprocess.TimeoutExpired:  # Traefik waits for its clients' last connections
        hub.kill9_proxy()
        hub.close()
