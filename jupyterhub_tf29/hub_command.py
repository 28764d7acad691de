"""`tf29hub hub`: look at everything that can be looked at before, clear leftovers, then become JupyterHub."""

from __future__ import annotations

import argparse
import logging
import os
import time
import traceback
from pathlib import Path
from typing import Any

import docker
from traitlets import TraitError
from traitlets.config.loader import PyFileConfigLoader

from .cli import CommandError
from .leftovers import remove_leftovers, running_containers
from .secretfiles import ensure_secrets, read_secret
from .settings import Paths, Settings, load_settings
from .yamlfile import ConfigError

ENGINE_WITHIN = 60.0
"""Seconds to wait for the engine, which after a reboot may come up later than this."""

log = logging.getLogger("tf29hub")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `tf29hub hub`."""
    parser.add_argument("--check-config", action="store_true", help="look at the configuration and stop there")
    parser.add_argument("jupyterhub_args", nargs="*", help="handed on to jupyterhub, after --")


def run(args: argparse.Namespace) -> int:
    """Raises CommandError where the Hub could not start; else it comes back when the Hub has ended."""
    logging.basicConfig(level=logging.INFO, format="[%(levelname)s %(asctime)s %(name)s] %(message)s")
    paths = Paths.from_environment()
    config_file = paths.config / "jupyterhub_config.py"
    settings = load_settings(paths.config)
    config = read_config(config_file)
    check_spawner(config)
    if args.check_config:
        print(f"The configuration in {paths.config} is fine.")
        return 0
    ensure_secrets(paths)
    os.chdir(paths.state)
    client = engine_that_answers()
    check_network(client, settings)
    remove_leftovers(client, settings.name, running_containers(config.JupyterHub.db_url), log)
    client.close()
    os.environ["JUPYTERHUB_CRYPT_KEY"] = read_secret(paths, "crypt-key")
    _become_jupyterhub(["-f", str(config_file), *args.jupyterhub_args])
    return 0


def _become_jupyterhub(arguments: list[str]) -> None:
    """In this process, which has imported half of it for the checks: a program of its own would do that again."""
    from jupyterhub.app import JupyterHub

    # as JupyterHub finds it in a program of its own
    logging.basicConfig(level=logging.WARNING, handlers=[], force=True)
    JupyterHub.launch_instance(arguments)


def read_config(config_file: Path) -> Any:
    """The configuration as JupyterHub will see it. Raises CommandError; ConfigError where a YAML file is wrong."""
    if not config_file.exists():
        raise CommandError(f"{config_file}: there is no such file")
    try:
        return PyFileConfigLoader(config_file.name, str(config_file.parent)).load_config()
    except (ConfigError, CommandError):
        raise
    except Exception as error:
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename == str(config_file)
        ]
        where = f"{config_file}:{lines[-1]}" if lines else str(config_file)
        raise CommandError(f"{where}: {type(error).__name__}: {error}") from error


def check_spawner(config: Any) -> None:
    """Make a spawner of the configuration, so that what it refuses is said now and not to the first user."""
    from .spawner.tf29 import TF29Spawner

    try:
        TF29Spawner(config=config)
    except TraitError as error:
        raise CommandError(f"the spawner's configuration is not allowed: {error}") from error


def check_network(client: Any, settings: Settings) -> None:
    """The Hub listens on the users' network: without it, it would try for long to get an address in vain."""
    try:
        found = client.inspect_network(settings.name)
    except docker.errors.NotFound:
        raise CommandError(f"there is no Docker network {settings.name!r}; deploy/up makes it") from None
    subnets = [pool.get("Subnet") for pool in found["IPAM"].get("Config") or []]
    if settings.network.subnet not in subnets:
        raise CommandError(
            f"the Docker network {settings.name!r} is {', '.join(map(str, subnets)) or 'without a subnet'}, and "
            f"hub.yaml says network.subnet: {settings.network.subnet}; deploy/up makes it anew"
        )


def engine_that_answers() -> Any:
    """A client of the Docker Engine. Raises CommandError with the cause when none answers in time."""
    deadline = time.monotonic() + ENGINE_WITHIN
    while True:
        try:
            client = docker.APIClient(version="auto", **docker.utils.kwargs_from_env())
            client.ping()
            return client
        except (docker.errors.DockerException, OSError) as error:
            text = str(error)
            if "Permission denied" in text:
                raise CommandError(
                    "no permission on the Docker Engine's socket: the account that runs the hub has to be in the "
                    f"group `docker` ({text})"
                ) from error
            if time.monotonic() > deadline:
                raise CommandError(f"the Docker Engine does not answer: is it running? ({text})") from error
            log.info("Waiting for the Docker Engine …")
            time.sleep(2)
