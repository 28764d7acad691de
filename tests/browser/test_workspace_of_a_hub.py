"""A kernel that runs out of memory in a workspace that the Hub started: told once, in Lab, in the Hub's words."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.hubs.running import RunningHub

pytestmark = [pytest.mark.browser, pytest.mark.hub, pytest.mark.image]

PATIENCE_MS = 120_000
MEMORY = "#tf29-workspace-memory"
TOAST = ".jp-toastContainer .jp-toast-message"


def sign_in(page: Page, hub: RunningHub, name: str) -> None:
    hub.add_account(name)
    page.goto(hub.url)
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(hub.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/hub/**")


def run_in_a_notebook(page: Page, code: str) -> None:
    page.locator(".jp-LauncherCard[data-category=Notebook]").first.click()
    # before the kernel is idle, what is typed is lost
    expect(page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]")).to_be_visible(timeout=PATIENCE_MS)
    cell = page.locator(".jp-Notebook .cm-content").first
    cell.click()
    expect(cell).to_be_focused()
    page.keyboard.insert_text(code)
    expect(cell).to_contain_text(code)
    page.keyboard.press("Shift+Enter")


def test_a_kernel_that_runs_out_of_memory_is_told_in_lab(
    notebook_hub: RunningHub, new_page: Callable[..., Page], shoot: Callable[[Page, str], None]
) -> None:
    page = new_page()
    sign_in(page, notebook_hub, "wilma")
    notebook_hub.api.start("wilma", options={"profile": "cpu-small"}, timeout=120)
    page.goto(f"{notebook_hub.url}/user/wilma/lab")
    expect(page.locator(MEMORY)).to_contain_text("/ 4 GiB", timeout=PATIENCE_MS)
    run_in_a_notebook(page, "x = bytearray(10**10)")
    expect(page.locator(TOAST, has_text="4 GiB")).to_be_visible(timeout=PATIENCE_MS)
    with page.expect_response("**/tf29/status*", timeout=PATIENCE_MS):
        pass
    with page.expect_response("**/tf29/status*", timeout=PATIENCE_MS):
        pass
    expect(page.locator(TOAST, has_text="4 GiB")).to_have_count(1)  # the page's own words did not come as well
    shoot(page, "kernel-killed")
    notebook_hub.api.stop("wilma")
