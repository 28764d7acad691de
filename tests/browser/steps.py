"""What a person does in a real browser, for several tests: sign in, run a cell."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.hubs.running import RunningHub

PATIENCE_MS = 120_000
"""TensorFlow's first import on two busy cores takes up to half a minute."""


def sign_in(page: Page, hub: RunningHub, name: str) -> None:
    """Sign in through the page, with an account that is made here."""
    hub.add_account(name)
    page.goto(hub.url)
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(hub.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/hub/**")


def run_in_a_notebook(page: Page, code: str) -> None:
    """Open a notebook from Lab's launcher, type `code` into its first cell and run it."""
    page.locator(".jp-LauncherCard[data-category=Notebook]").first.click()
    # before the kernel is idle, what is typed is lost
    expect(page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]")).to_be_visible(timeout=PATIENCE_MS)
    cell = page.locator(".jp-Notebook .cm-content").first
    cell.click()
    expect(cell).to_be_focused()
    page.keyboard.insert_text(code)
    expect(cell).to_contain_text(code.splitlines()[-1])
    _run_cell(page)


def _run_cell(page: Page) -> None:
    """Run the cell that is being edited. Lab drops a run in a kernel's first moments: then again, as people do."""
    prompt = page.locator(".jp-InputPrompt").first
    for _ in range(10):
        page.keyboard.press("Control+Enter")
        try:
            expect(prompt).not_to_have_text(re.compile(r"\[\s*\]:"), timeout=2000)
        except AssertionError:
            continue
        return
    raise AssertionError("the cell does not run")
