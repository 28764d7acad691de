"""Workspaces with GPUs on a real engine, hub and broker, whose driver alone is not real (tests/gpulab).

Everybody gets their own, sees no other, waits in an honest line, and gives back whatever happens.
"""

from __future__ import annotations

import contextlib
import html
import re
import signal

import pytest

from tests.gpulab.engine import lose_devices
from tests.hubs.browser import words
from tests.hubs.gpuhub import GpuHub
from tests.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.hub]

GPU = {"profile": "gpu"}
IN_THE_LINE = "you have a place in the line"


@pytest.fixture(scope="module")
def shared_hub(gpu_engine, stub_image, tmp_path_factory):
    gpu_engine.lab.start(gpus=2)
    # the idle culler's, where one is started
    settings = {
        "idle": {"stop_after": "3s", "check_every": "1s"},
        "start": {"timeout": 12, "concurrent_boots": 1},
    }
    folder = tmp_path_factory.mktemp("gpuhub") / "hub"
    gpu = {"lease": {"notice": ["5s"]}}
    with contextlib.closing(GpuHub(folder, gpu_engine, stub_image, settings=settings, gpu=gpu)) as hub:
        hub.start()
        yield hub


@pytest.fixture
def hub(shared_hub):
    """Two GPUs, nobody on them; at the end all servers are stopped and nothing is held."""
    yield shared_hub
    for ticket in shared_hub.broker.get("/v1/tickets")["tickets"]:
        shared_hub.broker.delete(f"/v1/tickets/{ticket['id']}")
    for container in shared_hub.containers():
        shared_hub.api.stop(container.labels["tf29hub.user"], container.labels["tf29hub.server"])
    shared_hub.wait_free(2)


def wait_ready(hub, user, server="", timeout=40):
    wait_until(lambda: (hub.api.server(user, server) or {}).get("ready"), f"the server of {user} runs", timeout)


def ask_for_a_gpu(hub, user, options=GPU):
    """Press Start where all are taken; the answer must be the line."""
    answer = hub.api.ask_start(user, options=options)
    assert answer.status_code == 409, answer.text
    assert IN_THE_LINE in answer.json()["message"]
    return hub.ticket(user)


def test_two_users_get_different_gpus_and_see_only_their_own(hub):
    for user in ("ada", "bea"):
        hub.api.start(user, options=GPU)
    assert sorted(hub.held("ada") + hub.held("bea")) == sorted(hub.lab.uuids)
    for user in ("ada", "bea"):
        (mine,) = hub.held(user)
        assert hub.gpus_inside(user) == [mine]
        nodes = hub.inside(user, "python3", "-c", "import os; print(*os.listdir('/dev'))").split()
        assert [node for node in nodes if re.fullmatch(r"nvidia\d+", node)] == [f"nvidia{hub.lab.minor(mine)}"]
        labels = hub.container(user).labels
        assert labels["tf29hub.gpus"] == mine
        assert labels["tf29hub.claim"] == hub.claims(user)[0]["id"]
        assert float(labels["tf29hub.lease-end"]) == pytest.approx(hub.claims(user)[0]["lease_end"], abs=1)
        assert hub.claims(user)[0]["container_id"] == hub.container(user).id


def test_a_workspace_without_a_gpu_sees_none(hub):
    hub.api.start("cleo", options={"profile": "small"})
    nodes = hub.inside("cleo", "python3", "-c", "import os; print(*os.listdir('/dev'))").split()
    assert not [node for node in nodes if "nvidia" in node]
    assert hub.claims("cleo") == []
    assert "tf29hub.claim" not in hub.container("cleo").labels


def test_a_third_waits_sees_the_line_move_and_starts_when_one_stops(hub):
    for user in ("ada", "bea"):
        hub.api.start(user, options=GPU)
    with hub.browser("dora") as dora, hub.browser("emma") as emma:
        dora.menu()
        page = dora.start(GPU)
        assert page.status_code == 409
        assert "Error" not in words(page.text).replace("Error The error OK", "")
        assert "You are first in the line" in words(page.text)
        assert hub.api.server("dora")["pending"] is None, "no coroutine in the Hub waits"
        emma.menu()
        assert "You are second in the line" in words(emma.start(GPU).text)
        freed = hub.held("ada")
        hub.api.stop("ada")
        wait_ready(hub, "dora")
        assert hub.gpus_inside("dora") == hub.held("dora") == freed
        assert hub.ticket("dora") is None or hub.ticket("dora")["state"] == "offered"
        wait_until(lambda: "You are first in the line" in words(emma.menu().text), "the line has moved")
        hub.api.stop("dora")
        wait_ready(hub, "emma")


def test_the_menu_says_what_would_happen_before_start_is_pressed(hub):
    with hub.browser("fay") as fay, hub.browser("gus", language="zh-CN") as gus:
        assert "2 of 2 free, starts at once" in words(fay.menu().text)
        assert "For 1 hour. The server stops when its time is up" in words(fay.menu().text)
        for user in ("ada", "bea"):
            hub.api.start(user, options=GPU)
        said = words(fay.menu().text)
        assert "All taken: you would be first, in about" in said
        assert "(an estimate)" in said
        assert "已全部占用" in words(gus.menu().text)
        assert "No GPU" in said or "never" in said or "9" in said, "nine GPUs are more than there are"


def test_a_place_is_given_up_with_one_click_and_only_by_its_owner(hub):
    for user in ("ada", "bea"):
        hub.api.start(user, options=GPU)
    with hub.browser("hal") as hal, hub.browser("ida") as ida:
        hal.menu()
        hal.start(GPU)
        ticket = hub.ticket("hal")["id"]
        assert f'name="leave-line" value="{ticket}"' in hal.menu().text
        ida.menu()
        assert "gone already" in words(ida.start({"leave-line": ticket}).text)
        assert hub.ticket("hal") is not None
        page = hal.start({"leave-line": ticket, **GPU})
        assert page.status_code == 200
        assert "You have given up your place in the line." in words(page.text)
        assert hub.ticket("hal") is None
        assert "leave-line" not in hal.menu().text
        assert hub.containers("hal") == []


def test_a_shorter_lease_is_taken_with_one_click_and_starts_before_those_who_wait(hub):
    hub.api.start("ada", options=GPU)
    (first,) = hub.claims("ada")
    assert hub.api.ask_start("kai", options={"profile": "gpus", "count": "2"}).status_code == 409
    with hub.browser("lou") as lou:
        lou.menu()
        lou.start(GPU)  # the other GPU is free, but an hour of it would keep kai waiting
        ticket = hub.ticket("lou")["id"]
        page = wait_until(lambda: (page := lou.menu().text) * ("take-offer" in page), "the menu has an offer")
        assert f'name="take-offer" value="{ticket}"' in page
        assert "Your server starts in a moment." in words(lou.start({"take-offer": ticket, **GPU}).text)
    wait_ready(hub, "lou")
    (shorter,) = hub.claims("lou")
    assert shorter["lease_end"] <= first["lease_end"], "what kai waits for is not delayed"
    assert hub.gpus_inside("lou") == hub.held("lou")
    assert hub.ticket("kai")["place"] == 1


def test_a_user_who_is_deleted_waits_no_longer(hub):
    for user in ("ada", "bea"):
        hub.api.start(user, options=GPU)
    ask_for_a_gpu(hub, "ian")
    assert hub.api.call("DELETE", "/users/ian").status_code == 204
    assert hub.ticket("ian") is None


def test_while_it_waits_its_user_works_beside_it_without_a_gpu(hub):
    for user in ("ada", "bea"):
        hub.api.start(user, options=GPU)
    with hub.browser("jan") as jan:
        jan.menu()
        page = jan.start(GPU).text
        (beside,) = set(re.findall(r'href="(/hub/spawn/jan/[^"]+)"', html.unescape(page)))
        assert "Without a GPU" in words(jan.get(beside).text)
    hub.api.start("jan", "cpu", options={"profile": "small", "home": "shared"})
    hub.api.stop("ada")
    wait_ready(hub, "jan")
    assert hub.gpus_inside("jan") == hub.held("jan")
    assert hub.answers("jan", "cpu")


def test_whoever_uses_the_waiting_server_itself_is_told_when_the_turn_comes(hub):
    for user in ("ada", "bea"):
        hub.api.start(user, options=GPU)
    ask_for_a_gpu(hub, "kim")
    hub.api.start("kim", options={"profile": "small"})
    hub.api.stop("ada")
    wait_until(lambda: "ticket-held" in told_in_lab(hub, "kim"), "kim is told in Lab", 30)
    assert hub.answers("kim"), "nobody stops what runs"
    hub.api.stop("kim")
    hub.api.start("kim", options=GPU)
    assert hub.gpus_inside("kim") == hub.held("kim") != []


@pytest.mark.parametrize("profile", ["gpu-exits", "gpu-silent"])
def test_a_start_that_fails_gives_its_gpu_back(hub, profile):
    answer = hub.api.ask_start("lea", options={"profile": profile})
    assert answer.status_code in (201, 202, 500), answer.text  # a start that goes on after ten seconds may say 201
    hub.api.wait_stopped("lea", timeout=60)
    hub.wait_free(2)
    assert hub.containers("lea") == []


@pytest.mark.parametrize("moment", ["asking", "creating", "booting"])
def test_a_cancelled_start_gives_its_gpu_back(hub, moment):
    asked = hub.api.ask_start_behind("mia", options={"profile": "gpu-silent"})
    if moment != "asking":
        wait_until(lambda: hub.claims("mia"), "it has a claim")
    if moment == "booting":
        wait_until(lambda: [one for one in hub.containers("mia") if one.status == "running"], "it boots")
    hub.api.wait_pending("mia")
    hub.api.stop("mia")
    asked.result(timeout=60)
    hub.wait_free(2)
    assert hub.containers("mia") == []
    hub.api.start("mia", options=GPU)
    assert len(hub.gpus_inside("mia")) == 1


def test_a_claim_that_was_lost_while_its_start_waited_fails_it_cleanly(hub):
    hub.api.ask_start_behind("fin", options={"profile": "silent"})
    wait_until(lambda: [one for one in hub.containers("fin") if one.status == "running"], "fin has the boot slot")
    hub.api.ask_start_behind("eve", options=GPU)
    (claim,) = wait_until(lambda: hub.claims("eve"), "eve has a claim and waits for a boot slot")
    hub.broker.delete(f"/v1/claims/{claim['id']}", reason="a test")
    wait_until(lambda: hub.claims("eve") == [], "it is lost: a start that came before would have it again")
    hub.api.stop("fin")
    hub.api.wait_stopped("eve")
    assert "was given to somebody else" in hub.api.progress("eve")[-1]["message"]
    assert hub.containers("eve") == []
    hub.api.start("eve", options=GPU)
    assert hub.gpus_inside("eve") == hub.held("eve")


def test_a_server_that_dies_by_itself_gives_its_gpu_back(hub):
    hub.api.start("nat", options=GPU)
    hub.container("nat").kill()
    hub.api.wait_stopped("nat")
    hub.wait_free(2)


def test_a_gpu_is_not_free_while_something_of_its_container_is_left_on_it(hub):
    hub.api.start("ole", options=GPU)
    (uuid,) = hub.held("ole")
    pid = hub.lab.train(hub.container("ole").id, uuid)
    hub.lab.process(uuid, pid, 4000, ghost=True)
    hub.api.stop("ole")
    wait_until(lambda: hub._states()[uuid] == "draining", "the broker waits for the process")
    hub.lab.end_process(pid)
    hub.wait_free(2)


def test_more_gpus_than_there_are_is_refused_with_the_reason(hub):
    answer = hub.api.ask_start("pam", options={"profile": "gpus", "count": "9"})
    assert answer.status_code == 409
    assert IN_THE_LINE not in answer.json()["message"]
    assert hub.ticket("pam") is None
    with hub.browser("pam") as pam:
        assert answer.json()["message"] in words(pam.menu().text)


def test_a_share_leaves_room_for_others_on_the_same_gpu(hub):
    for user in ("quin", "rosa"):
        hub.api.start(user, options={"profile": "share"})
    assert hub.held("quin") == hub.held("rosa")
    assert hub.container("quin").labels["tf29hub.gpu-mib"] == "4096"
    environment = hub.inside("quin", "python3", "-c", "import os; print(dict(os.environ))")
    assert "4096" in environment
    hub.api.start("sam", options=GPU)
    assert hub.held("sam") != hub.held("quin")


def test_the_hub_is_killed_while_one_waits_and_one_holds(hub):
    for user in ("ada", "bea"):
        hub.api.start(user, options=GPU)
    place = ask_for_a_gpu(hub, "tom")
    held = hub.held("ada")
    hub.kill9_hub()
    assert hub.ticket("tom")["id"] == place["id"]
    hub.start_hub()
    wait_ready(hub, "ada")
    assert hub.held("ada") == held
    hub.api.stop("ada")
    wait_ready(hub, "tom")
    assert hub.held("tom") == held


def test_the_hub_is_killed_in_the_middle_of_a_start(hub):
    hub.api.ask_start_behind("uma", options={"profile": "gpu-silent"})
    wait_until(lambda: [one for one in hub.containers("uma") if one.status == "running"], "it boots")
    hub.kill9_hub()
    hub.start_hub()
    assert hub.containers("uma") == []
    hub.wait_free(2, timeout=60)
    hub.api.start("uma", options=GPU)


def test_the_broker_is_killed_and_nobody_loses_anything(hub):
    for user in ("ada", "bea"):
        hub.api.start(user, options=GPU)
    place = ask_for_a_gpu(hub, "vera")
    held = {user: hub.held(user) for user in ("ada", "bea")}
    hub.kill9_broker()
    assert hub.answers("ada")
    refused = hub.api.ask_start("will", options=GPU)
    assert refused.status_code == 503
    assert "cannot be handed out right now" in refused.json()["message"]
    with hub.browser("will") as will:
        menu = will.menu()
        assert "How many are free is not known right now." in words(menu.text)
    hub.api.start("will", options={"profile": "small"})
    hub.api.stop("bea")
    hub.start_broker()
    assert hub.held("ada") == held["ada"]
    wait_ready(hub, "vera", timeout=60)
    assert hub.held("vera") == held["bea"]
    assert place["id"] not in [
        one["id"] for one in hub.broker.get("/v1/tickets")["tickets"] if one["state"] == "waiting"
    ]


def test_the_menu_is_as_fast_as_ever_when_the_broker_hangs(hub):
    with hub.browser("xena") as xena:
        xena.menu()
        assert hub._broker is not None
        hub._broker.send_signal(signal.SIGSTOP)
        try:
            menu = xena.menu()
        finally:
            hub._broker.send_signal(signal.SIGCONT)
    assert "How many are free is not known right now." in words(menu.text)


def told_in_lab(hub, user):
    """What the extension in that user's Lab reads."""
    return (hub.paths.notices / hub.container(user).name / "notices.json").read_text(encoding="utf-8")


def test_a_lost_device_is_told_in_lab(hub):
    hub.api.start("yan", options=GPU)
    lose_devices(hub.container("yan").id)
    wait_until(lambda: "lost-device" in told_in_lab(hub, "yan"), "yan is told in Lab", 30)


def test_the_end_of_a_lease_is_announced_in_lab_and_explained_on_the_menu(hub):
    hub.api.start("zoe", options={"profile": "gpu-short"})
    wait_until(lambda: "warn-lease" in told_in_lab(hub, "zoe"), "zoe is warned in Lab")
    hub.api.wait_stopped("zoe")
    hub.wait_free(2)
    with hub.browser("zoe", language="zh-CN") as zoe:
        menu = zoe.menu().text
    assert menu.count('<div class="alert alert-warning" role="status">') == 2, "the warning, and why it ended"
    assert "文件" in words(menu)


@contextlib.contextmanager
def culler(hub):
    """The idle culler beside the hub."""
    process = hub._run("culler")
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)


def test_the_idle_culler_spares_a_busy_gpu_and_nobody_else(hub):
    hub.api.start("abe", options=GPU)
    hub.api.start("cid", options={"profile": "small"})
    pid = hub.lab.train(hub.container("abe").id, hub.held("abe")[0])
    wait_until(lambda: hub.broker.get("/v1/busy", user="abe", server="")["busy"], "the broker sees it work")
    with culler(hub):
        hub.api.wait_stopped("cid", timeout=30)
        assert hub.answers("abe")
        hub.lab.end_process(pid)
        hub.kill9_broker()
        wait_until(lambda: "is unknown" in hub.culler_log(), "the culler has asked in vain")
        assert hub.answers("abe")
        hub.start_broker()
