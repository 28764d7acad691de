"""From the sign-in page to a running kernel and back out, with a directory: by somebody whose name is hard."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from playwright.sync_api import Locator, Page, expect

from jupyterhub_tf29.image.pin import Pin
from tests.browser.steps import PATIENCE_MS, run_in_a_notebook
from tests.directory.slapd import Slapd
from tests.directory.university import PASSWORDS, SEARCH_PASSWORD, dn_of
from tests.hubs.running import RunningHub
from tests.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.hub, pytest.mark.image]

UID = "li, wei (phys)"
COURSE = """
from jupyterhub_tf29.auth.groups import Place

PLACES = {"prof": Place("tf101", instructor=True), "li, wei (phys)": Place("tf101")}
c.SignIn.rosters = lambda user, groups: [PLACES[user]] if user in PLACES else []
"""
PROFILES = Path(__file__).parents[2] / "config" / "profiles.yaml"


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with Slapd(tmp_path_factory.mktemp("ldap") / "university") as running:
        yield running


@pytest.fixture(scope="module")
def hub(
    slapd: Slapd, engine: docker.DockerClient, notebook_image: Pin, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHub]:
    university = slapd.block(servers=[slapd.ldap], refresh="2s")
    small = {"memory": "2G", "memory_guarantee": "256M", "cpus": 2, "processes": 1024, "shared_memory": "256M"}
    running = RunningHub(
        tmp_path_factory.mktemp("hub") / "ldap",
        engine,
        notebook_image.image_id,
        profiles=PROFILES.read_text(encoding="utf-8"),
        extra=COURSE,
        settings={
            "sign_in": {"methods": [university, {"type": "local"}]},
            "limits": small,
            "start": {"timeout": 120},
        },
    )
    secret = running.paths.secrets / "university-bind-password"
    secret.write_text(SEARCH_PASSWORD)
    secret.chmod(0o600)
    running.start()
    yield running
    running.close()


def sign_in(page: Page, hub: RunningHub, uid: str, submit: str = "Sign in") -> None:
    page.goto(hub.url)
    page.locator("#username_input").fill(uid)
    page.locator("#password_input").fill(PASSWORDS[uid])
    page.get_by_role("button", name=submit).click()


def row(page: Page, name: str) -> Locator:
    """A user's line on the stock Admin page."""
    return page.get_by_test_id("user-row-name").filter(has_text=name)


def is_turned_away(page: Page, hub: RunningHub) -> bool:
    page.goto(f"{hub.url}/hub/home")
    return "/hub/login" in page.url


def test_in_to_a_kernel_and_out_again(
    hub: RunningHub, slapd: Slapd, new_page: Callable[..., Page], shoot: Callable[[Page, str], None]
) -> None:
    page = new_page()
    page.goto(f"{hub.url}/hub/login")
    expect(page.locator("#login-method")).to_have_text("University account")
    shoot(page, "page")
    page.get_by_role("button", name="Local account").click()
    expect(page.locator("#login-method")).to_have_text("Local account")
    expect(page.locator("#signup-link")).to_be_visible()
    shoot(page, "page-local")

    sign_in(page, hub, UID)
    page.wait_for_url(re.compile("/hub/(spawn|home)"))
    page.goto(f"{hub.url}/hub/spawn")
    page.get_by_label("CPU, small").check()
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".jp-DirListing-item", has_text="models")).to_be_visible(timeout=PATIENCE_MS)
    run_in_a_notebook(page, "import os; print('I am', os.environ['JUPYTERHUB_USER'])")
    expect(page.locator(".jp-OutputArea-output", has_text=f"I am {UID}")).to_be_visible(timeout=PATIENCE_MS)
    shoot(page, "kernel")

    page.goto(f"{hub.url}/hub/home")
    page.locator("#logout").click()
    expect(page.locator("#login-method")).to_have_text("University account")
    shoot(page, "out")
    page.goto(f"{hub.url}/hub/home")
    page.wait_for_url("**/hub/login?next=**")

    sign_in(page, hub, UID)
    page.wait_for_url(re.compile("/hub/(spawn|home)|/user/"))
    slapd.remove_member("cs-students", dn_of(UID))
    wait_until(lambda: is_turned_away(page, hub), "who left the group is out", timeout=60)
    sign_in(page, hub, UID)
    expect(page.locator("#login-error")).to_contain_text("You may not use this hub")
    shoot(page, "left-the-group")
    slapd.add_member("cs-students", dn_of(UID))


def test_an_admin_an_instructor_and_the_directory_goes_down(
    hub: RunningHub, slapd: Slapd, new_page: Callable[..., Page], shoot: Callable[[Page, str], None]
) -> None:
    page = new_page("zh-CN", width=390, height=800)
    page.goto(f"{hub.url}/hub/login")
    expect(page.locator("#login-method")).to_have_text("学校账户")
    expect(page.get_by_role("button", name="本地账户")).to_be_visible()
    shoot(page, "page-zh-phone")
    sign_in(page, hub, "boss", submit="登录")
    page.wait_for_url(re.compile("/hub/(spawn|home)"))
    page.goto(f"{hub.url}/hub/admin")
    expect(row(page, "boss")).to_be_visible(timeout=PATIENCE_MS)
    expect(row(page, UID)).to_be_visible()
    shoot(page, "admin")
    prof = new_page()
    sign_in(prof, hub, "prof")
    prof.wait_for_url(re.compile("/hub/(spawn|home)"))
    prof.goto(f"{hub.url}/hub/admin")
    expect(row(prof, UID)).to_be_visible(timeout=PATIENCE_MS)  # a student of theirs
    expect(row(prof, "boss")).to_have_count(0)
    shoot(prof, "instructor")
    slapd.stop()
    try:
        page.goto(f"{hub.url}/hub/home")
        expect(page.locator("#logout")).to_be_attached()
        visitor = new_page("zh-CN", width=390, height=800)
        sign_in(visitor, hub, "ada", submit="登录")
        expect(visitor.locator("#login-error")).to_contain_text("学校账户：目录服务暂时没有响应")
        shoot(visitor, "down-zh-phone")
    finally:
        slapd.start()
