"""GitHub, which speaks OAuth 2 without OpenID Connect: who it is, their teams and addresses come from its API."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

from oauthenticator.github import GitHubOAuthenticator
from requests.utils import parse_header_links

from ..oauth_settings import GitHubMethod
from .authenticator import OAuthWay, Person
from .claims import MAX_GROUPS, domain_of
from .client import parsed
from .errors import NoLonger, ProviderDown
from .start import Start

MAX_PAGES = 10
"""Of a hundred organizations or teams each."""


class GitHubAuthenticator(OAuthWay, GitHubOAuthenticator):
    """`type: github`, github.com or an Enterprise Server.

    The name is the login, which its owner can change and another can then take: the account's number tells them
    apart. Without an ID token there is nothing to verify; state and PKCE bind the answer to this browser.
    """

    method: GitHubMethod

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.github_url = self.method.url.rstrip("/")
        needed = ["read:user", *(["read:org"] if self._asks_groups else [])]
        needed += ["user:email"] if self.method.allowed_domains else []
        self.scope = list(dict.fromkeys([*needed, *self.method.scopes]))

    @property
    def _asks_groups(self) -> bool:
        return bool(self.method.allowed_groups or self.method.admin_groups or "read:org" in self.method.scopes)

    async def identify(self, answer: dict[str, Any], start: Start) -> Person:
        lasts_s = answer.get("expires_in")  # of a GitHub App's tokens; those of an OAuth app last
        state = {
            "access_token": answer["access_token"],
            "access_ends": time.time() + lasts_s if isinstance(lasts_s, (int, float)) else None,
            "refresh_token": answer.get("refresh_token"),
        }
        return await self._person(state)

    async def ask_again(self, state: dict[str, Any]) -> Person:
        if state["access_ends"] is None or time.time() < state["access_ends"]:
            return await self._person(state)
        if not state.get("refresh_token"):
            raise NoLonger("the token of the sign-in has expired")
        return await self.identify(await self.renew(state["refresh_token"]), Start.new(self.name, ""))

    async def _person(self, state: dict[str, Any]) -> Person:
        token = state["access_token"]
        user = await self.client.get(self.userdata_url, token)
        if not isinstance(user, dict) or not isinstance(user.get("id"), int) or not user.get("login"):
            raise ProviderDown("GitHub's answer is not about a user")
        groups = await self._groups(token) if self._asks_groups else []
        domains = await self._domains(token) if self.method.allowed_domains else frozenset()
        return Person(str(user["id"]), str(user["login"]), groups, domains, state)

    async def _groups(self, token: str) -> list[str]:
        """`org` for each organization, `org:team` for each team, by their slugs."""
        organizations = await self._all_pages(f"{self.github_api}/user/orgs?per_page=100", token)
        teams = await self._all_pages(f"{self.github_api}/user/teams?per_page=100", token)
        found = {str(one["login"]) for one in organizations}
        found |= {f"{team['organization']['login']}:{team['slug']}" for team in teams}
        return sorted(name.lower() for name in found)[:MAX_GROUPS]

    async def _domains(self, token: str) -> frozenset[str]:
        rows = await self._all_pages(f"{self.github_api}/user/emails?per_page=100", token)
        verified = [domain_of(row.get("email")) for row in rows if row.get("verified") is True]
        return frozenset().union(*verified)

    async def _all_pages(self, url: str, token: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for _ in range(MAX_PAGES):
            response = await self.client.fetch(url, token, headers={"Accept": "application/vnd.github+json"})
            page = parsed(response, url)
            if not isinstance(page, list):
                raise ProviderDown("GitHub's answer is not a list")
            rows += [row for row in page if isinstance(row, dict)]
            links = parse_header_links(response.headers.get("Link", ""))
            following = next((link["url"] for link in links if link.get("rel") == "next"), "")
            if not following or urlsplit(following).netloc != urlsplit(url).netloc:  # the token goes nowhere else
                break
            url = following
        return rows
