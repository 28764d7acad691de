"""Sign-in as its attackers and its admins meet it: a real Hub and proxy, over HTTP."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Callable, Iterator

import pytest
import requests

from jupyterhub_tf29.auth.accounts import AccountStore
from tests.hubs.browser import Browser, words
from tests.hubs.localhub import LocalHub, local_hub
from tests.waiting import wait_until

pytestmark = pytest.mark.hub

GOOD, OTHER = "walnut-harbour-seven", "quiet-lantern-orbit"
OUT_WITHIN_S = 15
"""`auth_refresh_age` is 1 s here; the rest is for a machine that is busy."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    with local_hub(tmp_path_factory.mktemp("hub"), admins=["boss", "other-boss"]) as running:
        tf29hub(running, "add", "boss", "--password-file", "-", stdin=GOOD)
        yield running
        log = running.log
    assert GOOD not in log
    assert OTHER not in log
    assert "Failed to get current user" not in log
    assert "Uncaught exception" not in log


@pytest.fixture
def visit(hub: LocalHub) -> Iterator[Callable[..., Browser]]:
    """`visit(name, password)`: a browser, signed in where a name is given."""
    with contextlib.ExitStack() as stack:

        def arrive(name: str = "", password: str = GOOD, language: str = "en") -> Browser:
            browser = Browser(hub.url.removesuffix("/hub"), language=language)
            stack.enter_context(contextlib.closing(browser))
            if name:
                browser.sign_in(name, password)
            return browser

        yield arrive


@pytest.fixture
def wang(hub: LocalHub) -> str:
    """Someone with an account whose password is GOOD."""
    return new_account(hub)


def tf29hub(hub: LocalHub, *args: str, stdin: str = "") -> str:
    done = hub.user(*args, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def new_name() -> str:
    return f"wang-{secrets.token_hex(4)}"


def new_account(hub: LocalHub) -> str:
    name, store = new_name(), AccountStore(hub.folder / "accounts.sqlite")
    store.add(name, GOOD, by="test")
    store.close()
    return name


def try_to_sign_in(browser: Browser, name: str, password: str) -> requests.Response:
    return browser.post("/hub/login", {"username": name, "password": password}, allow_redirects=False)


def is_in(browser: Browser) -> bool:
    return browser.get("/hub/home", allow_redirects=False).status_code == 200


def ask(browser: Browser, name: str, password: str = GOOD, note: str = "") -> requests.Response:
    return browser.post("/hub/signup", {"username": name, "password": password, "again": password, "note": note})


def act(browser: Browser, action: str, **fields: str) -> requests.Response:
    return browser.post("/hub/accounts", {"action": action, **fields})


class TestNothingIsGivenAway:
    def test_wrong_password_and_unknown_name_look_the_same(self, visit, wang):
        nobody = new_name()
        pages = [try_to_sign_in(visit(), name, OTHER) for name in (wang, nobody)]
        assert [page.status_code for page in pages] == [403, 403]
        known, unknown = (words(page.text).replace(wang, "X").replace(nobody, "X") for page in pages)
        assert known == unknown
        assert "Invalid username or password" in known

    def test_asking_for_a_taken_and_for_a_free_name_looks_the_same(self, visit, wang):
        free = new_name()
        taken_page, free_page = (ask(visit(), name, OTHER) for name in (wang, free))
        assert taken_page.status_code == free_page.status_code == 200
        assert words(taken_page.text).replace(wang, "X") == words(free_page.text).replace(free, "X")
        answers = [try_to_sign_in(visit(), name, OTHER) for name in (wang, free)]
        assert [answer.status_code for answer in answers] == [403, 403]
        for answer in answers:
            assert "waiting for an admin" in words(answer.text)

    def test_the_pages_are_closed_to_those_who_are_not_signed_in_or_no_admin(self, visit, wang):
        for path in ("/hub/accounts", "/hub/password"):
            answer = visit().get(path, allow_redirects=False)
            assert answer.status_code == 302
            assert answer.headers["Location"].startswith("/hub/login?next=")
        user = visit(wang)
        answer = user.get("/hub/accounts")
        assert answer.status_code == 403
        assert "This page is for admins" in words(answer.text)
        assert act(user, "new-password", name="boss").status_code == 403
        assert is_in(visit("boss"))

    def test_no_page_with_a_password_is_kept(self, visit):
        assert visit("boss").get("/hub/accounts").headers["Cache-Control"] == "no-store"


class TestForgedRequests:
    @pytest.mark.parametrize("path", ["login", "signup", "password", "accounts"])
    def test_a_form_without_the_token_of_this_browser_does_nothing(self, hub, visit, wang, path):
        admin = visit("boss")
        fields = {
            "login": {"username": wang, "password": GOOD},
            "signup": {"username": new_name(), "password": GOOD, "again": GOOD},
            "password": {"current": GOOD, "password": OTHER, "again": OTHER},
            "accounts": {"action": "disable", "name": wang},
        }[path]
        before = tf29hub(hub, "list", "--json")
        for token in ({}, {"_xsrf": visit("boss").xsrf()}):
            answer = admin.session.post(f"{hub.url}/{path}", data={**fields, **token}, timeout=60)
            assert answer.status_code == 403
        after = tf29hub(hub, "list", "--json")
        undated = [re.sub(r'"last_sign_in": .*', "", text) for text in (before, after)]
        assert undated[0] == undated[1]

    def test_a_link_does_nothing(self, hub, visit, wang):
        admin = visit("boss")
        for link in (f"action=disable&name={wang}", f"action=new-password&name={wang}"):
            assert admin.get(f"/hub/accounts?{link}").status_code == 200
        assert is_in(visit(wang))

    @pytest.mark.parametrize(
        "target", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"]
    )
    def test_nobody_is_sent_elsewhere(self, visit, wang, target):
        answer = visit().post(
            f"/hub/login?next={requests.utils.quote(target, safe='')}",
            {"username": wang, "password": GOOD},
            allow_redirects=False,
        )
        assert answer.status_code == 302
        assert re.fullmatch(r"/hub/(home|spawn)|/%5Cevil\.example", answer.headers["Location"])
        user = visit(wang)
        fields = {"current": GOOD, "password": OTHER, "again": OTHER, "next": target}
        answer = user.post("/hub/password", fields, allow_redirects=False)
        assert answer.status_code == 303
        assert re.fullmatch(r"/hub/password\?changed=1|/%5Cevil\.example", answer.headers["Location"])

    def test_what_people_write_is_text(self, visit):
        name, note = new_name(), "<script>alert(1)</script> {{ 7*7 }}"
        ask(visit(), name, note=note)
        page = visit("boss").get("/hub/accounts").text
        assert "<script>alert(1)" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7*7 }}" in page

    @pytest.mark.parametrize("fields", [{}, {"username": "wang"}, {"password": "x"}])
    def test_half_a_form(self, visit, fields):
        answer = visit().post("/hub/login", fields)
        assert answer.status_code == 400
        assert "A name and a password are needed" in words(answer.text)


class TestWhoIsOut:
    """The command line works while the Hub runs; the Hub notices at its next look."""

    def test_disabled_on_the_command_line(self, hub, visit, wang):
        user = visit(wang)
        token = user.session.post(
            f"{hub.url}/api/users/{wang}/tokens", headers={"X-XSRFToken": user.xsrf()}, timeout=60
        ).json()["token"]

        def token_works() -> bool:
            headers = {"Authorization": f"token {token}"}
            return requests.get(f"{hub.url}/api/user", headers=headers, timeout=60).status_code == 200

        assert is_in(user)
        assert token_works()
        tf29hub(hub, "disable", wang)
        wait_until(lambda: not is_in(user), "the browser is out", OUT_WITHIN_S)
        wait_until(lambda: not token_works(), "the token is out", OUT_WITHIN_S)
        answer = try_to_sign_in(visit(), wang, GOOD)
        assert answer.status_code == 403
        assert "This account is disabled" in words(answer.text)
        tf29hub(hub, "enable", wang)
        assert is_in(visit(wang))

    def test_a_new_password_on_the_command_line(self, hub, visit, wang):
        user = visit(wang)
        tf29hub(hub, "passwd", wang, "--password-file", "-", stdin=OTHER)
        wait_until(lambda: not is_in(user), "the browser is out", OUT_WITHIN_S)
        newcomer = visit(wang, OTHER)
        assert is_in(newcomer)

    def test_disabled_on_the_page_is_out_at_once(self, visit, wang):
        user, admin = visit(wang), visit("boss")
        assert act(admin, "disable", name=wang).status_code == 200
        assert not is_in(user)
        assert act(admin, "enable", name=wang).status_code == 200
        assert is_in(visit(wang))

    def test_a_user_who_changed_their_password_stays_in_and_an_old_cookie_does_not(self, visit, wang):
        user, thief = visit(wang), visit()
        thief.session.cookies.update(user.session.cookies)
        assert is_in(thief)
        answer = user.post("/hub/password", {"current": GOOD, "password": OTHER, "again": OTHER})
        assert "Your password is changed" in words(answer.text)
        assert is_in(user)
        assert not is_in(thief)

    def test_deleted_on_the_stock_admin_page(self, hub, visit, wang):
        visit(wang)
        admin = visit("boss")
        answer = admin.session.delete(
            f"{hub.url}/api/users/{wang}", headers={"X-XSRFToken": admin.xsrf()}, timeout=60
        )
        assert answer.status_code == 204
        assert try_to_sign_in(visit(), wang, GOOD).status_code == 403
        assert wang not in tf29hub(hub, "list")


class TestAdmins:
    def test_nobody_becomes_an_admin_by_asking_for_the_name_of_one(self, hub, visit):
        ask(visit(), "other-boss")
        admin = visit("boss")
        assert "This is the name of an admin" in words(admin.get("/hub/accounts").text)
        answer = act(admin, "approve", name="other-boss")
        assert answer.status_code == 409
        assert "other-boss is an admin of this hub" in words(answer.text)
        assert try_to_sign_in(visit(), "other-boss", GOOD).status_code == 403

    def test_an_admin_cannot_shut_themselves_out(self, visit):
        admin = visit("boss")
        answer = act(admin, "disable", name="boss")
        assert answer.status_code == 409
        assert "You cannot disable your own account" in words(answer.text)
        assert is_in(visit("boss"))

    @pytest.mark.parametrize(
        "fields", [{"action": "nonsense"}, {}, {"action": "approve", "name": "nobody", "request": "x"}]
    )
    def test_forms_that_nobody_sent_by_the_page(self, visit, fields):
        answer = visit("boss").post("/hub/accounts", fields)
        assert answer.status_code in (400, 409)

    def test_a_new_password_is_temporary(self, visit, wang):
        answer = act(visit("boss"), "new-password", name=wang)
        (password,) = re.findall(r'id="new-password">([^<]+)<', answer.text)
        user = visit()
        sent_to = try_to_sign_in(user, wang, password).headers["Location"]
        assert sent_to.startswith("/hub/password?temporary=1")
        assert "Your password was made up for you" in words(user.get(sent_to).text)

    def test_a_user_is_added_under_their_normal_name_only(self, hub, visit):
        admin = visit("boss")
        headers = {"X-XSRFToken": admin.xsrf()}
        name = new_name()
        for spelling, status in ((name.upper(), 400), ("a b", 400), (name, 201)):
            answer = admin.session.post(f"{hub.url}/api/users/{spelling}", headers=headers, timeout=60)
            assert answer.status_code == status, spelling
        page = admin.get("/hub/accounts").text
        assert f'data-name="{name}"' in page[page.index("without-account") :]
        assert try_to_sign_in(visit(), name, GOOD).status_code == 403


def test_the_pages_speak_chinese(visit, wang):
    reader = visit(language="zh-CN,zh;q=0.9")
    assert "忘记密码？请联系管理员" in words(reader.get("/hub/login").text)
    assert "用户名或密码不正确" in words(try_to_sign_in(reader, wang, OTHER).text)
    assert "密码至少 10 个字符" in words(ask(reader, new_name(), "short").text)


def test_where_sign_up_is_closed(tmp_path):
    with (
        local_hub(tmp_path, sign_up="closed") as hub,
        contextlib.closing(Browser(hub.url.removesuffix("/hub"))) as visitor,
    ):
        page = visitor.get("/hub/login").text
        assert "/hub/signup" not in page
        assert "Accounts are made by the admins" in words(page)
        assert "<form" not in visitor.get("/hub/signup").text
        assert ask(visitor, "wang").status_code == 403
        assert '"waiting": []' in tf29hub(hub, "list", "--json")
        assert "There is no local account: nobody can sign in" in hub.log
