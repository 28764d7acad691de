"""A browser at a hub and a provider, one step at a time: for sign-in by OAuth as people and attackers do it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import requests

from .browser import words
from .localhub import LocalHub


class Visitor:
    """One person's cookies. Redirects are steps of their own."""

    def __init__(self, hub: LocalHub) -> None:
        self.hub = hub
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, url: str, **kwargs: Any) -> requests.Response:
        """A page of the hub (`/home`), or any address."""
        url = url if url.startswith("http") else self.hub.url + url
        response = self.session.get(url, allow_redirects=False, timeout=30, **kwargs)
        response.encoding = "utf-8"
        return response

    def leave(self, method: str = "oidc", next_url: str = "") -> str:
        """Press the button: the address at the provider."""
        query = f"?next={quote(next_url, safe='')}" if next_url else ""
        response = self.get(f"/login/{method}/oauth_login{query}")
        assert response.status_code == 302, words(response.text)
        return response.headers["Location"]

    def way_back(self, method: str = "oidc", next_url: str = "") -> str:
        """Leave, be signed in at the provider: the address to which it sends the browser."""
        return self.get(self.leave(method, next_url)).headers["Location"]

    def sign_in(self, method: str = "oidc", next_url: str = "") -> requests.Response:
        """All the way; the answer is that of the hub's page for the way back."""
        return self.get(self.way_back(method, next_url))

    @property
    def name(self) -> str:
        """Who this browser is at the hub; empty for nobody."""
        page = self.get("/home")
        found = re.search(r'user: "([^"]*)"', page.text) if page.status_code == 200 else None
        return found.group(1) if found else ""
