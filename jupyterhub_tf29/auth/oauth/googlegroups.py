"""Groups of a Google Workspace domain, read by a service account in the name of one of its admins.

Google puts groups into no token. oauthenticator has this too, on google-auth, whose requests would stop the hub's
event loop while they wait; it takes one signed form and one list.
"""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

import jwt

from .claims import MAX_GROUPS
from .client import Client
from .errors import NoLonger, ProviderDown

SCOPE = "https://www.googleapis.com/auth/admin.directory.group.readonly"
TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105  (an address)
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LASTS_S = 3600
EARLY_S = 60
"""A token is not used in its last minute."""


class GoogleGroups:
    """`of(address)` is who is in what. Made for one event loop."""

    def __init__(self, client: Client, key: str, admin: str, api_url: str) -> None:
        """`key`: the service account's key file, JSON. Raises ValueError where it is none."""
        try:
            account = json.loads(key)
            self._account, self._private_key = account["client_email"], account["private_key"]
            self._token_url = account.get("token_uri", TOKEN_URL)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                "the service account's key is not a JSON key file as Google's console gives it"
            ) from error
        self._client, self._admin, self._api_url = client, admin, api_url.rstrip("/")
        self._token, self._ends = "", 0.0

    async def of(self, address: str) -> list[str]:
        """The addresses of the groups that `address` is a direct member of. Raises ProviderDown."""
        groups: list[str] = []
        page = ""
        while len(groups) < MAX_GROUPS:
            query = urlencode({"userKey": address, "maxResults": 200, **({"pageToken": page} if page else {})})
            answer = await self._ask(f"{self._api_url}/admin/directory/v1/groups?{query}")
            rows = answer.get("groups") or []
            groups += [row["email"].lower() for row in rows if isinstance(row, dict) and "email" in row]
            page = answer.get("nextPageToken") or ""
            if not page:
                break
        return sorted(set(groups))[:MAX_GROUPS]

    async def _ask(self, url: str) -> dict[str, Any]:
        try:
            answer = await self._client.get(url, await self._fresh_token())
        except NoLonger as error:  # the hub's own right to look, and not the person's
            self._token = ""
            raise ProviderDown(
                f"{error}: the service account may not read groups; see docs/sign-in-oidc.md"
            ) from error
        if not isinstance(answer, dict):
            raise ProviderDown(f"{self._api_url} answered with something that is no list of groups")
        return answer

    async def _fresh_token(self) -> str:
        now = time.time()
        if not self._token or now > self._ends - EARLY_S:
            claims = {"iss": self._account, "sub": self._admin, "scope": SCOPE, "aud": self._token_url}
            signed = jwt.encode({**claims, "iat": int(now), "exp": int(now) + LASTS_S}, self._private_key, "RS256")
            answer = await self._client.post(self._token_url, {"grant_type": GRANT, "assertion": signed})
            self._token, self._ends = answer["access_token"], now + float(answer.get("expires_in", LASTS_S))
        return self._token
