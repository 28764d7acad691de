"""A real Chromium for the tests of this folder, pages in it, and a place for their screenshots."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

OUTPUT = Path(__file__).parents[1] / "output"
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
)
LABS_OWN = ("Canceled future for ", "Failed to fetch on ")
"""Lab throws these for each request without an answer when a kernel or a server dies, or its page closes."""


# One for the whole folder: there can be only one Playwright at a time in a thread. Not one for the whole session:
# while it lives no test of coroutines can run.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("PYTHON_BROWSER", "/usr/bin/chromium"), args=ARGUMENTS.split()
        )
        yield browser
        browser.close()


@pytest.fixture
def new_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """`new_page("zh-CN")` is a page of a browser that knows nobody yet; an uncaught error in it fails the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def make(locale: str = "en-GB", width: int = 1280, height: int = 800) -> Page:
        contexts.append(chromium.new_context(locale=locale, viewport={"width": width, "height": height}))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(f"{error} on {page.url}: {error.stack}"))
        return page

    yield make
    for context in contexts:
        context.close()
    assert [error for error in errors if not (error.startswith(LABS_OWN) and "/lab" in error)] == []


@pytest.fixture
def shoot(request: pytest.FixtureRequest) -> Callable[[Page, str], None]:
    """`shoot(page, "progress")` writes tests/output/<test module>/progress.png."""
    folder = OUTPUT / request.path.stem.removeprefix("test_")

    def take(page: Page, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{name}.png")

    return take
