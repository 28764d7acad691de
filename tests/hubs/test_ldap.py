"""Sign-in with a directory and with local accounts on one page: a real hub, a real slapd."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from jupyterhub_tf29.auth.accounts import AccountStore
from tests.cheap import CHEAP
from tests.directory.answers import silent_server
from tests.directory.injections import PAYLOADS
from tests.directory.slapd import Slapd
from tests.directory.university import GROUPS, PASSWORDS, PEOPLE, SEARCH_PASSWORD, dn_of
from tests.hubs.browser import Browser, words
from tests.hubs.localhub import LocalHub, local_hub
from tests.waiting import wait_until

pytestmark = pytest.mark.hub

GOOD = "walnut-harbour-seven"
OUT_WITHIN_S = 20
"""`refresh` is 1 s here; the rest is for a machine that is busy."""
ROSTERS = """
import json
from jupyterhub_tf29.auth.groups import Place

def rosters(user, groups):
    courses = json.loads((here / "rosters.json").read_text())
    for course, roster in courses.items():
        if user in roster["instructors"]:
            yield Place(course, instructor=True)
        if user in roster["students"] or groups & set(roster.get("groups", [])):
            yield Place(course)

c.SignIn.rosters = rosters
c.SignIn.rosters_every = 1
"""


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with Slapd(tmp_path_factory.mktemp("ldap") / "university") as running:
        yield running


def university(slapd: Slapd, **block: Any) -> dict[str, Any]:
    """The directory's block in hub.yaml."""
    return slapd.block(**{"refresh": 1, "timeout": 2, **block})


def put_secret(folder: Path, name: str, text: str) -> None:
    (folder / "secrets").mkdir(mode=0o700, exist_ok=True)
    path = folder / "secrets" / name
    path.write_text(text)
    path.chmod(0o600)


@pytest.fixture(scope="module")
def hub(slapd: Slapd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    folder = tmp_path_factory.mktemp("hub")
    put_secret(folder, "university-bind-password", SEARCH_PASSWORD)
    write_rosters(folder, {"tf101": {"instructors": ["prof"], "students": ["ada", "wang"]}})
    put_secret(folder, "silent-bind-password", SEARCH_PASSWORD)
    put_secret(folder, "closed-bind-password", SEARCH_PASSWORD)
    with contextlib.closing(AccountStore(folder / "accounts.sqlite", hasher=CHEAP)) as store:
        for name in ("ada", "visitor"):
            store.add(name, GOOD, by="test")
    with silent_server() as port:
        methods = [
            university(slapd),
            {"type": "local", "admins": [], "sign_up": "closed"},
            university(slapd, name="silent", servers=[f"ldaps://127.0.0.1:{port}"], timeout=6),
            university(slapd, name="closed", allowed_groups=[], admin_groups=[], groups=None),
        ]
        with local_hub(folder, methods=methods, extra=ROSTERS) as running:
            yield running
            log = running.log
    for secret in (SEARCH_PASSWORD, GOOD, *PASSWORDS.values()):
        assert secret not in log
    assert "Uncaught exception" not in log
    assert "Traceback" not in log


def write_rosters(folder: Path, courses: dict[str, Any]) -> None:
    (folder / "rosters.json").write_text(json.dumps(courses))


@pytest.fixture
def visit(hub: LocalHub) -> Iterator[Callable[..., Browser]]:
    """`visit("ada")`: a browser, signed in with the directory; `visit()`: one that nobody knows."""
    with contextlib.ExitStack() as stack:

        def arrive(uid: str = "", **kwargs: Any) -> Browser:
            browser = Browser(hub.url.removesuffix("/hub"), **kwargs)
            stack.enter_context(contextlib.closing(browser))
            if uid:
                browser.sign_in(uid, PASSWORDS[uid])
            return browser

        yield arrive


@pytest.fixture
def boss(visit: Callable[..., Browser]) -> Browser:
    """An admin, by a group of the directory."""
    return visit("boss")


def try_to_sign_in(browser: Browser, name: str, password: str, by: str = "") -> requests.Response:
    path = f"/hub/login/{by}" if by else "/hub/login"
    browser.get(path)
    return browser.post(path, {"username": name, "password": password}, allow_redirects=False)


def is_in(browser: Browser) -> bool:
    return browser.get("/hub/home", allow_redirects=False).status_code == 200


def api(browser: Browser, path: str, method: str = "GET", **kwargs: Any) -> requests.Response:
    """The Hub's REST API, as its pages use it."""
    headers = {"X-XSRFToken": browser.xsrf()}
    return browser.session.request(method, f"{browser.url}/hub/api{path}", headers=headers, timeout=60, **kwargs)


def user(browser: Browser, name: str) -> dict[str, Any]:
    answer = api(browser, f"/users/{quote(name, safe='')}")
    assert answer.status_code == 200, answer.text
    return answer.json()


class TestThePage:
    def test_it_has_the_form_of_the_first_and_a_button_for_the_other(self, visit):
        page = visit().get("/hub/login?next=%2Fhub%2Ftoken").text
        assert 'action="/hub/login/university?next=%2Fhub%2Ftoken"' in page
        assert 'href="/hub/login/local?next=%2Fhub%2Ftoken"' in page
        assert "University account" in words(page)
        assert "学校账户" in words(visit(language="zh-CN").get("/hub/login").text)
        other = visit().get("/hub/login/local").text
        assert 'action="/hub/login/local?next="' in other
        assert 'href="/hub/login/university?next="' in other

    def test_after_a_wrong_password_it_is_the_same_page_again(self, visit):
        answer = try_to_sign_in(visit(language="zh"), "nobody", "x", by="local")
        assert answer.status_code == 403
        assert "用户名或密码不正确" in words(answer.text)
        assert 'action="/hub/login/local?next="' in answer.text

    @pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "/\\evil.example"])
    def test_nobody_is_sent_elsewhere(self, visit, target):
        for by, name, password in (("university", "wang", PASSWORDS["wang"]), ("local", "visitor", GOOD)):
            answer = visit().post(
                f"/hub/login/{by}?next={quote(target, safe='')}",
                {"username": name, "password": password},
                allow_redirects=False,
            )
            assert answer.status_code == 302
            assert re.fullmatch(r"/hub/(home|spawn)|/%5Cevil\.example", answer.headers["Location"])

    def test_a_form_without_the_token_of_this_browser_does_nothing(self, hub, visit):
        for token in ({}, {"_xsrf": visit().xsrf()}):
            fields = {"username": "ada", "password": PASSWORDS["ada"], **token}
            answer = visit("wang").session.post(f"{hub.url}/login/university", data=fields, timeout=60)
            assert answer.status_code == 403


class TestNames:
    def test_two_adas_are_two_people(self, visit, boss):
        from_university, local = visit("ada"), visit()
        assert try_to_sign_in(local, "ada", GOOD, by="local").status_code == 302
        assert api(local, "/user").json()["name"] == "local:ada"
        assert api(from_university, "/user").json()["name"] == "ada"
        assert user(boss, "local:ada")["groups"] == []

    def test_the_password_of_one_does_not_open_the_other(self, visit):
        assert try_to_sign_in(visit(), "ada", GOOD, by="university").status_code == 403
        assert try_to_sign_in(visit(), "ada", PASSWORDS["ada"], by="local").status_code == 403
        for name in ("local:ada", "university:ada"):
            assert try_to_sign_in(visit(), name, GOOD, by="local").status_code == 403
            assert try_to_sign_in(visit(), name, PASSWORDS["ada"]).status_code == 403

    @pytest.mark.parametrize("uid", ["李雷", "o'brien", "li, wei (phys)"])
    def test_names_that_are_hard(self, visit, boss, uid):
        browser = visit(uid)
        assert api(browser, "/user").json()["name"] == uid
        assert is_in(browser)
        assert user(boss, uid)["groups"] == user(browser, uid)["groups"] != []

    def test_another_spelling_is_the_same_person(self, visit):
        browser = visit()
        assert try_to_sign_in(browser, " ＷＡＮＧ ", PASSWORDS["wang"]).status_code == 302
        assert api(browser, "/user").json()["name"] == "wang"

    def test_a_name_that_was_handed_on_is_not_its_new_owners(self, slapd, visit, hub):
        entry = f"dn: uid=eve,{PEOPLE}\nchangetype: %s\n"
        person = entry % "add" + "objectClass: inetOrgPerson\nuid: eve\ncn: eve\nsn: eve\nuserPassword: %s\n"
        slapd.modify(person % "first-eves-password")
        slapd.add_member("cs-students", f"uid=eve,{PEOPLE}")
        assert try_to_sign_in(visit(), "eve", "first-eves-password").status_code == 302
        slapd.modify(entry % "delete")
        slapd.modify(person % "second-eves-password")
        answer = try_to_sign_in(visit(), "eve", "second-eves-password")
        assert answer.status_code == 403
        assert "The name eve belongs to somebody else here" in words(answer.text)

    def test_who_is_renamed_stays_who_they_are(self, slapd, visit):
        slapd.modify(
            f"dn: uid=maiden,{PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: maiden\ncn: m\nsn: m\n"
            "userPassword: the-same-person\n"
        )
        slapd.add_member("cs-students", f"uid=maiden,{PEOPLE}")
        assert try_to_sign_in(visit(), "maiden", "the-same-person").status_code == 302
        slapd.modify(f"dn: uid=maiden,{PEOPLE}\nchangetype: modrdn\nnewrdn: uid=married\ndeleteoldrdn: 1\n")
        slapd.add_member("cs-students", f"uid=married,{PEOPLE}")
        browser = visit()
        assert try_to_sign_in(browser, "married", "the-same-person").status_code == 302
        assert api(browser, "/user").json()["name"] == "maiden"


class TestWhoMayComeIn:
    def test_a_right_password_alone_is_not_enough(self, visit):
        answer = try_to_sign_in(visit(), "outsider", PASSWORDS["outsider"])
        assert answer.status_code == 403
        assert "You may not use this hub" in words(answer.text)

    def test_wrong_unknown_and_locked_look_the_same(self, visit, hub):
        pages = [
            try_to_sign_in(visit(), name, password)
            for name, password in (("wang", "x"), ("nobody", "x"), ("locked", PASSWORDS["locked"]))
        ]
        assert [page.status_code for page in pages] == [403, 403, 403]
        seen = {
            words(page.text).replace(name, "X")
            for page, name in zip(pages, ("wang", "nobody", "locked"), strict=True)
        }
        assert len(seen) == 1
        assert "university: locked, from 127.0.0.1" in hub.log

    def test_people_type_their_password_into_the_field_for_the_name(self, visit, hub):
        for by in ("university", "local"):
            assert try_to_sign_in(visit(), f"slip-of-{by}-fingers", "x", by=by).status_code == 403
        assert "slip-of" not in hub.log

    def test_attackers_type_names(self, hub, visit):
        attacker = visit()
        attacker.get("/hub/login")
        for payload in PAYLOADS:
            if re.sub(r"[\x00-\x20]", "", payload) == "ada":
                continue  # Tornado makes blanks of control characters: this is ada, with her password
            fields = {"username": payload.encode("utf-8", "surrogatepass"), "password": PASSWORDS["ada"]}
            answer = attacker.post("/hub/login", fields, allow_redirects=False)
            assert answer.status_code in (400, 403), payload
        assert "wrong name or password, from" in hub.log
        assert not is_in(attacker)

    @pytest.mark.parametrize(
        "fields", [{}, {"username": "ada"}, {"password": "x"}, {"username": "ada", "password": ""}]
    )
    def test_half_a_form(self, visit, fields):
        assert visit().post("/hub/login", fields).status_code in (400, 403)


class TestStayingIn:
    def test_who_leaves_the_group_is_out_and_comes_back_with_it(self, slapd, visit):
        browser = visit("joerg")
        assert is_in(browser)
        slapd.remove_member("cs-students", dn_of("joerg"))
        try:
            wait_until(lambda: not is_in(browser), "who left the group is out", OUT_WITHIN_S)
            assert try_to_sign_in(visit(), "joerg", PASSWORDS["joerg"]).status_code == 403
        finally:
            slapd.add_member("cs-students", dn_of("joerg"))
        assert is_in(visit("joerg"))

    def test_who_is_locked_is_out_with_their_tokens(self, hub, slapd, visit):
        browser = visit("o'brien")
        token = api(browser, f"/users/{quote(chr(111) + chr(39) + 'brien')}/tokens", "POST").json()["token"]

        def token_works() -> bool:
            headers = {"Authorization": f"token {token}"}
            return requests.get(f"{hub.url}/api/user", headers=headers, timeout=60).status_code == 200

        assert token_works()
        lock = f"dn: {dn_of(chr(111) + chr(39) + 'brien')}\nchangetype: modify\n%s: pwdAccountLockedTime\n"
        slapd.modify(lock % "add" + "pwdAccountLockedTime: 000001010000Z\n")
        try:
            wait_until(lambda: not is_in(browser), "the browser is out", OUT_WITHIN_S)
            wait_until(lambda: not token_works(), "the token is out", OUT_WITHIN_S)
        finally:
            slapd.modify(lock % "delete")
        assert is_in(visit("o'brien"))

    def test_an_admin_of_the_directory_is_one_as_long_as_it_says_so(self, slapd, visit):
        slapd.add_member("admins", dn_of("wang"))
        browser = visit("wang")
        try:
            assert api(browser, "/user").json()["admin"] is True
            assert api(browser, "/users").status_code == 200
        finally:
            slapd.remove_member("admins", dn_of("wang"))
        wait_until(lambda: not api(browser, "/user").json()["admin"], "wang is no admin any more", OUT_WITHIN_S)
        assert api(browser, "/users").status_code == 403

    def test_a_local_user_is_the_business_of_local_accounts(self, hub, visit):
        browser = visit()
        assert try_to_sign_in(browser, "visitor", GOOD, by="local").status_code == 302
        assert is_in(browser)
        assert hub.user("disable", "visitor").returncode == 0
        try:
            wait_until(lambda: not is_in(browser), "the local user is out", OUT_WITHIN_S)
        finally:
            hub.user("enable", "visitor")


class TestDirectoryInTrouble:
    def test_down_is_said_clearly_and_throws_nobody_out(self, slapd, visit, hub):
        browser = visit("wang")
        slapd.stop()
        try:
            answer = try_to_sign_in(visit(language="zh"), "ada", PASSWORDS["ada"])
            assert answer.status_code == 503
            assert "学校账户：目录服务暂时没有响应" in words(answer.text)
            wait_until(lambda: is_in(browser) and "wang stays signed in" in hub.log, "the hub has looked in vain")
            assert is_in(browser)
            local = visit()
            assert try_to_sign_in(local, "visitor", GOOD, by="local").status_code == 302
        finally:
            slapd.start()
        assert is_in(visit("ada"))

    def test_slow_keeps_nobody_else_waiting(self, hub, visit):
        """Whoever signs in waits for a directory that says nothing; the pages of everybody else do not."""
        answers: list[int] = []
        waiting = [threading.Thread(target=lambda: answers.append(stuck(hub))) for _ in range(8)]
        for thread in waiting:
            thread.start()
        wait_until(lambda: hub.log.count("silent is asked") >= 8, "eight people wait")
        assert [visit().get("/hub/login").status_code for _ in range(10)] == [200] * 10
        assert is_in(visit("ada"))
        assert answers == [], "they still wait"
        for thread in waiting:
            thread.join()
        assert answers == [503] * 8


def stuck(hub: LocalHub) -> int:
    with contextlib.closing(Browser(hub.url.removesuffix("/hub"))) as browser:
        return try_to_sign_in(browser, f"user-{secrets.token_hex(4)}", "x", by="silent").status_code


class TestCourses:
    def test_groups_of_the_directory_and_of_rosters_side_by_side(self, hub, visit, boss):
        visit("ada")
        groups = user(boss, "ada")["groups"]
        assert {"university:gpu-users", "university:students", "university:course:tf101", "course:tf101"} <= set(
            groups
        )
        visit("ada")
        assert user(boss, "ada")["groups"] == groups, "a roster survives a sign-in"

    def test_a_group_of_the_directory_named_like_a_course_gives_nothing(self, slapd, visit, boss):
        slapd.modify(
            f"dn: cn=instructors:tf101,{GROUPS}\nchangetype: add\nobjectClass: groupOfNames\n"
            f"cn: instructors:tf101\nmember: {dn_of('joerg')}\n"
        )
        browser = visit("joerg")
        assert "university:instructors:tf101" in user(boss, "joerg")["groups"]
        assert "course:tf101" not in user(boss, "joerg")["groups"]
        assert api(browser, "/users/ada").status_code == 404
        assert browser.get("/hub/admin").status_code == 403

    def test_an_instructor_sees_their_course_and_nothing_else(self, hub, visit, boss):
        for uid in ("ada", "wang", "joerg"):
            visit(uid)
        prof = visit("prof")
        assert user(boss, "prof")["admin"] is False
        assert prof.get("/hub/admin").status_code == 200
        seen = {one["name"] for one in api(prof, "/users").json()}
        assert seen == {"ada", "wang"}
        for name in ("joerg", "boss", "local:ada"):
            assert api(prof, f"/users/{quote(name, safe='')}").status_code == 404
        assert api(prof, "/groups").status_code == 403
        assert api(prof, "/groups/course:tf101").json()["users"]
        assert api(prof, "/groups/university:staff").status_code in (403, 404)

    def test_an_instructor_changes_nothing_but_servers(self, visit, boss):
        visit("ada")
        visit("joerg")
        prof = visit("prof")
        forbidden = [
            ("POST", "/users/mallory", None),
            ("DELETE", "/users/ada", None),
            ("PATCH", "/users/ada", {"admin": True}),
            ("PATCH", "/users/prof", {"admin": True}),
            ("POST", "/groups/course:tf101/users", {"users": ["joerg"]}),
            ("POST", "/groups/instructors:tf101/users", {"users": ["joerg"]}),
            ("DELETE", "/groups/course:tf101/users", {"users": ["ada"]}),
            ("POST", "/groups/mine", None),
            ("POST", "/users/ada/tokens", None),
            ("POST", "/users/joerg/server", None),
            ("DELETE", "/users/joerg/server", None),
            ("POST", "/shutdown", None),
        ]
        for method, path, body in forbidden:
            assert api(prof, path, method, json=body).status_code in (403, 404), (method, path)
        assert api(prof, "/users/ada/server", "DELETE").status_code == 204, "allowed; it was not running"
        assert "course:tf101" not in user(boss, "joerg")["groups"]

    def test_a_changed_roster_reaches_those_who_are_away(self, hub, visit, boss):
        visit("ada")
        prof = visit("prof")
        write_rosters(hub.folder, {"tf101": {"instructors": ["prof"], "students": ["wang"]}})
        try:
            wait_until(lambda: "course:tf101" not in user(boss, "ada")["groups"], "ada is off the course")
            assert api(prof, "/users/ada").status_code == 404
            assert "university:students" in user(boss, "ada")["groups"]
            write_rosters(hub.folder, {"tf101": {"instructors": [], "students": ["wang"]}})
            wait_until(lambda: api(prof, "/users/wang").status_code == 404, "prof does not teach any more")
            by_group = {"instructors": ["prof"], "students": [], "groups": ["university:cs-students"]}
            write_rosters(hub.folder, {"ml-2": by_group})
            wait_until(
                lambda: "course:ml-2" in user(boss, "ada")["groups"], "a course of a group of the directory"
            )
            wait_until(lambda: api(prof, "/users/ada").status_code == 200, "a course that came while the hub ran")
        finally:
            write_rosters(hub.folder, {"tf101": {"instructors": ["prof"], "students": ["ada", "wang"]}})


class TestClosedByDefault:
    def test_empty_lists_let_nobody_in_and_say_so_at_start(self, hub, visit):
        assert "NOBODY may come in by closed" in hub.log
        for uid in ("boss", "ada"):
            answer = try_to_sign_in(visit(), uid, PASSWORDS[uid], by="closed")
            assert (answer.status_code, "You may not use this hub" in words(answer.text)) == (403, True)
