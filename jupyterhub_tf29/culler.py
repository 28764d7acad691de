"""Stops servers that nobody uses: `jupyterhub-idle-culler`, as a process beside the Hub.

It is not a service that the Hub starts: those die with the Hub, and stay behind after a `kill -9` of it.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

from jupyterhub_idle_culler import IdleCuller

from .arbiter import GpuArbiter
from .gpu.client import BrokerClient
from .profiles import load_profiles
from .secretfiles import read_secret
from .settings import Paths, Settings, load_settings
from .watchedfile import WatchedFile

SERVICE = "idle-culler"
SCOPES = ("list:users", "read:users:activity", "read:servers", "delete:servers")
"""The least that lets it see who is idle and stop their servers; it can start nothing and read no files."""

NEVER = 100 * 365 * 86400
"""Seconds. The culler has no word for "never", and its 0 would stop everybody's server at once."""


def culler_service(c: Any, settings: Settings, paths: Paths) -> None:
    """Make the culler known to the Hub, by its token and with SCOPES only. Raises SecretError."""
    c.JupyterHub.services.append({"name": SERVICE, "api_token": read_secret(paths, "culler-token")})
    c.JupyterHub.load_roles.append({"name": SERVICE, "services": [SERVICE], "scopes": list(SCOPES)})


def culler_arguments(settings: Settings) -> list[str]:
    """The culler's command line, without its program."""
    idle = settings.idle
    return [
        f"--url=http://{settings.network.gateway}:{settings.ports.hub}/hub/api",
        f"--timeout={idle.stop_after or NEVER}",
        f"--cull-every={max(1, idle.check_every)}",
        f"--max-age={idle.max_age}",
        # Otherwise it runs a file of this name in whatever folder it was started from.
        "--config=",
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "It takes no arguments: when servers are stopped stands in hub.yaml, under `idle`."


def make_culler(settings: Settings, paths: Paths) -> IdleCuller:
    """The culler as hub.yaml says; where GPUs may be handed out, the broker has a say. Raises ConfigError."""
    culler = IdleCuller()
    if settings.gpu.managed is not False:
        menu = WatchedFile(paths.config / "profiles.yaml", lambda path: load_profiles(path, settings.limits))
        culler.cull_arbiter_hook = GpuArbiter(BrokerClient(paths.broker_socket), menu.get)
    culler.initialize(culler_arguments(settings))
    return culler


def run(args: argparse.Namespace) -> int:
    """Be the idle culler, until it is stopped."""
    paths = Paths.from_environment()
    settings = load_settings(paths.config)
    # In the environment rather than on the command line, which everyone on the machine can read.
    os.environ["JUPYTERHUB_API_TOKEN"] = read_secret(paths, "culler-token")
    culler = make_culler(settings, paths)
    idle = settings.idle
    culler.log.info(
        "The culler looks every %d s; idle.stop_after: %d s, idle.max_age: %d s (0: never)",
        *(culler.cull_every, idle.stop_after, idle.max_age),
    )
    culler.start()
    return 0
