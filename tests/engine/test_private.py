"""The private engine can be killed, and the machine's own engine does not notice."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import requests

from tests.engine.private import PrivateEngine
from tests.engine.relay import Relay
from tests.ours import NAME_LABEL
from tests.waiting import wait_until

pytestmark = pytest.mark.docker


@pytest.mark.parametrize(("live_restore", "after"), [(True, "running"), (False, "exited")])
def test_a_killed_dockerd_keeps_its_containers_only_with_live_restore(
    engine, stub_image, made, tmp_path: Path, live_restore: bool, after: str
):
    ours = engine.networks.create(f"{made}-bystander", labels={NAME_LABEL: made})
    before = {ours.id, engine.networks.get("bridge").id}
    with contextlib.closing(PrivateEngine(tmp_path / "engine", live_restore=live_restore)) as private:
        private.start()
        private.copy_image(engine, stub_image)
        with contextlib.closing(private.client()) as client:
            container = client.containers.run(stub_image, detach=True)
            container.reload()
            address = container.attrs["NetworkSettings"]["IPAddress"]
        with contextlib.closing(Relay(private.namespace_pid, address, 8888)) as relay:
            url = f"http://127.0.0.1:{relay.port}/"
            wait_until(lambda: _answers(url), "the container answers through the relay")
            private.kill9()
            assert not private.answers_now()
            assert _answers(url), "containers are children of their shims, not of dockerd"
            private.start()
            with contextlib.closing(private.client()) as client:
                assert client.containers.get(container.id).status == after
            assert _answers(url) == (after == "running")
    assert before <= {network.id for network in engine.networks.list()}
    assert engine.ping()
    ours.remove()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False
