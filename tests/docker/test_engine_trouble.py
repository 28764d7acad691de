"""An engine that answers badly: errors and silence are "unknown", never "stopped"; cancelling leaves nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.engine.faults import FaultySocket
from tests.hubs.running import RunningHub
from tests.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.hub]


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultySocket]:
    with FaultySocket(tmp_path_factory.mktemp("faults") / "docker.sock") as socket:
        yield socket


@pytest.fixture(scope="module")
def shaky_hub(engine, stub_image, faults, tmp_path_factory) -> Iterator[RunningHub]:
    """A hub with one boot slot, four calls at once, and polls every two seconds, on the faulty socket."""
    hub = RunningHub(
        tmp_path_factory.mktemp("shaky") / "hub",
        engine,
        stub_image,
        docker_host=faults.url,
        settings={"start": {"concurrent_boots": 1, "docker_calls": 4, "timeout": 20, "queue_timeout": 40}},
        extra="c.Spawner.poll_interval = 2",
    )
    try:
        hub.start()
        yield hub
    finally:
        faults.heal()
        hub.close()


@pytest.fixture(autouse=True)
def healed(faults: FaultySocket) -> Iterator[None]:
    yield
    faults.heal()


def polls_seen(hub: RunningHub, name: str) -> int:
    return len(re.findall(rf"Whether server {name}\b.* is unknown", hub.log()))


@pytest.mark.parametrize("trouble", ["500", "refused", "cut"])
def test_trouble_while_polling_is_unknown_not_stopped(shaky_hub, faults, trouble):
    name = f"poll{trouble}"
    shaky_hub.api.start(name)
    container = shaky_hub.container(name)
    if trouble == "500":
        faults.fail("GET", r"^/containers/[0-9a-f]+/json", status=500)
    elif trouble == "cut":
        faults.cut("GET", r"^/containers/[0-9a-f]+/json")
    else:
        faults.refuse()
    wait_until(lambda: polls_seen(shaky_hub, name) >= 2, "the Hub has asked in vain twice")
    assert shaky_hub.api.server(name)["ready"]
    faults.heal()
    container.reload()
    assert container.status == "running"
    assert shaky_hub.answers(name)
    shaky_hub.api.stop(name)
    wait_until(lambda: shaky_hub.containers(name) == [], "stopped, now that the engine answers again")


def test_trouble_at_the_hubs_own_start_stops_nothing(shaky_hub, faults):
    shaky_hub.api.start("atboot")
    before = shaky_hub.container("atboot").id
    shaky_hub.kill9_hub()
    faults.fail("GET", r"^/containers/[0-9a-f]+/json", status=500)
    shaky_hub.start_hub()
    wait_until(lambda: polls_seen(shaky_hub, "atboot") >= 2, "the Hub has asked in vain twice")
    assert shaky_hub.api.server("atboot")["ready"]
    faults.heal()
    assert shaky_hub.container("atboot").id == before
    shaky_hub.api.stop("atboot")


def test_a_hub_that_comes_up_before_the_engine_waits_for_it(shaky_hub, faults):
    """After a reboot of the machine nobody knows which is first."""
    shaky_hub.api.start("early")
    before = shaky_hub.container("early").id
    shaky_hub.kill9_hub()
    faults.refuse()
    shaky_hub.launch_hub()
    wait_until(lambda: "Waiting for the Docker Engine" in shaky_hub.log(), "the Hub waits")
    faults.heal()
    shaky_hub.wait_for_hub()
    assert shaky_hub.api.server("early")["ready"]
    assert shaky_hub.container("early").id == before
    shaky_hub.api.stop("early")


def test_no_permission_on_the_engines_socket_is_said_at_once(shaky_hub, faults):
    shaky_hub.kill9_hub()
    faults.path.chmod(0)
    # root without the right to overlook modes is as good as an account without the group `docker`
    result = shaky_hub.run_command("hub", before=("setpriv", "--bounding-set", "-dac_override,-dac_read_search"))
    faults.path.chmod(0o666)
    shaky_hub.start_hub()
    assert result.returncode == 1
    assert "no permission on the Docker Engine's socket" in result.stderr
    assert "Traceback" not in result.stderr


def test_what_cannot_be_stopped_now_is_removed_later(shaky_hub, faults):
    shaky_hub.api.start("later")
    faults.fail("POST", r"^/containers/[0-9a-f]+/stop", status=500)
    faults.fail("DELETE", r"^/containers/", status=500)
    shaky_hub.api.call("DELETE", "/users/later/server")
    wait_until(lambda: "could not be stopped" in shaky_hub.log(), "the Hub knows that it failed")
    assert len(shaky_hub.containers("later")) == 1
    faults.heal()
    wait_until(lambda: shaky_hub.containers("later") == [], "it is removed as soon as the engine can", 60)
    shaky_hub.api.start("later")
    shaky_hub.api.stop("later")


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "^/containers/create"), ("POST", r"^/containers/[0-9a-f]+/start"), ("GET", "^/images/")],
)
@pytest.mark.parametrize("trouble", ["fail", "cut"])
def test_trouble_in_a_start_is_a_sentence_and_leaves_nothing(shaky_hub, faults, method, path, trouble):
    getattr(faults, trouble)(method, path)
    answer = shaky_hub.api.ask_start("grete")
    assert answer.status_code in (500, 503), answer.text
    message = answer.json()["message"]
    assert "Traceback" not in message
    assert "tell the admin" in message
    assert "grete" in shaky_hub.log()
    faults.heal()
    wait_until(lambda: shaky_hub.containers("grete") == [], "nothing is left", 60)
    shaky_hub.api.start("grete")  # the only boot slot is free
    shaky_hub.api.stop("grete")


def calls_of_a_start(hub: RunningHub, faults: FaultySocket) -> list[tuple[str, str]]:
    """Each kind of request that a start makes, in order, as a pattern; told by a start that went well."""
    before = len(faults.seen)
    hub.api.start("scout")
    calls = [
        (method, "^" + re.sub(r"[0-9a-f]{64}", "[0-9a-f]+", path.split("?")[0]).replace(".", r"\.") + r"(\?|$)")
        for method, path in faults.seen[before:]
        if not path.startswith("/events")
    ]
    hub.api.stop("scout")
    return list(dict.fromkeys(calls))


@pytest.mark.parametrize("after_engine", [False, True], ids=["before the engine acts", "after it has acted"])
def test_a_start_cancelled_at_any_call_leaves_no_container_and_no_slot(shaky_hub, faults, after_engine):
    calls = calls_of_a_start(shaky_hub, faults)
    kinds = {f"{method} {path}" for method, path in calls}
    assert any(kind.startswith("POST ^/containers/create") for kind in kinds), kinds
    assert any(re.match(r"POST .*/start", kind) for kind in kinds), kinds
    for number, (method, path) in enumerate(calls):
        name = f"cut{number}{'b' if after_engine else 'a'}"
        path = path.replace("scout", name)
        held = faults.hold(method, path, after_engine=after_engine, times=1)
        answer = shaky_hub.api.ask_start_behind(name, options={"profile": "small"})
        assert held.arrived.wait(20), f"{method} {path} did not come"
        cancelled = shaky_hub.api.call("DELETE", f"/users/{name}/server")
        assert cancelled.status_code in (202, 204), f"{method} {path}: {cancelled.text}"
        held.release()
        answer.result(30)
        wait_until(lambda name=name: shaky_hub.containers(name) == [], f"nothing is left of {name} ({path})")
        shaky_hub.api.wait_stopped(name)
    # had any of them kept the only boot slot, this would wait for it in vain; had it kept a name, be refused
    shaky_hub.api.start("cut0a", options={"profile": "small"})
    shaky_hub.api.stop("cut0a")


def test_a_start_cancelled_in_the_line_leaves_it(shaky_hub):
    blocking = shaky_hub.api.ask_start_behind("first", options={"profile": "silent"})
    wait_until(lambda: shaky_hub.containers("first"), "the only slot is taken")
    waiting = shaky_hub.api.ask_start_behind("second")
    shaky_hub.api.wait_pending("second")
    story = shaky_hub.api.progress_events("second")
    assert any("line" in next(story).get("message", "") for _ in range(2))
    shaky_hub.api.stop("second")
    assert waiting.result(30).status_code >= 400
    shaky_hub.api.stop("first")
    blocking.result(30)
    assert shaky_hub.containers() == []
    shaky_hub.api.start("third")
    shaky_hub.api.stop("third")


PULLERS = """
def choose_image(spawner):
    pulls = spawner.user.name.startswith("pull")
    spawner.image, spawner.pull_policy = ("tf29hub-test/absent:1", "always") if pulls else ("IMAGE", "skip")


c.TF29Spawner.use_pinned_image = False
c.TF29Spawner.pre_spawn_hook = choose_image
"""


def test_a_slow_pull_does_not_hold_up_others(make_hub, faults, stub_image):
    """Pulls have threads of their own; DockerSpawner has one thread for everything."""
    hub = make_hub(
        docker_host=faults.url,
        settings={"start": {"docker_calls": 2, "concurrent_boots": 8}},
        extra=PULLERS.replace("IMAGE", stub_image),
    )
    held = faults.hold("POST", "^/images/create")
    pulls = [hub.api.ask_start_behind(f"pull{number}") for number in range(4)]
    assert held.arrived.wait(20)
    hub.api.start("other", timeout=20)
    assert hub.answers("other")
    assert not any(pull.done() and pull.result().ok for pull in pulls)
    held.release()


def test_calls_to_the_engine_are_bounded(shaky_hub, faults):
    faults.most_calls_at_once = 0
    faults.delay("GET", r"^/containers/[0-9a-f]+/json", 0.3)
    answers = [shaky_hub.api.ask_start_behind(f"bound{number}") for number in range(8)]
    for answer in answers:
        assert answer.result(90).status_code in (201, 202)
    for number in range(8):
        wait_until(lambda number=number: shaky_hub.answers(f"bound{number}"), "the server answers", 60)
    # four workers, and the clients' own GET /version when they are made; this test's own calls go elsewhere
    assert 1 < faults.most_calls_at_once <= 5
    faults.heal()
    for number in range(8):
        shaky_hub.api.call("DELETE", f"/users/bound{number}/server")
    wait_until(lambda: shaky_hub.containers() == [], "all are stopped", 60)
