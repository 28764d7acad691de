"""Who comes to the console: a browser, or a program with a token."""

from __future__ import annotations

import re
import secrets
from typing import Any

import requests

from tests.hubs.browser import Browser, words
from tests.hubs.running import RunningHub
from tests.waiting import wait_until

PAGE, API = "/services/gpus/", "/services/gpus/api/v1/"
METRICS_TOKEN = secrets.token_hex(16)
"""Prometheus's, at the hub of these tests."""


class Person:
    """A browser at the console's page, which does what its script would."""

    def __init__(self, hub: RunningHub, browser: Browser) -> None:
        self.hub, self.browser = hub, browser
        self.name = browser.name

    def page(self, path: str = "", language: str = "en") -> requests.Response:
        return self.browser.get(PAGE + path, headers={"Accept-Language": language})

    def sees(self, *wanted: str, language: str = "en") -> str:
        """The page's HTML once all that is among its words: what has just happened is there a moment later."""

        def found() -> str:
            page = self.page(language=language).text
            return page if all(one in words(page) for one in wanted) else ""

        return wait_until(found, f"the page says {wanted}", timeout=15)

    def xsrf(self) -> str:
        found = re.search(r'data-xsrf="([^"]+)"', self.page().text)
        assert found, "the page has no XSRF token"
        return found[1]

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """The API, as the page's script calls it."""
        headers = {"X-XSRFToken": self.xsrf(), "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"} | headers
        return self.browser.session.request(
            method, self.browser.url + API + path, json=body, headers=headers, timeout=30, allow_redirects=False
        )


def token_of(hub: RunningHub, name: str, *scopes: str) -> dict[str, str]:
    """Headers of a program of that user with these scopes; without any: with all that the user may."""
    hub.api.add_user(name)
    body: dict[str, Any] = {"note": "test"}
    if scopes:
        body["scopes"] = ["access:services!service=gpus", *scopes]
    made = hub.api.call("POST", f"/users/{name}/tokens", body)
    made.raise_for_status()
    return {"Authorization": f"token {made.json()['token']}"}


def get(hub: RunningHub, path: str, headers: dict[str, str] | None = None, **kwargs: Any) -> requests.Response:
    return requests.get(hub.url + path, headers=headers, timeout=30, allow_redirects=False, **kwargs)


def new_name(prefix: str = "user") -> str:
    return f"{prefix}{secrets.token_hex(3)}"
