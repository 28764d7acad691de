"""`tf29hub console`: the process behind /services/gpus/. The supervisor runs it beside the Hub."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal

from jupyterhub.services.auth import HubOAuth
from tornado.httpserver import HTTPServer

from ..audit.trail import open_trail
from ..cli import CommandError
from ..gpu.client import BrokerClient
from ..secretfiles import read_secret
from ..settings import Paths, Settings, load_settings
from .application import make_application
from .feed import Feed
from .registration import ACCESS, ADDRESS, PREFIX, SERVICE

RECOGNISED_FOR_S = 15
"""What the Hub said of a token is believed for so long: who loses a right loses it here that much later."""

log = logging.getLogger("tf29hub.console")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "It takes no arguments: its port stands in hub.yaml, as ports.console."


def run(args: argparse.Namespace) -> int:
    """Serve until the supervisor says stop. Raises CommandError where the port is taken."""
    logging.basicConfig(level=logging.INFO, format="[%(levelname)s %(asctime)s %(name)s] %(message)s")
    # one line for each new XSRF cookie and each request of a plain-HTTP page is more than anybody reads
    logging.getLogger("tornado.application").setLevel(logging.ERROR)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    paths = Paths.from_environment()
    settings = load_settings(paths.config)
    open_trail(paths.audit, settings.name, settings.audit)
    asyncio.run(_serve(settings, paths))
    return 0


def hub_sign_in(settings: Settings, paths: Paths) -> HubOAuth:
    """How the Hub is asked who somebody is. Raises SecretError."""
    base_url = os.environ.get("JUPYTERHUB_BASE_URL", "/")
    return HubOAuth(
        api_url=f"http://{settings.network.gateway}:{settings.ports.hub}{base_url}hub/api",
        api_token=read_secret(paths, "console-token"),
        hub_prefix=f"{base_url}hub/",
        base_url=f"{base_url}{PREFIX.removeprefix('/')}",
        oauth_client_id=f"service-{SERVICE}",
        access_scopes={"access:services", ACCESS},
        cache_max_age=RECOGNISED_FOR_S,
    )


async def _serve(settings: Settings, paths: Paths) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    broker = BrokerClient(paths.broker_socket)
    feed = Feed(broker)
    application = make_application(
        settings, feed, hub_sign_in(settings, paths), read_secret(paths, "console-cookie")
    )
    server = HTTPServer(application, xheaders=True)
    try:
        server.listen(settings.ports.console, ADDRESS)
    except OSError as error:
        raise CommandError(
            f"{ADDRESS}:{settings.ports.console} cannot be used ({error}); ports.console in hub.yaml is another"
        ) from error
    running = asyncio.create_task(feed.run())
    log.info("The console answers on http://%s:%d%s", ADDRESS, settings.ports.console, PREFIX)
    await stop.wait()
    server.stop()
    feed.close()
    running.cancel()
    await server.close_all_connections()
    await broker.close()
