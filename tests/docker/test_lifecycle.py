"""From the press on Start to the end, seen from outside: REST, pages, containers."""

from __future__ import annotations

import re

import pytest

from tests.docker.inside import run_python
from tests.hubs.browser import words
from tests.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.hub]


def test_a_server_starts_answers_and_leaves_nothing_but_its_volumes(stub_hub):
    stub_hub.api.start("ada")
    assert stub_hub.answers("ada")
    container = stub_hub.container("ada")
    volumes = {mount["Name"] for mount in container.attrs["Mounts"] if mount["Type"] == "volume"}
    stub_hub.api.stop("ada")
    assert stub_hub.containers("ada") == []
    assert not stub_hub.answers("ada")
    assert volumes <= {volume.name for volume in stub_hub.engine.volumes.list()}


def test_files_in_home_and_models_are_there_the_next_time(stub_hub):
    stub_hub.api.start("bea")
    write = "open('{0}/note', 'w').write('kept'); print(open('{0}/note').read())"
    for folder in ("/home/jovyan", "/models"):
        assert run_python(stub_hub.container("bea"), write.format(folder)) == "kept"
    stub_hub.api.stop("bea")
    stub_hub.api.start("bea")
    for folder in ("/home/jovyan", "/models"):
        assert run_python(stub_hub.container("bea"), f"print(open('{folder}/note').read())") == "kept"
    stub_hub.api.stop("bea")


def test_deleting_a_user_keeps_their_files(stub_hub):
    stub_hub.api.start("cleo")
    stub_hub.api.stop("cleo")
    kept = {"filters": {"label": [f"tf29hub.name={stub_hub.name}", "tf29hub.user=cleo"]}}
    before = {volume.name for volume in stub_hub.engine.volumes.list(**kept)}
    assert len(before) == 2, "a home and models"
    assert stub_hub.api.call("DELETE", "/users/cleo").status_code == 204
    assert {volume.name for volume in stub_hub.engine.volumes.list(**kept)} == before


def test_a_person_starts_a_server_with_the_form(stub_hub):
    with stub_hub.browser("dora") as browser:
        page = browser.menu()
        assert "Small" in words(page.text)
        assert "One GPU" not in words(page.text), "GPUs are not managed: their workspaces stay hidden"
        answer = browser.start({"profile": "small"})
        assert answer.status_code == 302, words(answer.text)
        wait_until(lambda: stub_hub.answers("dora"), "the server answers")
        assert "small" in str(stub_hub.api.server("dora")["user_options"])
    stub_hub.api.stop("dora")


def test_a_link_chooses_and_starts(stub_hub):
    with stub_hub.browser("dina") as browser:
        answer = browser.start_by_link({"opt-profile": "chosen", "opt-memory": "high"})
        assert answer.status_code == 302, words(answer.text)
        wait_until(lambda: stub_hub.answers("dina"), "the server answers")
    assert stub_hub.container("dina").attrs["HostConfig"]["Memory"] == 192 * 2**20
    stub_hub.api.stop("dina")


def test_a_start_tells_its_story(stub_hub):
    stub_hub.api.add_user("eva")
    answer = stub_hub.api.ask_start_behind("eva", options={"profile": "slow"})
    stub_hub.api.wait_pending("eva")
    story = stub_hub.api.progress("eva")
    told = " | ".join(event.get("message", "") for event in story).lower()
    for stage in ("image", "volume", "container", "server"):
        assert stage in told
    steps = [event["progress"] for event in story]
    assert steps == sorted(steps)
    assert story[-1]["ready"]
    assert answer.result(30).status_code in (201, 202)
    stub_hub.api.stop("eva")


def test_the_story_is_told_in_the_language_of_the_reader(stub_hub):
    with stub_hub.browser("fang", language="zh-CN,zh;q=0.9") as browser:
        assert re.search(r"[\u4e00-\u9fff]", words(browser.menu().text))
        browser.start({"profile": "slow"})
        stub_hub.api.wait_pending("fang")
        messages = [event.get("message", "") for event in stub_hub.api.progress("fang")]
    assert sum(bool(re.search(r"[\u4e00-\u9fff]", message)) for message in messages) >= 3, messages
    stub_hub.api.stop("fang")


def test_a_server_that_ends_at_once_is_a_sentence_for_its_user_and_a_cause_for_the_admin(stub_hub):
    answer = stub_hub.api.ask_start("gina", options={"profile": "exits"})
    assert answer.status_code == 500
    message = answer.json()["message"]
    assert "exit code 3" in message
    assert "Traceback" not in message
    assert "the stub server cannot go on" not in message, "last words are for the admin"
    log = stub_hub.log()
    line = next(line for line in log.splitlines() if "gina" in line and "did not start" in line)
    assert f"{stub_hub.name}-gina" in line, "the container is named"
    assert "the stub server cannot go on" in log
    assert stub_hub.containers("gina") == []
    stub_hub.api.start("gina", options={"profile": "small"})
    stub_hub.api.stop("gina")


def test_a_server_that_never_answers_is_given_up_and_removed(make_hub):
    hub = make_hub(settings={"start": {"timeout": 4, "concurrent_boots": 1}})
    hub.api.ask_start("hilda", options={"profile": "silent"})
    story = hub.api.progress("hilda")
    assert story[-1].get("failed"), story
    wait_until(lambda: hub.containers("hilda") == [], "its container is gone")
    hub.api.start("iris")  # the only boot slot is free again


@pytest.mark.parametrize("attempt", range(5))  # the moment at which the stop comes is different each time
def test_a_start_can_be_stopped_and_leaves_nothing(stub_hub, attempt):
    answer = stub_hub.api.ask_start_behind("jane", options={"profile": "silent"})
    wait_until(lambda: stub_hub.containers("jane"), "its container is made")
    stub_hub.api.stop("jane")
    wait_until(lambda: stub_hub.containers("jane") == [], "its container is gone")
    assert answer.result(30).status_code >= 400
    stub_hub.api.start("jane", options={"profile": "small"})
    stub_hub.api.stop("jane")


def test_a_server_that_dies_by_itself_is_noticed_cleared_away_and_told(stub_hub):
    with stub_hub.browser("kate") as browser:
        stub_hub.api.start("kate")
        stub_hub.container("kate").kill()
        stub_hub.api.wait_stopped("kate", timeout=10)
        wait_until(lambda: stub_hub.containers("kate") == [], "its container is gone")
        assert "stopped by itself" in words(browser.menu().text)
    assert f"{stub_hub.name}-kate" in stub_hub.log()
    stub_hub.api.start("kate")
    stub_hub.api.stop("kate")


def test_named_servers_run_beside_one_another(stub_hub):
    for server in ("", "one", "two"):
        stub_hub.api.start("lena", server)
    assert {container.labels["tf29hub.server"] for container in stub_hub.containers("lena")} == {"", "one", "two"}
    assert all(stub_hub.answers("lena", server) for server in ("", "one", "two"))
    stub_hub.api.stop("lena", "one")
    assert len(stub_hub.containers("lena")) == 2
    for server in ("", "two"):
        stub_hub.api.stop("lena", server)
