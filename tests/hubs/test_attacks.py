"""What attackers try at the sign-in page and with a session: a real Hub behind a real proxy, local accounts."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from typing import Any

import pytest
import requests

from jupyterhub_tf29.auth.accounts import AccountStore
from tests.hubs.browser import Browser, words
from tests.hubs.localhub import LocalHub, local_hub
from tests.waiting import wait_until

pytestmark = pytest.mark.hub

GOOD, WRONG = "walnut-harbour-seven", "quiet-lantern-orbit"
FORGED = "203.0.113.77"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    extra = "c.SignIn.sweep_every = 1"
    settings = {"lockout": {"account_tries": 8, "address_tries": 12, "lock": "10m"}}
    with local_hub(tmp_path_factory.mktemp("hub"), admins=["boss"], settings=settings, extra=extra) as running:
        add(running, "boss")
        yield running
        log = running.log
    assert GOOD not in log
    assert WRONG not in log
    assert "Uncaught exception" not in log


def add(hub: LocalHub, name: str = "") -> str:
    name = name or f"wang-{secrets.token_hex(4)}"
    store = AccountStore(hub.folder / "accounts.sqlite")
    store.add(name, GOOD, by="test")
    store.close()
    return name


@pytest.fixture
def wang(hub: LocalHub) -> str:
    return add(hub)


@pytest.fixture
def visit(hub: LocalHub) -> Iterator[Callable[..., Browser]]:
    """`visit()`: somebody at the door; `visit(name)`: somebody who is in."""
    with contextlib.ExitStack() as stack:

        def arrive(name: str = "", password: str = GOOD) -> Browser:
            browser = stack.enter_context(contextlib.closing(Browser(hub.url.removesuffix("/hub"))))
            if name:
                browser.sign_in(name, password)
            return browser

        yield arrive


def knock(browser: Browser, name: str, password: str = WRONG, **kwargs: Any) -> requests.Response:
    return browser.post("/hub/login", {"username": name, "password": password}, allow_redirects=False, **kwargs)


def is_in(browser: Browser) -> bool:
    return browser.get("/hub/home", allow_redirects=False).status_code == 200


def copy_of(browser: Browser, thief: Browser) -> Browser:
    """A thief with all cookies of a browser."""
    thief.session.cookies.update(browser.session.cookies)
    return thief


def trail(hub: LocalHub, event: str) -> list[dict[str, Any]]:
    lines = (hub.folder / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["event"] == event]


def release(hub: LocalHub) -> None:
    """After a test that locked this machine's address or an account."""
    hub.user("unlock", "all")


class TestGuessing:
    def test_the_delay_grows_and_says_nothing_about_whether_the_name_exists(self, visit, wang):
        nobody = f"nobody-{secrets.token_hex(3)}"
        told = {}
        for name in (wang, nobody):
            answers = [knock(visit(), name) for _ in range(6)]
            assert [answer.status_code for answer in answers] == [403] * 4 + [429] * 2
            told[name] = [re.sub(r"\d+ seconds", "N seconds", words(answer.text)) for answer in answers]
        assert [page.replace(wang, "X") for page in told[wang]] == [
            page.replace(nobody, "X") for page in told[nobody]
        ]
        assert "Try again in N seconds" in told[wang][-1]

    def test_the_right_password_has_to_wait_too(self, visit, wang):
        for _ in range(4):
            knock(visit(), wang)
        assert knock(visit(), wang, GOOD).status_code == 429

    def test_wrong_name_and_wrong_password_take_the_same_work(self, hub, visit, wang):
        """No figures here, which a busy machine makes up: each of them costs one hash, or none of them does."""
        page = visit()
        for name in (wang, "nobody-at-all", "no\u0000body", "x" * 5000):
            answer = knock(page, name)
            assert answer.status_code in (400, 403), name
            assert wang not in words(answer.text).replace(name, "")

    def test_a_forged_address_does_not_help(self, hub, visit, wang):
        for number in range(4):
            knock(visit(), wang, headers={"X-Forwarded-For": f"203.0.113.{number}"})
        headers = {"X-Forwarded-For": FORGED, "X-Real-IP": FORGED, "Forwarded": f"for={FORGED}"}
        assert knock(visit(), wang, headers=headers).status_code == 429
        assert FORGED not in (hub.folder / "audit.jsonl").read_text()
        assert FORGED not in hub.log

    def test_nor_where_the_hub_is_asked_directly_as_a_container_could(self, hub, wang):
        """The Hub itself believes such headers of anybody; containers reach it at the network's gateway."""
        port = re.search(r"hub_port = (\d+)", (hub.folder / "jupyterhub_config.py").read_text())[1]
        with contextlib.closing(Browser(f"http://127.0.0.1:{port}")) as direct:
            headers = {"X-Real-IP": FORGED}
            answers = [knock(direct, wang, headers=headers).status_code for _ in range(5)]
        assert answers == [403] * 4 + [429]
        assert FORGED not in (hub.folder / "audit.jsonl").read_text()

    def test_this_machines_admin_is_never_locked_out(self, hub, visit):
        """All of these tests come from 127.0.0.1: another address would be locked by now, after 12 tries."""
        before = len(trail(hub, "sign-in"))
        for number in range(15):
            assert knock(visit(), f"nobody-{number}").status_code == 403
        assert is_in(visit("boss"))
        assert [row for row in trail(hub, "lock") if row["reason"] == "address"] == []
        assert len(trail(hub, "sign-in")) >= before + 15


class TestLocksThroughAFront:
    """What the front, which is on this machine, says of addresses is believed: so many can be told apart."""

    @pytest.fixture
    def at(self, hub: LocalHub) -> Iterator[Callable[[str], Browser]]:
        """`at(address)`: a browser whose requests the trusted proxy says to come from there."""
        port = re.search(r"hub_port = (\d+)", (hub.folder / "jupyterhub_config.py").read_text())[1]
        with contextlib.ExitStack() as stack:

            def arrive(address: str) -> Browser:
                browser = stack.enter_context(contextlib.closing(Browser(f"http://127.0.0.1:{port}")))
                browser.session.headers["X-Forwarded-For"] = address
                return browser

            yield arrive
        release(hub)

    def test_one_address_at_many_names_is_locked_and_others_are_not(self, hub, at, wang):
        attacker = at("198.51.100.7")
        answers = [knock(attacker, f"user{number}").status_code for number in range(16)]
        assert answers == [403] * 13 + [429] * 3
        assert knock(attacker, wang, GOOD).status_code == 429, "not even with the right password"
        assert knock(at("198.51.100.8"), wang, GOOD).status_code == 302
        wait_until(lambda: "198.51.100.7" in hub.user("locks").stdout, "tf29hub user locks shows it", 10)
        done = hub.user("unlock", "198.51.100.7")
        assert done.returncode == 0, done.stderr
        wait_until(lambda: knock(attacker, "user99").status_code == 403, "released", 10)
        (row,) = [row for row in trail(hub, "lock") if row["address"] == "198.51.100.7"]
        assert row["reason"] == "address"
        assert trail(hub, "unlock")[-1]["actor"]["kind"] == "command-line"

    def test_an_account_is_locked_for_strangers_and_not_for_its_owner(self, hub, at, wang):
        assert knock(at("192.0.2.50"), wang, GOOD).status_code == 302
        strangers = [knock(at(f"198.51.100.{number}"), wang).status_code for number in range(20, 32)]
        assert strangers == [403] * 9 + [429] * 3
        assert knock(at("192.0.2.50"), wang, GOOD).status_code == 302, "an address that is known to the account"
        wait_until(lambda: wang in hub.user("locks").stdout, "the admin sees it", 10)
        locks = json.loads(hub.user("locks", "--json").stdout)
        (shown,) = [row for row in locks if row["what"] == f"local:{wang}"]
        assert 0 < shown["seconds"] <= 600
        assert hub.user("unlock", wang).returncode == 0
        wait_until(lambda: knock(at("198.51.100.99"), wang, GOOD).status_code == 302, "released", 10)

    def test_only_what_the_proxy_wrote_counts(self, hub, at, wang):
        browser = at(f"{FORGED}, 192.0.2.66")
        knock(browser, wang)
        assert trail(hub, "sign-in")[-1]["address"] == "192.0.2.66"


class TestNames:
    @pytest.mark.parametrize("spelling", ["{}", " {} ", "{upper}", "{wide}"])
    def test_spellings_of_one_name_are_one_account(self, hub, visit, wang, spelling):
        wide = "".join(chr(ord(letter) + 0xFEE0) if letter.isalpha() else letter for letter in wang)
        name = spelling.format(wang, upper=wang.upper(), wide=wide)
        browser = visit()
        assert knock(browser, name, GOOD).status_code == 302
        assert browser.get("/hub/api/user", headers={"X-XSRFToken": browser.xsrf()}).json()["name"] == wang

    @pytest.mark.parametrize(
        "lookalike", ["bоss", "boss\u200b", "bo\u0301ss", "boss/", "boss\u202e", "../boss", "boss\n"]
    )
    def test_a_name_that_looks_like_an_admins_is_nobody_and_gets_no_account(self, hub, visit, lookalike):
        visitor = visit()
        asked = visitor.post("/hub/signup", {"username": lookalike, "password": GOOD, "again": GOOD, "note": ""})
        answer = knock(visit(), lookalike, GOOD)
        assert answer.status_code in (302, 400, 403, 429)
        if answer.status_code == 302:  # stripped blanks: then it is boss's own name and password
            assert lookalike.strip() == "boss"
        assert asked.status_code in (200, 400)
        names = [row["name"] for row in json.loads(hub.user("list", "--json").stdout)["accounts"]]
        assert lookalike not in names


class TestForms:
    def test_sign_in_with_anothers_token_or_none(self, visit, wang):
        other, visitor = visit(), visit()
        visitor.get("/hub/login")
        for token in ({}, {"_xsrf": other.xsrf()}, {"_xsrf": "2|1:0|made|up"}):
            fields = {"username": wang, "password": GOOD, **token}
            form = {"data": fields, "timeout": 60, "allow_redirects": False}
            answer = visitor.session.post(f"{visitor.url}/hub/login", **form)
            assert answer.status_code == 403
            assert not is_in(visitor)

    @pytest.mark.parametrize(
        "target",
        [
            "https://evil.example/",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "/hub/../..//evil.example",
            "http://127.0.0.1@evil.example/",
            "\thttps://evil.example",
            "/%09/evil.example",
        ],
    )
    @pytest.mark.parametrize("how", ["form", "already in"])
    def test_nobody_is_sent_to_another_host(self, visit, wang, target, how):
        path = f"/hub/login?next={requests.utils.quote(target, safe='')}"
        if how == "form":
            answer = visit().post(path, {"username": wang, "password": GOOD}, allow_redirects=False)
        else:
            answer = visit(wang).get(path, allow_redirects=False)
        assert answer.status_code == 302
        where = answer.headers["Location"]
        assert re.match(r"/(?![/\\])", where), where

    def test_a_page_of_the_hub_cannot_be_framed_and_loads_nothing_from_elsewhere(self, visit, wang):
        for page in (visit().get("/hub/login"), visit(wang).get("/hub/home"), visit(wang).get("/hub/token")):
            policy = page.headers["Content-Security-Policy"]
            for part in ("frame-ancestors 'none'", "default-src 'self'", "object-src 'none'", "base-uri 'self'"):
                assert part in policy
            assert page.headers["X-Content-Type-Options"] == "nosniff"
            assert page.headers["Referrer-Policy"] == "same-origin"

    def test_an_answer_of_the_api_is_no_page(self, visit, wang):
        browser = visit(wang)
        answer = browser.get("/hub/api/user", headers={"X-XSRFToken": browser.xsrf()})
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "'unsafe-inline'" not in answer.headers["Content-Security-Policy"]


class TestSessions:
    def test_cookies_are_out_of_reach_of_scripts_and_other_sites(self, visit, wang):
        browser = visit()
        answer = knock(browser, wang, GOOD)
        cookies = SimpleCookie()
        for header in answer.raw.headers.getlist("Set-Cookie"):
            cookies.load(header)
        for name in ("jupyterhub-hub-login", "jupyterhub-session-id"):
            assert cookies[name]["httponly"]
            assert cookies[name]["samesite"] == "Lax"

    def test_a_session_that_was_planted_before_sign_in_is_worth_nothing_after_it(self, visit, wang):
        """Fixation: an attacker's session id and form token in the victim's browser, set before they sign in."""
        attacker, victim = visit(), visit()
        attacker.get("/hub/login")
        planted = "f" * 32
        for browser in (attacker, victim):
            browser.session.cookies.set("jupyterhub-session-id", planted, path="/")
        victim.get("/hub/login")
        assert knock(victim, wang, GOOD).status_code == 302
        assert is_in(victim)
        assert not is_in(attacker)
        attacker.session.cookies.set("_xsrf", victim.xsrf(), path="/hub/")
        assert not is_in(attacker)

    def test_a_stolen_cookie_is_refused_after_sign_out(self, hub, visit, wang):
        user, elsewhere = visit(wang), visit(wang)
        thief = copy_of(user, visit())
        token = user.session.post(
            f"{hub.url}/api/users/{wang}/tokens", headers={"X-XSRFToken": user.xsrf()}, timeout=60
        ).json()["token"]
        assert is_in(thief)
        assert user.get("/hub/logout").status_code == 200
        assert not is_in(thief)
        assert not is_in(user)
        assert not is_in(elsewhere), "sign-out is for all browsers: the cookie is the same in all of them"
        headers = {"Authorization": f"token {token}"}
        answer = requests.get(f"{hub.url}/api/user", headers=headers, timeout=60)
        assert answer.ok, "a program's token is another matter"

    def test_another_site_cannot_sign_anybody_out(self, visit, wang):
        user = visit(wang)
        page = user.get("/hub/logout", headers={"Sec-Fetch-Site": "cross-site"})
        assert "Do you want to sign out?" in words(page.text)
        assert is_in(user)

    def test_a_cookie_of_another_hub_or_of_one_s_own_making_is_refused(self, visit, wang):
        user, forger = visit(wang), visit()
        value = user.session.cookies["jupyterhub-hub-login"].strip('"')
        for forged in (value[:-4] + "0000", value.replace("2|1:0", "1|1:0"), "admin", "2|1:0|10:1|3:x|4:eA==|"):
            forger.session.cookies.set("jupyterhub-hub-login", f'"{forged}"', path="/hub/")
            assert not is_in(forger)

    def test_a_disabled_account_is_out_within_a_minute(self, hub, visit, wang):
        user = visit(wang)
        began = time.monotonic()
        assert hub.user("disable", wang).returncode == 0
        wait_until(lambda: not is_in(user), "the browser is out", 30)
        assert time.monotonic() - began < 60
        answer = knock(visit(), wang, GOOD)
        assert answer.status_code == 403
        assert "This account is disabled" in words(answer.text)
        mine = [row for row in trail(hub, "sign-in") if row.get("name") == wang]
        assert (mine[-1]["outcome"], mine[-1]["reason"]) == ("failure", "disabled")


class TestServicePages:
    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("POST", "/hub/api/users/{}/tokens", {"note": "mine now"}),
            ("PATCH", "/hub/api/users/{}", {"admin": True}),
            ("DELETE", "/hub/api/users/{}", None),
            ("POST", "/hub/api/users/evil", None),
            ("POST", "/hub/api/shutdown", {}),
        ],
    )
    def test_the_api_does_nothing_for_a_form_of_another_site(self, visit, wang, method, path, body):
        boss = visit("boss")
        headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Origin": "https://evil.example"}
        answer = boss.session.request(
            method, boss.url + path.format(wang), json=body, headers=headers, timeout=60, allow_redirects=False
        )
        assert answer.status_code in (401, 403, 404)
        assert is_in(visit(wang))

    def test_no_one_raises_their_own_rights(self, visit, wang):
        user = visit(wang)
        headers = {"X-XSRFToken": user.xsrf()}
        for method, path, body in [
            ("PATCH", f"/hub/api/users/{wang}", {"admin": True}),
            ("POST", "/hub/api/users/other", None),
            ("POST", f"/hub/api/users/{wang}/tokens", {"roles": ["admin"]}),
            ("GET", "/hub/api/users", None),
            ("POST", "/hub/api/shutdown", {}),
        ]:
            answer = user.session.request(method, user.url + path, json=body, headers=headers, timeout=60)
            assert answer.status_code in (400, 403, 404), f"{method} {path}: {answer.status_code}"


def test_a_password_in_the_field_for_the_name_is_nowhere(hub, visit):
    mistyped = f"My-Secret-{secrets.token_hex(6)}"
    knock(visit(), mistyped, GOOD)
    wait_until(lambda: "Failed login" in hub.log, "the Hub has logged it", 10)
    for path in hub.folder.iterdir():
        if path.suffix in (".log", ".jsonl"):
            assert mistyped.lower() not in path.read_text(encoding="utf-8", errors="replace").lower(), path.name


def test_a_trail_that_cannot_be_written_keeps_nobody_out_and_admins_are_told(hub, visit, wang):
    trail_file = hub.folder / "audit.jsonl"
    kept = trail_file.read_bytes()
    assert "audit-problem" not in visit("boss").get("/hub/home").text
    trail_file.rename(hub.folder / "before.jsonl")
    trail_file.mkdir()
    try:
        user, boss = visit(wang), visit("boss")
        wait_until(lambda: 'id="audit-problem"' in boss.get("/hub/home").text, "admins are told", 15)
        assert "audit-problem" not in user.get("/hub/home").text
        assert "AUDIT TRAIL: events wait in memory" in hub.log
    finally:
        trail_file.rmdir()
        trail_file.write_bytes(kept)
        trail_file.chmod(0o600)
    wait_until(lambda: [row for row in trail(hub, "sign-in") if row.get("name") == wang], "written after all", 30)
    wait_until(lambda: "audit-problem" not in boss.get("/hub/home").text, "all is well again", 15)
