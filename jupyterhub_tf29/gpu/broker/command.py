"""`tf29hub broker`: the broker as a process, until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import logging
import os
import signal
from pathlib import Path
from typing import IO

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket

from ...cli import CommandError
from ...secretfiles import ensure_secrets, read_secret
from ...settings import Paths, Settings, load_settings
from ..devices import Inventory
from ..nvml.reader import NvmlReader
from ..nvml.wire import Reading
from .api import MOST_BODY, application
from .book import Book
from .docker_side import DockerSide
from .hub_side import HubSide
from .loop import Loop, Reader
from .metrics import Metrics
from .rules import rules
from .store import Store, StoreProblem

LONGEST_PATH = 107
"""Bytes in the path of a Unix socket, by Linux."""

log = logging.getLogger("tf29hub.broker")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "It takes no arguments: what it goes by stands in hub.yaml, under `gpu`."


def run(args: argparse.Namespace) -> int:
    """Raises CommandError where it cannot start."""
    logging.basicConfig(level=logging.INFO, format="[%(levelname)s %(asctime)s %(name)s] %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    os.umask(0o077)
    paths = Paths.from_environment()
    settings = load_settings(paths.config)
    if len(os.fsencode(paths.broker_socket)) > LONGEST_PATH:
        raise CommandError(
            f"{paths.broker_socket}: too long for a Unix socket, which may have {LONGEST_PATH} bytes"
        )
    ensure_secrets(paths)
    with _alone(paths):
        try:
            store = Store(paths.broker_store)
        except StoreProblem as error:
            raise CommandError(str(error)) from error
        asyncio.run(_serve(settings, paths, store))
    return 0


async def _serve(settings: Settings, paths: Paths, store: Store) -> None:
    book = Book(store, rules(settings))
    metrics = Metrics(book)
    engine = DockerSide(settings.name)
    url = f"http://{settings.network.gateway}:{settings.ports.hub}/hub/api"
    hub = HubSide(url, read_secret(paths, "broker-token"))
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    reader: Reader = _NoGpus() if settings.gpu.managed is False else NvmlReader()
    loop = Loop(book, reader, engine, hub, settings.gpu.sample_every, expected=settings.gpu.managed is True)
    server = HTTPServer(application(book, loop, metrics), max_body_size=MOST_BODY)
    server.add_socket(bind_unix_socket(str(paths.broker_socket), mode=0o600))
    log.info("The broker listens on %s", paths.broker_socket)
    working = asyncio.get_running_loop().create_task(loop.run())
    try:
        await stopped.wait()
    finally:
        working.cancel()
        server.stop()
        loop.minutes.flush()
        engine.close()
        await reader.close()
        await hub.close()
        store.close()
        # the socket's file stays: the next broker replaces it, and whoever asks meanwhile is refused at once
        log.info("The broker has stopped; what is held stays held")


class _NoGpus:
    """Instead of NVML where hub.yaml says `managed: false`."""

    async def inventory(self) -> Inventory:
        return Inventory(problem="hub.yaml says gpu.managed: false")

    async def reading(self) -> Reading:
        return Reading()

    async def close(self) -> None:
        return None


def _alone(paths: Paths) -> IO[str]:
    """Hold the lock of this installation's broker. Raises CommandError where another one has it."""
    path: Path = paths.state / "broker.lock"
    file = path.open("a", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise CommandError(f"another broker of this installation runs already ({path} is locked)") from None
    return file
