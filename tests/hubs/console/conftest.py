"""One hub with the console beside it, for all tests of this folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import docker
import pytest

from tests.console_broker import BrokerStandIn, broker_stand_in
from tests.hubs.console.person import METRICS_TOKEN, Person, new_name
from tests.hubs.running import RunningHub

PROMETHEUS = f"""
c.JupyterHub.services.append({{"name": "prometheus", "api_token": "{METRICS_TOKEN}"}})
c.JupyterHub.load_roles.append({{"name": "prometheus", "services": ["prometheus"], "scopes": ["read:metrics"]}})
"""


@pytest.fixture(scope="session")
def hub(
    engine: docker.DockerClient, stub_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHub]:
    folder = tmp_path_factory.mktemp("hub") / "console"
    settings = {"gpu": {"managed": "auto"}}
    with contextlib.closing(
        RunningHub(folder, engine, stub_image, settings=settings, extra=PROMETHEUS)
    ) as running:
        running.start()
        running.add_account("boss", admin=True)
        running.start_console()
        yield running
        log = (running.paths.logs / "console.log").read_text(encoding="utf-8")
    assert "Traceback" not in log
    assert "_xsrf=" not in log


@pytest.fixture
def broker(hub: RunningHub) -> Iterator[BrokerStandIn]:
    with broker_stand_in(hub.paths.broker_socket) as stand_in:
        yield stand_in


@pytest.fixture(scope="session")
def person(hub: RunningHub) -> Iterator[Person]:
    """A user who is signed in."""
    with hub.browser("wang") as browser:
        yield Person(hub, browser)


@pytest.fixture(scope="session")
def admin(hub: RunningHub) -> Iterator[Person]:
    with hub.browser("boss") as browser:
        yield Person(hub, browser)


@pytest.fixture
def visitor(hub: RunningHub) -> Iterator[Person]:
    """A user of one test alone, who may sign out."""
    with hub.browser(new_name()) as browser:
        yield Person(hub, browser)
