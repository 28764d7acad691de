"""The broker as a process, on a real engine, hub and the lab's driver: what cards, engine and users do to it."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import stat

import pytest

from tests.gpulab.engine import lose_devices
from tests.hubs.gpuhub import GpuHub
from tests.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.hub]

GPU, SHARE = {"profile": "gpu"}, {"profile": "share"}
QUICK = {
    "free_within": "4s",
    "hold": "12s",
    "lease": {"default": "1h", "shortest": "10s", "protected": "0s"},
    "idle": {"warn": "11s", "take_back_waited": "14s", "take_back": "1h", "notice": "1s"},
    "share": {"grace": "3s"},
}
"""A policy in which minutes are seconds."""


@pytest.fixture(scope="module")
def shared_hub(gpu_engine, stub_image, tmp_path_factory):
    gpu_engine.lab.start(gpus=2, driver="535.104.05-gpulab")
    folder = tmp_path_factory.mktemp("broker") / "hub"
    with contextlib.closing(GpuHub(folder, gpu_engine, stub_image, gpu=QUICK)) as hub:
        hub.start()
        yield hub


@pytest.fixture
def hub(shared_hub):
    """Two healthy GPUs, nobody on them, nobody in the line."""
    yield shared_hub
    shared_hub.lab.heal()
    for ticket in shared_hub.broker.get("/v1/tickets")["tickets"]:
        shared_hub.broker.delete(f"/v1/tickets/{ticket['id']}")
    for container in shared_hub.containers():
        shared_hub.api.stop(container.labels["tf29hub.user"], container.labels["tf29hub.server"])
    for uuid in shared_hub.lab.uuids:
        shared_hub.broker.post(f"/v1/devices/{uuid}/return")
    shared_hub.wait_free(2)


def kinds(hub: GpuHub, after: int = 0) -> list[str]:
    """The kinds of the events after that one, of those that are kept."""
    found = []
    with hub.broker._http.stream("GET", "/v1/events", params={"after": after}, timeout=3) as stream:
        for line in stream.iter_lines():
            if line.strip():
                found.append(json.loads(line)["kind"])
                if json.loads(line)["id"] >= hub.broker.get("/health")["last_event"]:
                    break
    return found


def state(hub: GpuHub, uuid: str) -> str:
    return hub._states()[uuid]


def reason(hub: GpuHub, uuid: str) -> str:
    (device,) = [one for one in hub.broker.get("/v1/devices")["devices"] if one["uuid"] == uuid]
    return (device["reason"] or {}).get("en", "")


def work(hub: GpuHub, user: str, mib: int = 4000) -> int:
    """A process of the user's container computes on its GPU."""
    (uuid,) = hub.held(user)
    pid = hub.lab.train(hub.container(user).id, uuid, mib=mib)
    wait_until(lambda: used(hub, uuid, user) == mib, "the broker has seen it")
    return pid


def used(hub: GpuHub, uuid: str, user: str) -> int:
    """MiB that this user's container holds on the card, as the broker saw it last."""
    (device,) = [one for one in hub.broker.get("/v1/devices")["devices"] if one["uuid"] == uuid]
    return sum(holder["used_mib"] or 0 for holder in device["holders"] if holder["user"] == user)


def wait_server(hub: GpuHub, user: str, timeout: float = 40) -> None:
    wait_until(lambda: (hub.api.server(user) or {}).get("ready"), f"the server of {user} runs", timeout)


def test_only_the_hubs_account_can_open_its_socket(hub):
    for name in ("broker.sock", "broker.sqlite", "broker.lock"):
        assert stat.S_IMODE((hub.paths.state / name).stat().st_mode) == 0o600, name


def test_a_second_broker_is_refused(hub):
    said = hub.run_command("broker")
    assert said.returncode == 1
    assert "another broker of this installation runs already" in said.stderr


def test_a_fault_of_a_card_is_told_and_nobody_else_gets_it(hub):
    hub.api.start("ada", options=GPU)
    (uuid,) = hub.held("ada")
    hub.lab.xid(uuid, 79)
    wait_until(lambda: state(hub, uuid) == "quarantined", "it is quarantined")
    assert "fallen off the bus" in reason(hub, uuid)
    assert hub.answers("ada"), "its user may save what they have"
    hub.api.stop("ada")
    hub.wait_free(1)
    hub.api.start("bea", options=GPU)
    assert hub.held("bea") != [uuid]
    assert hub.api.ask_start("cleo", options=GPU).status_code == 409
    said = hub.run_command("gpus", "return", uuid)
    assert said.returncode == 0, said.stderr
    wait_server(hub, "cleo")
    assert hub.held("cleo") == [uuid]


def test_a_stranger_on_a_card_keeps_it_from_being_given(hub):
    uuid = hub.lab.uuids[0]
    hub.lab.process(uuid, 1, 700)
    wait_until(lambda: state(hub, uuid) == "foreign", "the stranger is seen")
    assert "process 1 of the machine itself" in reason(hub, uuid)
    hub.api.start("dora", options=GPU)
    assert hub.held("dora") != [uuid]
    hub.lab.end_process(1)
    hub.wait_free(1)


def test_a_card_that_does_not_become_free_is_quarantined(hub):
    hub.api.start("emma", options=GPU)
    (uuid,) = hub.held("emma")
    pid = work(hub, "emma")
    hub.lab.process(uuid, pid, 4000, ghost=True)
    hub.api.stop("emma")
    wait_until(lambda: state(hub, uuid) == "quarantined", "the broker's patience has ended")
    assert "did not become free within 4 s" in reason(hub, uuid)
    assert hub.claims("emma") == []
    hub.lab.end_process(pid)


def test_memory_that_nobody_can_be_named_for_keeps_a_card(hub):
    hub.api.start("eve", options=GPU)
    (uuid,) = hub.held("eve")
    hub.lab.set(uuid, base=3000)
    hub.api.stop("eve")
    wait_until(lambda: state(hub, uuid) == "quarantined", "the broker's patience has ended")
    assert "in use by no process" in reason(hub, uuid)
    hub.lab.set(uuid, base=0)


def test_a_card_that_hangs_stops_nobody_else(hub):
    first, second = hub.lab.uuids
    hub.lab.hang(first)
    wait_until(lambda: state(hub, first) != "free", "the card that hangs is noticed", 60)
    assert hub.broker.get("/health")["ready"]
    hub.api.start("fay", options=GPU)
    assert hub.held("fay") == [second]
    hub.lab.heal()
    # a card that hung is left alone for a minute; a new broker asks at once
    hub.kill9_broker()
    hub.start_broker()


def test_more_than_its_share_is_warned_and_then_stopped(hub):
    for user in ("gus", "hal"):
        hub.api.start(user, options=SHARE)
    work(hub, "gus", mib=4000)
    work(hub, "hal", mib=6000)
    hub.api.wait_stopped("hal", timeout=40)
    assert hub.answers("gus"), "who keeps to their share stays"
    heard = kinds(hub)
    assert heard.index("warn-share") < len(heard) - 1 - heard[::-1].index("ending")


def test_an_idle_gpu_goes_to_who_waits_and_a_busy_one_does_not(hub):
    for user in ("ida", "jan"):
        hub.api.start(user, options=GPU)
    work(hub, "ida")
    assert hub.broker.get("/v1/busy", user="jan", server="")["busy"] is not False, (
        "a few samples prove no idleness"
    )
    answer = hub.api.ask_start("kim", options=GPU)
    assert answer.status_code == 409, answer.text
    wait_server(hub, "kim", timeout=60)
    assert hub.answers("ida")
    assert hub.broker.get("/v1/busy", user="ida", server="")["busy"] is True
    assert not (hub.api.server("jan") or {}).get("ready")


def test_whoever_does_not_come_at_their_turn_is_passed_by(hub):
    for user in ("lea", "mia"):
        hub.api.start(user, options=GPU)
        work(hub, user)
    for user in ("nat", "ole"):
        assert hub.api.ask_start(user, options=GPU).status_code == 409
    hub.api.stop("lea")
    wait_server(hub, "nat")
    assert hub.ticket("nat")["state"] == "offered"
    wait_server(hub, "ole", timeout=180)
    assert hub.ticket("nat") is None
    assert "ticket-expired" in kinds(hub)
    with hub.browser("ole") as ole:  # comes: passing through the Hub is a sign of life
        wait_until(lambda: ole.menu() and hub.ticket("ole") is None, "it is seen that ole has come", 30, every=1)


def test_devices_lost_in_a_container_are_noticed(hub):
    hub.api.start("pam", options=GPU)
    lose_devices(hub.container("pam").id)
    wait_until(lambda: hub.claims("pam")[0]["lost"] == hub.held("pam"), "the loss is noticed", 20)
    assert "lost-device" in kinds(hub)


def test_dockerd_is_restarted_and_everybody_keeps_what_they_have(hub, gpu_engine):
    hub.api.start("quin", options=GPU)
    before = hub.claims("quin")
    gpu_engine.kill9()
    wait_until(lambda: hub.broker.get("/health")["engine_problem"], "the broker has noticed", 60)
    assert [claim["id"] for claim in hub.claims("quin")] == [before[0]["id"]]
    gpu_engine.start()
    wait_until(lambda: not hub.broker.get("/health")["engine_problem"], "the engine answers again", 60)
    assert hub.claims("quin") == before
    assert hub.answers("quin")
    hub.api.start("rosa", options=GPU)
    assert hub.held("rosa") != hub.held("quin")


def test_killed_and_started_again_it_knows_what_it_knew(hub):
    hub.api.start("sam", options=GPU)
    work(hub, "sam")
    claims, usage = hub.claims(), hub.broker.get("/v1/usage", user="sam")["usage"][0]["gpu_seconds"]
    hub.kill9_broker()
    hub.start_broker()
    assert hub.claims() == claims
    assert hub.broker.get("/v1/usage", user="sam")["usage"][0]["gpu_seconds"] >= usage


def test_without_its_store_it_finds_what_runs_by_the_labels(hub):
    for user in ("tom", "uma"):
        hub.api.start(user, options=GPU)
    held = {user: hub.held(user) for user in ("tom", "uma")}
    hub.kill9_broker()
    for file in hub.paths.state.glob("broker.sqlite*"):
        file.unlink()
    hub.start_broker()
    assert {user: hub.held(user) for user in ("tom", "uma")} == held
    assert "adopted" in kinds(hub, after=1_000_000), "who knew the other book's events is told all of this one's"
    assert hub.api.ask_start("vera", options=GPU).status_code == 409


def test_the_commands_show_what_is(hub):
    hub.api.start("will", options=GPU)
    hub.api.start("xena", options=GPU)
    hub.api.ask_start("yan", options=GPU)
    gpus = hub.run_command("gpus")
    assert gpus.stdout.startswith("These GPUs are not real")
    assert "will" in gpus.stdout
    assert "0/40960 MiB" in gpus.stdout
    shown = json.loads(hub.run_command("gpus", "--json").stdout)
    assert [one["uuid"] for one in shown["devices"]] == hub.lab.uuids
    assert shown["real"] is False
    queue = hub.run_command("queue").stdout.splitlines()
    assert queue[1].split()[:2] == ["1", "yan"]
    ticket = hub.ticket("yan")["id"]
    assert json.loads(hub.run_command("queue", "explain", ticket[:6]).stdout)["place"] == 1
    extended = hub.run_command("gpus", "extend", hub.claims("will")[0]["id"], "1h")
    assert extended.returncode == 1, "yan waits for it"
    assert "waits" in extended.stderr
    assert hub.run_command("queue", "cancel", ticket).stdout == "yan waits no more.\n"
    assert hub.run_command("queue").stdout == "Nobody waits for GPUs.\n"
    rows = list(csv.DictReader(io.StringIO(hub.run_command("usage", "--csv").stdout)))
    assert {"will", "xena"} <= {row["user"] for row in rows}
    assert hub.run_command("gpus", "end", hub.claims("will")[0]["id"], "--reason", "a test").returncode == 0
    hub.api.wait_stopped("will")


def test_its_metrics_have_bounded_labels(hub):
    hub.api.start("zoe", options=GPU)
    text = hub.broker._http.get("/metrics").text
    assert 'tf29hub_gpu_devices{state="allocated"} 1.0' in text
    assert 'tf29hub_gpu_seconds_total{user="zoe"}' in text
    assert "tf29hub_gpu_wait_seconds_bucket" in text


def test_while_it_is_away_commands_say_so(hub):
    hub.kill9_broker()
    try:
        said = hub.run_command("gpus")
        assert said.returncode == 1
        assert "does not answer" in said.stderr
    finally:
        hub.start_broker()
