"""Fixtures for every test: the machine's engine, names of our own, images, and (in tests/hubs) whole hubs.

Whatever a test makes on the engine carries the label `tf29hub.name=<made>`; what carries it is removed at
the end, and nothing else is touched.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import docker.errors
import pytest

from tests.stub.image import ensure_stub_image

if TYPE_CHECKING:
    from jupyterhub_tf29.image.pin import Pin

NAME_LABEL = "tf29hub.name"


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """The machine's own Docker Engine. Where none answers the test fails; `tests/run` starts one."""
    client = docker.from_env(timeout=120)
    client.ping()
    yield client
    client.close()


@pytest.fixture(scope="session")
def made(engine: docker.DockerClient) -> Iterator[str]:
    """A name that is ours alone, for `settings.name` and the label `tf29hub.name`; its objects go at the
    end.
    """
    name = new_name()
    yield name
    remove_all(engine, name)


def new_name() -> str:
    """A legal `settings.name` that nothing else on this machine has."""
    return f"tf29t{secrets.token_hex(4)}"


def remove_all(engine: docker.DockerClient, name: str) -> None:
    """Remove the containers, networks and volumes that carry `tf29hub.name=<name>`."""
    ours = {"label": f"{NAME_LABEL}={name}"}
    for container in engine.containers.list(all=True, filters=ours, ignore_removed=True):
        with contextlib.suppress(docker.errors.NotFound):
            container.remove(force=True, v=True)
    for network in engine.networks.list(filters=ours):
        network.remove()
    for volume in engine.volumes.list(filters=ours):
        volume.remove(force=True)


@pytest.fixture(scope="session")
def stub_image(engine: docker.DockerClient) -> str:
    """The id of a tiny image that the hub takes for the notebook image; see tests/stub/server.py for its
    knobs.
    """
    return ensure_stub_image(engine)


@pytest.fixture(scope="session")
def notebook_pin() -> Pin:
    """The notebook image that `tests/run` built or found."""
    folder = os.environ.get("TF29HUB_TEST_IMAGE_STATE")
    if not folder:
        raise RuntimeError(
            "which notebook image? Run tests/run, or set TF29HUB_TEST_IMAGE_STATE to a state folder"
        )
    from jupyterhub_tf29.image.pin import read_pin

    return read_pin(Path(folder) / "image.json")


@pytest.fixture
def free_port() -> Callable[[], int]:
    """`free_port()` is a TCP port of 127.0.0.1 that nobody has now."""
    return find_free_port


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
