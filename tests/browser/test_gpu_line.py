"""The line for GPUs as people see it: the menu before Start, a place that moves by itself, given up, and its turn.

On GPUs that are not real and the stub image; screenshots are in tests/output/gpu_line.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import sign_in
from tests.gpulab.engine import GpuEngine
from tests.hubs.gpuhub import GpuHub

pytestmark = [pytest.mark.browser, pytest.mark.hub]

IN_AN_HOUR = r"in about 1 hour( 5 minutes)? \(an estimate\)"
"""The lease's hour begins when the server does, and estimates are rounded up."""
ALL_TAKEN = re.compile(f"All taken: you would be first, {IN_AN_HOUR}")

SOON_MS = 20_000
"""The menu looks every five seconds."""


@pytest.fixture(scope="module")
def hub(gpu_engine: GpuEngine, stub_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GpuHub]:
    gpu_engine.lab.start(gpus=1)
    with contextlib.closing(GpuHub(tmp_path_factory.mktemp("line") / "hub", gpu_engine, stub_image)) as hub:
        hub.start()
        yield hub


def choose_gpu(page: Page) -> None:
    page.locator("#profile-gpu").check()


def press_start(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_the_line_moves_on_the_page_and_leads_to_the_server(
    hub: GpuHub, new_page: Callable[..., Page], shoot: Callable[[Page, str], None]
) -> None:
    bob, cai = new_page(), new_page("zh-CN", width=390, height=844)
    sign_in(bob, hub, "bob")
    line = bob.locator(".tf29-gpu[data-live=gpu]")
    expect(line).to_contain_text("1 of 1 free, starts at once")
    hub.api.start("ada", options={"profile": "gpu"})
    expect(line).to_contain_text(ALL_TAKEN, timeout=SOON_MS)
    expect(line.locator(".tf29-lease")).to_be_hidden()
    choose_gpu(bob)
    expect(line.locator(".tf29-lease")).to_contain_text("For 1 hour. The server stops when its time is up")
    shoot(bob, "menu-all-taken")
    press_start(bob, "Start")
    place = bob.locator(".tf29-place")
    expect(place).to_contain_text(re.compile(rf"You are first in the line, {IN_AN_HOUR}\."))
    expect(bob.locator(".spawn-error-msg")).to_have_count(0)
    shoot(bob, "place-first")

    hub.add_account("cai")
    cai.goto(hub.url)
    cai.fill("#username_input", "cai")
    cai.fill("#password_input", hub.password)
    cai.click("#login_submit")
    choose_gpu(cai)
    press_start(cai, "启动")
    expect(cai.locator(".tf29-place")).to_contain_text("第 2 位")
    shoot(cai, "place-second-chinese-phone")
    cai.evaluate("window.sameDocument = true")
    bob.get_by_role("button", name="Give up this place").click()
    expect(bob.locator(".spawn-error-msg")).to_have_text("You have given up your place in the line.")
    expect(place).to_have_count(0)
    shoot(bob, "given-up")
    expect(cai.locator(".tf29-place")).to_contain_text("第 1 位", timeout=SOON_MS)
    assert cai.evaluate("window.sameDocument"), "it moved without a reload"

    hub.api.stop("ada")
    cai.wait_for_url("**/user/cai/**", timeout=60_000)
    assert hub.gpus_inside("cai") == hub.held("cai") == hub.lab.uuids


def test_enter_in_a_field_starts_and_does_not_give_up_a_place(hub: GpuHub, new_page: Callable[..., Page]) -> None:
    hub.api.start("ada", options={"profile": "gpu"}) if not hub.claims() else None
    page = new_page()
    sign_in(page, hub, "dee")
    choose_gpu(page)
    press_start(page, "Start")
    expect(page.locator(".tf29-place")).to_be_visible()
    page.locator("#profile-gpu").press("Enter")
    expect(page.locator(".tf29-place")).to_be_visible()
    assert hub.ticket("dee") is not None
