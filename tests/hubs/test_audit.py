"""The audit trail of a whole hub: who came in, who did what to whom, and no secret in it or in any log."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import jsonschema
import pytest
import requests

from jupyterhub_tf29.audit.event import schema
from jupyterhub_tf29.secretfiles import NAMES, read_secret
from tests.hubs.browser import Browser
from tests.hubs.running import RunningHub
from tests.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.hub]

PROFILE = {"profile": "small"}
MISTYPED = "my-own-password-typed-as-a-name"
WRONG = "this-password-is-wrong-49"

ROLES = """
c.JupyterHub.load_roles.append({
    "name": "teaches-wang", "users": ["teacher"],
    "scopes": ["servers!user=wang", "access:servers!user=wang", "read:users!user=wang"],
})
"""

QUICK = """
c.LocalAuthenticator.auth_refresh_age = 2
c.SignIn.sweep_every = 2
"""
"""An account that is disabled is out after a minute or so; here, for the sake of whoever waits, after seconds."""


class Trail:
    """The trail of a hub, and the secrets that were used there."""

    def __init__(self, hub: RunningHub) -> None:
        self.hub = hub
        self.known: list[dict[str, Any]] = []
        """What earlier tests are told of; several of them do the same as this one."""
        self.secrets = {hub.password, WRONG, MISTYPED, hub._token}
        self.secrets |= {read_secret(hub.paths, name) for name in NAMES}

    def events(self, event: str = "", **wanted: Any) -> list[dict[str, Any]]:
        """Those of a kind, oldest first; `wanted` are fields that they have."""
        lines = self.hub.paths.audit.read_text(encoding="utf-8").splitlines()
        found = [json.loads(line) for line in lines]
        return [
            one
            for one in found
            if event in ("", one["event"]) and all(one.get(key) == value for key, value in wanted.items())
        ]

    def last(self, event: str, **wanted: Any) -> dict[str, Any]:
        """The newest of them since the test began; the writer is given a moment."""
        before = {one["id"] for one in self.known}
        found = wait_until(
            lambda: [one for one in self.events(event, **wanted) if one["id"] not in before],
            f"{event} {wanted} is in the trail",
            15,
        )
        return found[-1]

    def keep(self, browser: Browser) -> None:
        """Its cookies are secrets of ours."""
        self.secrets |= {cookie.value.strip('"') for cookie in browser.session.cookies if len(cookie.value) > 8}

    def everything_written(self) -> Iterator[tuple[Path, str]]:
        """All logs, trails and notices; not the databases, nor the secrets themselves."""
        state, logs = self.hub.paths.state, self.hub.paths.logs
        for path in [*logs.rglob("*"), *(state / "notices").rglob("*")]:
            if path.is_file():
                yield path, path.read_text(encoding="utf-8", errors="replace")
        for container in self.hub.containers():
            yield Path(container.name), container.logs().decode("utf-8", "replace")


@pytest.fixture(scope="module")
def hub(
    engine: docker.DockerClient, stub_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHub]:
    folder = tmp_path_factory.mktemp("audit") / "hub"
    with contextlib.closing(RunningHub(folder, engine, stub_image, extra=ROLES + QUICK)) as hub:
        hub.add_account("boss", admin=True)
        for name in ("wang", "teacher"):
            hub.add_account(name)
        hub.start()
        yield hub


@pytest.fixture(scope="module")
def trail_of_all(hub: RunningHub) -> Trail:
    return Trail(hub)


@pytest.fixture
def trail(trail_of_all: Trail) -> Trail:
    trail_of_all.known = trail_of_all.events()
    return trail_of_all


@pytest.fixture
def person(hub: RunningHub, trail: Trail) -> Iterator[Any]:
    """`person(name)`: a browser that is signed in."""
    with contextlib.ExitStack() as stack:

        def arrive(name: str) -> Browser:
            browser = stack.enter_context(hub.browser(name))
            trail.keep(browser)
            return browser

        yield arrive


def api(browser: Browser, method: str, path: str, **kwargs: Any) -> requests.Response:
    headers = {"X-XSRFToken": browser.xsrf()}
    return browser.session.request(method, f"{browser.url}/hub/api{path}", headers=headers, timeout=60, **kwargs)


def start(hub: RunningHub, browser: Browser) -> None:
    assert browser.start(PROFILE).status_code == 302
    wait_until(lambda: (hub.api.server("wang") or {}).get("ready"), "wang's server runs", 60)


class TestSignIn:
    def test_success_and_failure(self, hub, trail, person):
        person("wang")
        event = trail.last("sign-in", outcome="success", name="wang")
        assert event["method"] == "local"
        assert event["address"] == "127.0.0.1"
        assert event["admin"] is False
        with contextlib.closing(Browser(hub.url)) as visitor:
            visitor.post("/hub/login", {"username": "wang", "password": WRONG})
            trail.keep(visitor)
        event = trail.last("sign-in", outcome="failure", name="wang")
        assert event["reason"] == "wrong"

    def test_a_name_that_nobody_has_is_not_kept(self, hub, trail):
        before = len(trail.events("sign-in", outcome="failure"))
        with contextlib.closing(Browser(hub.url)) as visitor:
            visitor.post("/hub/login", {"username": MISTYPED, "password": WRONG})
        wait_until(lambda: len(trail.events("sign-in", outcome="failure")) > before, "it is told", 15)
        assert "name" not in trail.events("sign-in", outcome="failure")[-1]

    def test_sign_out(self, trail, person):
        browser = person("wang")
        browser.get("/hub/logout")
        assert trail.last("sign-out", name="wang")["actor"] == {"kind": "self", "name": "wang"}


class TestServers:
    def test_started_by_its_user_and_stopped_by_an_admin(self, hub, trail, person):
        start(hub, person("wang"))
        event = trail.last("server-start", name="wang")
        assert event["outcome"] == "success"
        assert event["actor"] == {"kind": "self", "name": "wang"}
        assert event["address"] == "127.0.0.1"
        assert event["profile"] == "small"
        assert event["image"] == hub.container("wang").image.id
        assert event["container"] == hub.container("wang").name
        assert event["seconds"] > 0
        assert api(person("boss"), "DELETE", "/users/wang/server").status_code in (202, 204)
        event = trail.last("server-stop", name="wang")
        assert event["actor"] == {"kind": "admin", "name": "boss"}
        assert event["reason"] == "asked"
        assert event["profile"] == "small"

    @pytest.mark.parametrize(("secret", "actor"), [("culler-token", {"kind": "culler", "name": "idle-culler"})])
    def test_stopped_by_a_program(self, hub, trail, person, secret, actor):
        hub.api.start("wang", options=PROFILE)
        assert trail.last("server-start", name="wang", outcome="success")["actor"] == {
            "kind": "service",
            "name": "tests",
        }
        headers = {"Authorization": f"token {read_secret(hub.paths, secret)}"}
        answer = requests.delete(f"{hub.url}/hub/api/users/wang/server", headers=headers, timeout=60)
        assert answer.status_code in (202, 204)
        wait_until(lambda: trail.events("server-stop", name="wang", actor=actor), "the trail says who", 30)

    def test_an_instructor_enters_and_stops(self, hub, trail, person):
        hub.api.start("wang", options=PROFILE)
        teacher = person("teacher")
        query = {"client_id": "jupyterhub-user-wang", "redirect_uri": "/user/wang/oauth_callback"}
        challenge = {"response_type": "code", "state": "x" * 20}
        page = teacher.get("/hub/api/oauth2/authorize", params={**query, **challenge})
        assert page.status_code == 200, page.text
        assert trail.events("server-enter") == [], "looking at the question is not entering"
        path = page.url.removeprefix(hub.url)
        answer = teacher.post(path, {"scopes": ["access:servers!server=wang/"]}, allow_redirects=False)
        assert answer.status_code == 302, answer.text
        trail.secrets.add(re.search(r"code=([^&]+)", answer.headers["Location"])[1])
        event = trail.last("server-enter", name="wang")
        assert event["actor"] == {"kind": "instructor", "name": "teacher"}
        assert event["address"] == "127.0.0.1"
        assert api(teacher, "DELETE", "/users/wang/server").status_code in (202, 204)
        stopped = {"kind": "instructor", "name": "teacher"}
        wait_until(lambda: trail.events("server-stop", name="wang", actor=stopped), "the trail says who", 30)

    def test_one_that_dies_by_itself(self, hub, trail):
        hub.api.start("wang", options=PROFILE)
        hub.container("wang").kill()
        wait_until(lambda: trail.events("server-stop", name="wang", reason="died"), "it is told", 60)
        assert trail.events("server-stop", name="wang", reason="died")[-1]["actor"] == {"kind": "hub"}

    def test_of_somebody_who_may_not_sign_in_any_more(self, hub, trail):
        hub.add_account("gone")
        with hub.browser("gone") as browser:
            assert browser.start(PROFILE).status_code == 302
            wait_until(lambda: (hub.api.server("gone") or {}).get("ready"), "gone's server runs", 60)
        assert hub.run_command("user", "disable", "gone").returncode == 0
        wait_until(lambda: trail.events("server-stop", name="gone", reason="disabled"), "it is stopped", 150)
        assert trail.events("server-stop", name="gone")[-1]["actor"] == {"kind": "hub"}
        assert trail.events("sign-in-ended", name="gone")
        assert hub.containers("gone") == []

    def test_a_start_that_fails(self, hub, trail):
        hub.api.ask_start("wang", options={"profile": "exits"})
        event = trail.last("server-start", name="wang", outcome="failure")
        assert event["reason"] == "died"
        assert event["profile"] == "exits"
        assert trail.events("server-stop", name="wang", profile="exits") == []


class TestWhoMayWhat:
    def test_tokens(self, hub, trail, person):
        wang = person("wang")
        made = api(wang, "POST", "/users/wang/tokens", json={"note": "for my script", "expires_in": 3600}).json()
        trail.secrets.add(made["token"])
        event = trail.last("token-create", name="wang")
        assert event["token"]["note"] == "for my script"
        assert event["token"]["id"] == made["id"]
        assert event["token"]["expires"]
        headers = {"Authorization": f"token {made['token']}"}
        requests.post(f"{hub.url}/hub/api/users/wang/server", headers=headers, json=PROFILE, timeout=60)
        started = {"kind": "self", "name": "wang", "token": made["id"]}
        wait_until(lambda: trail.events("server-start", name="wang", actor=started), "by which token", 60)
        hub.api.stop("wang")
        api(wang, "DELETE", f"/users/wang/tokens/{made['id']}")
        assert trail.last("token-revoke", name="wang")["token"]["id"] == made["id"]

    def test_users_and_admins(self, hub, trail, person):
        boss = person("boss")
        assert api(boss, "POST", "/users/newcomer").status_code == 201
        assert trail.last("user-add", name="newcomer")["actor"] == {"kind": "admin", "name": "boss"}
        assert api(boss, "PATCH", "/users/newcomer", json={"admin": True}).status_code == 200
        by_boss = {"name": "newcomer", "actor": {"kind": "admin", "name": "boss"}}
        assert trail.last("role-change", **by_boss, gained=["admin"])["lost"] == []
        assert api(boss, "PATCH", "/users/newcomer", json={"admin": False}).status_code == 200
        assert trail.last("role-change", **by_boss, lost=["admin"])["gained"] == []
        assert api(boss, "DELETE", "/users/newcomer").status_code == 204
        assert trail.last("user-remove", name="newcomer")["actor"]["name"] == "boss"

    def test_accounts(self, hub, trail, person):
        boss = person("boss")
        page = boss.post("/hub/accounts", {"action": "add", "name": "li"})
        trail.secrets.add(re.search(r"\b(?:[a-z2-9]{5}-){3}[a-z2-9]{5}\b", page.text)[0])
        assert trail.last("account-add", name="li")["actor"] == {"kind": "admin", "name": "boss"}
        boss.post("/hub/accounts", {"action": "disable", "name": "li"})
        assert trail.last("account-disable", name="li")["actor"] == {"kind": "admin", "name": "boss"}
        done = hub.run_command("user", "enable", "li")
        assert done.returncode == 0, done.stderr
        assert trail.last("account-enable", name="li")["actor"]["kind"] == "command-line"

    def test_the_hubs_own_life(self, trail):
        event = trail.events("hub-start")[-1]
        assert event["actor"] == {"kind": "hub"}
        assert "boss" not in event["admins"], "boss had not signed in yet"


class TestTheCommand:
    def run(self, hub: RunningHub, *words: str) -> subprocess.CompletedProcess[str]:
        done = hub.run_command("audit", *words)
        assert done.returncode == 0, done.stderr
        return done

    def rows(self, hub: RunningHub, *words: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run(hub, "--json", *words).stdout.splitlines()]

    def test_filters(self, hub, trail):
        rows = self.rows(hub, "--user", "boss")
        assert rows
        assert all("boss" in (row.get("name"), row.get("actor", {}).get("name")) for row in rows)
        rows = [
            json.loads(line)
            for line in self.run(hub, "--json", "--event", "sign-in", "--failed").stdout.splitlines()
        ]
        assert rows
        assert all(row["event"] == "sign-in" and row["outcome"] == "failure" for row in rows)
        assert self.run(hub, "--json", "--address", "192.0.2.99").stdout == ""
        assert self.run(hub, "--until", "2020-01-01").stdout == ""
        assert len(self.run(hub, "--since", "2h", "-n", "3").stdout.splitlines()) == 3
        assert "by admin boss" in self.run(hub, "--event", "server-stop").stdout


def test_every_event_keeps_to_the_schema(trail):
    validator = jsonschema.Draft202012Validator(schema())
    events = trail.events()
    assert events
    for event in events:
        validator.validate(event)
    times = [event["time"] for event in events]
    assert times == sorted(times)
    assert len({event["id"] for event in events}) == len(events)


def test_the_file_is_its_owners(hub):
    assert hub.paths.audit.stat().st_mode & 0o777 == 0o600


def test_no_secret_is_in_any_log(hub, trail):
    """Last in this file: every password, cookie, token and code that was used above, in every log at DEBUG."""
    assert len(trail.secrets) > 15
    hub.stop_hub()
    assert trail.events("hub-stop")
    written = list(trail.everything_written())
    assert {"hub.log", "proxy.log", "audit.jsonl"} <= {path.name for path, _ in written}
    assert "[D " in {path.name: text for path, text in written}["hub.log"], "not a debug log"
    found = [(path.name, secret) for path, text in written for secret in trail.secrets if secret in text]
    assert found == []
