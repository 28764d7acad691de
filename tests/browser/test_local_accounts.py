"""The way of an account through a real browser: asked for, approved, used, changed, disabled.

Walked in English on a wide screen and in Chinese on a phone; screenshots are in tests/output/local_accounts.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from jupyterhub_tf29.i18n import translator
from tests.hubs.localhub import LocalHub, local_hub

pytestmark = [pytest.mark.hub, pytest.mark.browser]

OUTPUT = Path(__file__).parents[1] / "output" / "local_accounts"
GOOD, OTHER = "walnut-harbour-seven", "quiet-lantern-orbit"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    with local_hub(tmp_path_factory.mktemp("hub"), admins=["boss"]) as running:
        made = running.user("add", "boss", "--password-file", "-", stdin=GOOD)
        assert made.returncode == 0, made.stderr
        yield running


class Someone:
    """A person in front of a browser of their own."""

    def __init__(self, browser: Browser, hub: LocalHub, language: str, width: int, shots: str) -> None:
        self._hub, self._shots, self.say = hub, shots, translator(language)
        self.context: BrowserContext = browser.new_context(
            locale=language, viewport={"width": width, "height": 800}
        )
        self.page: Page = self.context.new_page()
        self.page.on("dialog", lambda dialog: dialog.accept())

    def open(self, path: str) -> None:
        self.page.goto(f"{self._hub.url}/{path}")

    def sign_in(self, name: str, password: str) -> None:
        self.open("login")
        self.page.fill("#username_input", name)
        self.page.fill("#password_input", password)
        self.page.click("#login_submit")

    def sees(self, selector: str, sentence: str, **values: object) -> None:
        """The element says the sentence in the reader's language."""
        expect(self.page.locator(selector)).to_contain_text(self.say(sentence).format(**values))

    def press(self, part: str, name: str, button: str) -> None:
        row = self.page.locator(f"#{part} > [data-name='{name}']")
        row.get_by_role("button", name=self.say(button), exact=True).click()

    def shot(self, name: str) -> None:
        OUTPUT.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=OUTPUT / f"{self._shots}-{name}.png", full_page=True)


@pytest.fixture(params=[("en-GB", 1200), ("zh-CN", 390)], ids=["english-wide", "chinese-phone"])
def someone(request: pytest.FixtureRequest, chromium: Browser, hub: LocalHub) -> Iterator[Callable[[], Someone]]:
    """`someone()` is a new person, all of one language and screen."""
    people: list[Someone] = []

    def arrive() -> Someone:
        people.append(Someone(chromium, hub, *request.param, shots=request.node.callspec.id))
        return people[-1]

    yield arrive
    for person in people:
        person.context.close()


def test_from_sign_up_to_disabled(hub: LocalHub, someone: Callable[[], Someone]) -> None:
    name = f"wang.fang-{secrets.token_hex(3)}"
    user, admin = someone(), someone()

    user.open("login")
    user.shot("1-sign-in")
    user.page.click("#signup-link")
    ask_for_account(user, name, "qwertyuiop12")
    expect(user.page.locator("#form-error")).to_be_visible()
    user.shot("2-weak-password")
    ask_for_account(user, name, GOOD)
    user.sees("#signup-sent", "Your request for the name {name} has been sent.", name=name)
    user.shot("3-sent")
    user.sign_in(name, GOOD)
    user.sees("#login-error", "Your request for this account is waiting for an admin's approval. Try again later.")
    user.shot("4-waiting")

    admin.sign_in("boss", GOOD)
    expect(admin.page.locator("#nav-accounts .badge")).to_have_text("1")
    open_from_bar(admin, "#nav-accounts")
    admin.shot("5-accounts")
    admin.press("waiting", name, "Approve")
    admin.sees("#done", "{name} may sign in now.", name=name)

    user.sign_in(name, GOOD)
    expect(user.page).to_have_url(re.compile("/hub/home$"))
    user.shot("6-home")
    expect(user.page.locator("#nav-accounts")).to_have_count(0)
    elsewhere = someone()
    elsewhere.sign_in(name, GOOD)
    expect(elsewhere.page).to_have_url(re.compile("/hub/home$"))
    open_from_bar(user, "#nav-password")
    change_password(user, GOOD, OTHER)
    expect(user.page.locator("#password-changed")).to_be_visible()
    user.shot("7-password-changed")
    elsewhere.open("home")
    expect(elsewhere.page).to_have_url(re.compile("/hub/login"))

    admin.open("accounts")
    admin.press("accounts", name, "Disable")
    gone = "{name} cannot sign in any more, and their servers stop within two minutes. Their files stay."
    admin.sees("#done", gone, name=name)
    admin.shot("8-disabled")
    user.open("home")
    expect(user.page).to_have_url(re.compile("/hub/login"))
    user.sign_in(name, OTHER)
    user.sees("#login-error", "This account is disabled. Ask an admin of this hub.")
    user.shot("9-disabled")
    user.sign_in(name, GOOD)
    user.sees("#login-error", "Invalid username or password")


def test_a_user_added_on_the_stock_admin_page_gets_a_password(
    hub: LocalHub, someone: Callable[[], Someone]
) -> None:
    name = f"lin-{secrets.token_hex(3)}"
    admin, user = someone(), someone()
    admin.sign_in("boss", GOOD)
    admin.open("admin")
    admin.page.get_by_role("button", name="Add Users").click()
    admin.page.get_by_role("textbox").first.fill(name)
    admin.page.get_by_role("button", name="Add Users").click()
    expect(admin.page.get_by_test_id(f"user-name-div-{name}")).to_be_visible()

    admin.open("accounts")
    admin.press("without-account", name, "Make an account")
    password = admin.page.locator("#new-password").inner_text()
    admin.shot("10-new-password")

    user.sign_in(name, password)
    expect(user.page.locator("#password-temporary")).to_be_visible()
    user.shot("11-choose-your-own")
    change_password(user, password, GOOD)
    expect(user.page).to_have_url(re.compile("/hub/home$"))


def ask_for_account(user: Someone, name: str, password: str) -> None:
    user.page.fill("#username", name)
    user.page.fill("#note", "王芳, deep learning course, wang@example.edu")
    user.page.fill("#password", password)
    user.page.fill("#again", password)
    user.page.locator("form button[type=submit]").click()


def change_password(user: Someone, current: str, new: str) -> None:
    user.page.fill("#current", current)
    user.page.fill("#password", new)
    user.page.fill("#again", new)
    user.page.locator("form button[type=submit]").click()


def open_from_bar(user: Someone, link: str) -> None:
    """A link of the navigation bar, which is folded away on a phone."""
    if not user.page.locator(link).is_visible():
        user.page.click(".navbar-toggler")
        user.page.locator(link).wait_for(state="visible")
    user.page.click(link)
