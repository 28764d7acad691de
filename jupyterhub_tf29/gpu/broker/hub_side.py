"""The broker's view of the Hub: start a ticket's server, stop one that must end, see whether its user came.

The token is a service's, with the least scopes that do this (`registration`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

import httpx

CALL_TIMEOUT_S = 60.0
"""The Hub answers a start after its `slow_spawn_timeout` of 10 s at the latest, but may be busy with a class."""

Start = Literal["accepted", "blocked", "refused", "later", "failed", "unheard"]
Stop = Literal["accepted", "gone", "later", "unheard"]


@dataclass(frozen=True)
class Server:
    """A server as the Hub has it. Times are epoch seconds, 0 where the Hub has none."""

    ready: bool
    pending: str
    active_at: float
    """Its own last activity, which it reports every five minutes."""
    user_active_at: float
    """Its user's: also their passing through the Hub's sign-in on the way to it, at once."""


class HubSide:
    """`url` is that of the Hub's API, such as `http://172.29.0.1:8081/hub/api`."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"token {token}"}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=CALL_TIMEOUT_S, trust_env=False)

    async def close(self) -> None:
        await self._http.aclose()

    async def start(self, user: str, server: str, options: dict[str, Any]) -> tuple[Start, str]:
        """Ask for a server; what came of it, and the Hub's words."""
        # bare, as every version of JupyterHub takes them; an option of the menu is never called `user_options`
        try:
            response = await self._http.post(_path(user, server), json=options)
        except httpx.HTTPError as error:
            return "unheard", f"{type(error).__name__}: {error}"
        status, words = response.status_code, _message(response)
        if status < 300:
            return "accepted", ""
        if status == 400 and ("already running" in words or "is pending" in words):
            return "blocked", words
        if status in (429, 502, 503, 504, 507):
            return "later", words
        if status in (400, 404, 409, 422):
            return "refused", words
        return "failed", f"{status} {words}"

    async def stop(self, user: str, server: str) -> tuple[Stop, str]:
        """Ask for its end; what came of it, and the Hub's words."""
        try:
            response = await self._http.delete(_path(user, server))
        except httpx.HTTPError as error:
            return "unheard", f"{type(error).__name__}: {error}"
        status, words = response.status_code, _message(response)
        if status in (202, 204):
            # 204 is also said of a default server that does not run
            return "accepted", ""
        if status == 404 or (status == 400 and "not running" in words):
            return "gone", words
        return "later", f"{status} {words}"

    async def server(self, user: str, server: str) -> Server | Literal["unheard"] | None:
        """How a server is; None where it does not run and is not on its way."""
        try:
            response = await self._http.get(f"/users/{quote(user, safe='')}")
        except httpx.HTTPError:
            return "unheard"
        if response.status_code == 404:
            return None
        if response.status_code != 200:
            return "unheard"
        model = response.json()
        one = (model.get("servers") or {}).get(server)
        if not one or not (one.get("ready") or one.get("pending")):
            return None
        return Server(
            ready=bool(one.get("ready")),
            pending=one.get("pending") or "",
            active_at=_epoch(one.get("last_activity")),
            user_active_at=_epoch(model.get("last_activity")),
        )


def _path(user: str, server: str) -> str:
    path = f"/users/{quote(user, safe='')}"
    return f"{path}/servers/{quote(server, safe='')}" if server else f"{path}/server"


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json().get("message") or "")
    except (ValueError, AttributeError):
        return response.text[:200]


def _epoch(text: str | None) -> float:
    if not text:
        return 0.0
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
