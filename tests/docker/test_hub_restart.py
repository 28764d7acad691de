"""The Hub can be killed and started again at any moment: what runs stays, what was half-made goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ours import NAME_LABEL
from tests.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.hub]


def two_thirds_of_memory() -> str:
    fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return f"{int(fields['MemTotal'].split()[0]) * 2 // 3 // 1024}M"


TWO_THIRDS = f"""
profiles:
  - slug: huge
    display_name: Two thirds of this machine
    override: {{mem_limit: {two_thirds_of_memory()}, mem_guarantee: {two_thirds_of_memory()}}}
"""


def test_running_servers_outlive_a_killed_hub_and_are_found_again(make_hub):
    hub = make_hub()
    hub.api.start("anna")
    hub.api.start("anna", "second")
    before = {container.id: container.attrs["State"]["StartedAt"] for container in hub.containers()}
    hub.kill9_hub()
    assert hub.answers("anna"), "the proxy needs no Hub"
    assert hub.answers("anna", "second")
    hub.start_hub()
    wait_until(lambda: (hub.api.server("anna") or {}).get("ready"), "the Hub has found the server")
    assert (hub.api.server("anna", "second") or {}).get("ready")
    assert {container.id: container.attrs["State"]["StartedAt"] for container in hub.containers()} == before
    assert hub.answers("anna")
    for server in ("", "second"):
        hub.api.stop("anna", server)
    assert hub.containers() == []


def test_a_hub_that_is_stopped_in_order_leaves_the_servers_too(make_hub):
    hub = make_hub()
    hub.api.start("bert")
    before = hub.container("bert").id
    hub.stop_hub()
    hub.start_hub()
    wait_until(lambda: (hub.api.server("bert") or {}).get("ready"), "the Hub has found the server")
    assert hub.container("bert").id == before


def test_a_container_half_made_when_the_hub_was_killed_goes(make_hub):
    hub = make_hub()
    hub.api.start("carl")
    kept = hub.container("carl").id
    hub.api.ask_start_behind("dave", options={"profile": "silent"})  # nobody hears the answer
    wait_until(lambda: [one for one in hub.containers("dave") if one.status == "running"], "it boots")
    hub.kill9_hub()
    assert len(hub.containers("dave")) == 1, "it is still there: nobody could clear it away"
    bystander = hub.engine.containers.create(
        hub.container("carl").attrs["Image"], name=f"{hub.name}-x", labels={NAME_LABEL: hub.name}
    )
    hub.start_hub()
    assert hub.containers("dave") == []
    assert [one.id for one in hub.containers("carl")] == [kept]
    assert bystander.id in [one.id for one in hub.containers()], "without a user's label it is not a server"
    assert "half-made" in hub.log()
    hub.api.start("dave", options={"profile": "small"})


def test_a_server_that_died_while_the_hub_was_down_is_cleared_away(make_hub):
    hub = make_hub()
    hub.api.start("emil")
    hub.kill9_hub()
    hub.container("emil").kill()
    hub.start_hub()
    hub.api.wait_stopped("emil")
    wait_until(lambda: hub.containers("emil") == [], "its container is gone")
    hub.api.start("emil")


def test_memory_of_servers_found_again_stays_promised(make_hub):
    """Otherwise a restart of the Hub would let in twice as many servers as the machine can hold."""
    hub = make_hub(profiles=TWO_THIRDS, settings={"limits": {"max_memory": "1T"}})
    hub.api.start("fred")
    for _ in range(2):
        answer = hub.api.ask_start("gert")
        assert answer.status_code == 503, answer.text
        assert "not enough memory" in answer.json()["message"]
        assert hub.containers("gert") == []
        hub.kill9_hub()
        hub.start_hub()
        wait_until(lambda: (hub.api.server("fred") or {}).get("ready"), "the Hub has found the server")
    hub.api.stop("fred")
    hub.api.start("gert")
