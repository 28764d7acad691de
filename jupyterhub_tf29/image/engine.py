"""The Docker Engine as the image's commands use it: a connection, a client that can build, and architectures."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException

IMAGE_LABEL = "tf29hub.image"
"""On every image of ours: `notebook`, or `base` for one that was made to build on."""
INSTALLATION_LABEL = "tf29hub.name"
"""Which installation made it: `name` of hub.yaml."""

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


class ImageError(Exception):
    """A sentence for the person at the terminal: what failed, and what to do about it."""


def connect(timeout_s: int = 60) -> Any:
    """A client of the Docker Engine that answers. Raises ImageError."""
    try:
        client = docker.from_env(timeout=timeout_s)
        client.ping()
    except DockerException as error:
        where = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        if "Permission denied" in str(error):
            raise ImageError(
                f"the Docker Engine's socket {where} is not open to this account; run this as root, "
                "or as a member of the group docker"
            ) from None
        raise ImageError(f"the Docker Engine does not answer at {where}; is it running? ({error})") from None
    return client


def architecture(client: Any) -> str:
    """The engine's machine in Docker's words: `amd64`, `arm64`."""
    machine = client.info().get("Architecture", "")
    return _ARCHITECTURES.get(machine, machine)


def check_architecture(client: Any, image: Any) -> None:
    """Raises ImageError where `image` (of docker-py) was built for another kind of machine."""
    ours, theirs = architecture(client), image.attrs.get("Architecture", "")
    if theirs != ours:
        raise ImageError(
            f"the image {image.short_id} was built for {theirs or 'an unknown architecture'}, and this machine "
            f"is {ours}; build it here (tf29hub image build), or pull it for {ours}"
        )


def building_client() -> str:
    """The path of a `docker` command whose `build` knows secrets (BuildKit). Raises ImageError.

    Clients since 23 need the plugin buildx for that, older ones have it built in; a machine may hold both kinds.
    """
    found = list(_docker_commands())
    for command in found:
        if _ask(command, "buildx", "version") or _client_version(command) < 23:
            return command
    if not found:
        raise ImageError("the command docker is missing; on Debian and Ubuntu: apt-get install docker.io")
    raise ImageError(
        f"{found[0]} cannot build with BuildKit: its plugin buildx is missing; "
        "on Debian and Ubuntu: apt-get install docker-buildx"
    )


def _docker_commands() -> Iterator[str]:
    seen = set()
    for folder in [*os.environ.get("PATH", "").split(os.pathsep), "/usr/bin", "/usr/local/bin"]:
        command = shutil.which("docker", path=folder)
        if command and (real := Path(command).resolve()) not in seen:
            seen.add(real)
            yield command


def _client_version(command: str) -> int:
    """The major version, or a very high number where it does not say."""
    major = _ask(command, "version", "--format", "{{.Client.Version}}").split(".")[0]
    return int(major) if major.isdigit() else 10**6


def _ask(command: str, *arguments: str) -> str:
    """What the client prints; empty where it fails."""
    try:
        done = subprocess.run([command, *arguments], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
