"""What a browser sends and gets, without its JavaScript: cookies, forms with their `_xsrf`, pages.

For what only a real browser can show there is tests/browser.
"""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import urlencode

import requests


class Browser:
    """One person's cookies."""

    def __init__(self, url: str, *, language: str = "en") -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Accept-Language"] = language
        # the Hub's pages say UTF-8 in the page, not in the header: requests would take Latin-1
        self.session.hooks["response"] = [_take_for_utf8]

    def close(self) -> None:
        self.session.close()

    def get(self, path: str, **kwargs: Any) -> requests.Response:
        return self.session.get(self.url + path, timeout=60, **kwargs)

    def post(self, path: str, fields: dict[str, Any] | None = None, **kwargs: Any) -> requests.Response:
        """Send a form; the `_xsrf` that belongs to these cookies is added."""
        data = {"_xsrf": self.xsrf(), **(fields or {})}
        return self.session.post(self.url + path, data=data, timeout=90, **kwargs)

    def xsrf(self) -> str:
        token = self.session.cookies.get("_xsrf", path="/hub/")
        if token is None:
            self.get("/hub/login")
            token = self.session.cookies.get("_xsrf", path="/hub/")
        assert token is not None, "the Hub has set no _xsrf cookie"
        return token

    def sign_in(self, name: str, password: str) -> None:
        self.get("/hub/login")
        response = self.post("/hub/login", {"username": name, "password": password}, allow_redirects=False)
        assert response.status_code == 302, f"sign-in of {name}: {response.status_code} {words(response.text)}"
        self.name = name

    def menu(self, server: str = "") -> requests.Response:
        """The page with the menu of workspaces."""
        return self.get(f"/hub/spawn/{self.name}{'/' + server if server else ''}")

    def start(self, fields: dict[str, Any], server: str = "") -> requests.Response:
        """Press Start on the menu with these fields; the answer is not followed."""
        path = f"/hub/spawn/{self.name}{'/' + server if server else ''}"
        return self.post(path, fields, allow_redirects=False)

    def start_by_link(self, query: dict[str, str], server: str = "") -> requests.Response:
        """Open a link that chooses and starts: /hub/spawn/NAME?…"""
        path = f"/hub/spawn/{self.name}{'/' + server if server else ''}?{urlencode(query)}"
        return self.get(path, allow_redirects=False)


def _take_for_utf8(response: requests.Response, **_: Any) -> None:
    response.encoding = "utf-8"


def words(page: str) -> str:
    """The words of an HTML page, without its scripts and tags."""
    bare = re.sub(r"(?s)<(script|style)\b.*?</\1>", " ", page)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", bare))).strip()
