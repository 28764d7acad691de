"""A kernel that runs out of memory in a workspace that the Hub started: told once, in Lab, in the Hub's words."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import PATIENCE_MS, run_in_a_notebook, sign_in
from tests.hubs.running import RunningHub

pytestmark = [pytest.mark.browser, pytest.mark.hub, pytest.mark.image]

MEMORY = "#tf29-workspace-memory"
TOAST = ".jp-toastContainer .jp-toast-message"


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
