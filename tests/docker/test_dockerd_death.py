"""dockerd is killed and started again, under a real hub: on a private engine, which nobody else uses."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.engine.private import PrivateEngine
from tests.hubs.browser import words
from tests.hubs.running import RunningHub
from tests.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.hub]

HubOn = Callable[[PrivateEngine], RunningHub]


@pytest.fixture
def private_engine(engine, stub_image, tmp_path: Path) -> Iterator[Callable[[bool], PrivateEngine]]:
    """`private_engine(live_restore)`: started, with the stub image."""
    with contextlib.ExitStack() as stack:

        def make(live_restore: bool) -> PrivateEngine:
            private = PrivateEngine(tmp_path / "engine", live_restore=live_restore)
            stack.callback(private.close)
            private.start()
            private.copy_image(engine, stub_image)
            return private

        yield make


@pytest.fixture
def hub_on(stub_image, tmp_path: Path) -> Iterator[HubOn]:
    """`hub_on(private)`: a hub in that engine's network, polling every two seconds."""
    with contextlib.ExitStack() as stack:

        def make(private: PrivateEngine) -> RunningHub:
            client = stack.enter_context(contextlib.closing(private.client()))
            hub = RunningHub(
                tmp_path / "hub", client, stub_image, private=private, extra="c.Spawner.poll_interval = 2"
            )
            stack.callback(hub.close)
            hub.start()
            return hub

        yield make


def test_with_live_restore_a_killed_dockerd_costs_nobody_their_server(private_engine, hub_on):
    private = private_engine(True)
    hub = hub_on(private)
    hub.api.start("ada")
    before = hub.container("ada")
    private.kill9()
    assert hub.answers("ada")
    wait_until(lambda: hub.log().count("is unknown") >= 2, "the Hub has asked in vain twice")
    assert hub.api.server("ada")["ready"]
    refused = hub.api.ask_start("bea")
    assert refused.status_code == 503, refused.text
    assert "does not answer" in refused.json()["message"]
    private.start()
    after = hub.container("ada")
    assert (after.id, after.status) == (before.id, "running")
    assert after.attrs["State"]["StartedAt"] == before.attrs["State"]["StartedAt"]
    assert hub.answers("ada")
    hub.api.start("bea")
    # the engine's events are heard again, too: a death is noticed at once, not at the next poll alone
    after.kill()
    hub.api.wait_stopped("ada", timeout=15)
    hub.api.stop("bea")
    assert hub.containers() == []


def test_hub_and_dockerd_killed_together_with_live_restore(private_engine, hub_on):
    private = private_engine(True)
    hub = hub_on(private)
    hub.api.start("cleo")
    before = hub.container("cleo").id
    private.kill9()
    hub.kill9_hub()
    assert hub.answers("cleo")
    private.start()
    hub.start_hub()
    wait_until(lambda: (hub.api.server("cleo") or {}).get("ready"), "the Hub has found the server")
    assert hub.container("cleo").id == before


def test_without_live_restore_its_end_is_noticed_told_and_the_next_start_works(private_engine, hub_on):
    private = private_engine(False)
    hub = hub_on(private)
    with hub.browser("dora") as browser:
        hub.api.start("dora")
        private.kill9()
        with contextlib.suppress(requests.RequestException):
            hub.api.server("dora")
        private.start()
        hub.api.wait_stopped("dora", timeout=20)
        wait_until(lambda: hub.containers("dora") == [], "its container is gone")
        assert "stopped by itself" in words(browser.menu().text)
        hub.api.start("dora")
        assert hub.answers("dora")


def test_after_a_restart_of_the_machine_users_start_again_with_their_files(private_engine, hub_on):
    """Everything is gone but the disk: containers are dead, Hub and proxy start anew."""
    private = private_engine(False)
    hub = hub_on(private)
    hub.api.start("eva")
    hub.container("eva").exec_run(["python3", "-c", "open('/home/jovyan/note', 'w').write('kept')"])
    hub.kill9_hub()
    hub.kill9_proxy()
    private.kill9()
    private.start()
    hub.start()
    hub.api.wait_stopped("eva")
    hub.api.start("eva")
    read = hub.container("eva").exec_run(["python3", "-c", "print(open('/home/jovyan/note').read())"])
    assert read.output.decode().strip() == "kept"
    assert hub.answers("eva")
