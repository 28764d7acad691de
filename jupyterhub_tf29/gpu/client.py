"""Asks the GPU broker: for the Hub and the console with asyncio, for the command line without.

The broker speaks HTTP on a Unix socket that only the hub's account can open. What it answers is described by the
TypedDicts here and in docs/gpu-broker.md; times are UTC epoch seconds, memory is in MiB.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict
from urllib.parse import quote

import httpx

SOCKET = "broker.sock"
"""In the state folder."""

_TIMEOUT_S = 10.0
"""The broker answers from memory and one small transaction; whoever waits longer has a sick machine."""

_EVENT_SILENCE_S = 60.0
"""The event stream sends an empty line every 15 s, so a longer silence is a dead broker."""

Text = dict[str, str]
"""A sentence in each language: `{"en": …, "zh": …}`."""


class HeldDevice(TypedDict):
    """One device of a claim; `mib` is None for a whole GPU or a MIG slice."""

    uuid: str
    mib: int | None


class Claim(TypedDict):
    """What a server holds."""

    id: str
    user: str
    server: str
    groups: list[str]
    request: dict[str, Any]
    devices: list[HeldDevice]
    state: Literal["reserved", "allocated", "draining"]
    since: float
    lease_end: float
    protected_until: float
    container_id: str | None
    share_mib: int | None
    profile: str
    ticket: str | None


class Ticket(TypedDict):
    """A place in the line. `place` counts from 1; `estimate_s` is seconds from now, None where nobody can tell."""

    id: str
    user: str
    server: str
    place: int
    estimate_s: float | None
    submitted: float
    request: dict[str, Any]
    lease_s: int
    reason: Text
    state: Literal["waiting", "held", "offered"]
    claim: str | None
    hold_until: float | None
    profile: str
    options: dict[str, Any]


class Forecast(TypedDict):
    """What would happen to a request that is made now."""

    free: int
    total: int
    now: bool
    possible: bool
    place: int
    estimate_s: float | None
    lease_s: int
    reason: Text


class Event(TypedDict, total=False):
    """Something that happened; `user`, `server`, `claim`, `device` only where it concerns one."""

    id: int
    time: float
    kind: str
    level: Literal["info", "warning", "error"]
    user: str
    server: str
    claim: str
    ticket: str
    device: str
    text: Text


class Placed(NamedTuple):
    """The answer to a wish: one of the two is not None."""

    claim: Claim | None
    ticket: Ticket | None


class BrokerUnavailable(Exception):
    """The broker does not answer, or not in time, or failed at this call; the text says which, for the log."""


class BrokerRefused(Exception):
    """The broker said no, and why: `text` for the user in each language, `code` for programs.

    Codes: `bad-request` (400), `unknown` (404), and with 409 `impossible`, `limit`, `busy`, `no-wait`, `state`.
    """

    def __init__(self, status: int, code: str, text: Text) -> None:
        super().__init__(text.get("en", code))
        self.status, self.code, self.text = status, code, text


class BrokerClient:
    """The broker, for asyncio. One for a process; `await close()` at its end.

    Every method raises BrokerUnavailable, and BrokerRefused where the broker says no.
    """

    def __init__(self, socket: Path, timeout_s: float = _TIMEOUT_S) -> None:
        """`socket` is `Paths.broker_socket`. The broker need not run yet: it connects at the first call."""
        self._socket = socket
        transport = httpx.AsyncHTTPTransport(uds=str(socket))
        self._http = httpx.AsyncClient(transport=transport, base_url=_BASE, timeout=timeout_s, trust_env=False)

    async def close(self) -> None:
        await self._http.aclose()

    # -- claims ------------------------------------------------------------------------------------------------

    async def claim(
        self,
        *,
        user: str,
        server: str,
        groups: Sequence[str],
        request: Mapping[str, Any],
        lease_s: int | None = None,
        profile: str = "",
        options: Mapping[str, Any] | None = None,
        may_wait: bool = True,
    ) -> Placed:
        """GPUs for this server now, or a place in the line (never both).

        `request` is `Request.to_json()`. What the server holds already, or what is held for its ticket, is
        answered again, so this is safe to repeat. `may_wait=False` refuses (`no-wait`) rather than queues.
        """
        body = {
            "user": user,
            "server": server,
            "groups": list(groups),
            "request": dict(request),
            "lease_s": lease_s,
            "profile": profile,
            "options": dict(options or {}),
            "may_wait": may_wait,
        }
        answer = await self._call("POST", "/v1/claims", body)
        return Placed(answer.get("claim"), answer.get("ticket"))

    async def commit(self, claim_id: str, container_id: str) -> Claim:
        """The container of this claim exists. Refused (`unknown`) where the claim was given back meanwhile."""
        body = {"container_id": container_id}
        return (await self._call("POST", f"/v1/claims/{_part(claim_id)}/commit", body))["claim"]

    async def release(self, claim_id: str, reason: str = "stopped") -> None:
        """Give it back; fine if it is gone already. The GPUs are free again when nothing uses them any more."""
        await self._call("DELETE", f"/v1/claims/{_part(claim_id)}", params={"reason": reason})

    async def claims(self, user: str | None = None) -> list[Claim]:
        return (await self._call("GET", "/v1/claims", params=_given(user=user)))["claims"]

    async def extend(self, claim_id: str, seconds: int) -> Claim:
        return (await self._call("POST", f"/v1/claims/{_part(claim_id)}/extend", {"seconds": seconds}))["claim"]

    async def end(self, claim_id: str, reason: str) -> None:
        """Stop the server that holds it, as the policy's notices do, but at once."""
        await self._call("POST", f"/v1/claims/{_part(claim_id)}/end", {"reason": reason})

    # -- the line ----------------------------------------------------------------------------------------------

    async def tickets(self, user: str | None = None) -> list[Ticket]:
        return (await self._call("GET", "/v1/tickets", params=_given(user=user)))["tickets"]

    async def ticket(self, ticket_id: str) -> Ticket:
        return (await self._call("GET", f"/v1/tickets/{_part(ticket_id)}"))["ticket"]

    async def cancel(self, ticket_id: str) -> None:
        """Give the place up; fine if it is gone already."""
        await self._call("DELETE", f"/v1/tickets/{_part(ticket_id)}")

    async def move(self, ticket_id: str, place: int) -> Ticket:
        return (await self._call("POST", f"/v1/tickets/{_part(ticket_id)}/move", {"place": place}))["ticket"]

    async def accept(self, ticket_id: str) -> Ticket:
        """Take the shorter lease that is on offer. Refused (`state`) where there is none."""
        return (await self._call("POST", f"/v1/tickets/{_part(ticket_id)}/accept", {}))["ticket"]

    async def explain(self, ticket_id: str) -> dict[str, Any]:
        return await self._call("GET", f"/v1/explain/{_part(ticket_id)}")

    async def forecast(
        self,
        *,
        user: str,
        groups: Sequence[str],
        requests: Mapping[str, Mapping[str, Any]],
        lease_s: Mapping[str, int] | None = None,
        server: str = "",
    ) -> dict[str, Forecast]:
        """For each of `requests` (a key of your own → `Request.to_json()`), what the menu says beside it.

        `lease_s`: by the same keys, for how long, where not for as long as the policy says.
        """
        body = {
            "user": user,
            "groups": list(groups),
            "requests": {key: dict(one) for key, one in requests.items()},
            "lease_s": dict(lease_s or {}),
            "server": server,
        }
        return await self._call("POST", "/v1/forecast", body)

    # -- devices, use, events ----------------------------------------------------------------------------------

    async def devices(self) -> dict[str, Any]:
        """`{"devices": [...], "problem", "driver_version", "cuda_version"}`; see docs/gpu-broker.md."""
        return await self._call("GET", "/v1/devices")

    async def drain(self, uuid: str, reason: str) -> None:
        await self._call("POST", f"/v1/devices/{_part(uuid)}/drain", {"reason": reason})

    async def return_device(self, uuid: str) -> None:
        await self._call("POST", f"/v1/devices/{_part(uuid)}/return", {})

    async def history(self, hours: float) -> dict[str, Any]:
        return await self._call("GET", "/v1/history", params={"hours": hours})

    async def usage(
        self, *, start: float, end: float, by: str = "user", user: str | None = None
    ) -> list[dict[str, Any]]:
        """Rows of `gpu_seconds` and `claims` by `user`, `group`, `month` or several of them (`user,month`)."""
        params = _given(**{"from": start, "to": end, "by": by, "user": user})
        return (await self._call("GET", "/v1/usage", params=params))["usage"]

    async def busy(self, user: str, server: str) -> bool | None:
        """Whether this server's GPUs work; None where it has none, or too few samples say."""
        return (await self._call("GET", "/v1/busy", params={"user": user, "server": server}))["busy"]

    async def health(self) -> dict[str, Any]:
        return await self._call("GET", "/health")

    async def metrics(self) -> str:
        """For Prometheus, as it reads them."""
        try:
            response = await self._http.get("/metrics")
        except httpx.HTTPError as error:
            raise _unavailable(self._socket, error) from error
        if response.status_code != 200:
            _answer(response)
        return response.text

    async def events(self, after: int | None = None) -> AsyncIterator[Event]:
        """What happens from now on (or after the event of that id), until the broker goes.

        Raises BrokerUnavailable when it goes: call again with the last id and nothing is missed.
        """
        timeout = httpx.Timeout(_TIMEOUT_S, read=_EVENT_SILENCE_S)
        params = _given(after=after)
        try:
            async with self._http.stream("GET", "/v1/events", params=params, timeout=timeout) as response:
                if response.status_code != 200:
                    await response.aread()
                    _answer(response)
                async for line in response.aiter_lines():
                    if line.strip():
                        yield json.loads(line)
        except httpx.HTTPError as error:
            raise _unavailable(self._socket, error) from error
        raise BrokerUnavailable(f"{self._socket}: the broker closed the stream of events")

    async def _call(self, method: str, path: str, body: Any = None, params: dict[str, Any] | None = None) -> Any:
        try:
            response = await self._http.request(method, path, json=body, params=params)
        except httpx.HTTPError as error:
            raise _unavailable(self._socket, error) from error
        return _answer(response)


class BrokerAtTerminal:
    """The broker, for commands: one call after the other. Raises as BrokerClient does."""

    def __init__(self, socket: Path, timeout_s: float = _TIMEOUT_S) -> None:
        self._socket = socket
        transport = httpx.HTTPTransport(uds=str(socket))
        self._http = httpx.Client(transport=transport, base_url=_BASE, timeout=timeout_s, trust_env=False)

    def get(self, path: str, **params: Any) -> Any:
        """GET, e.g. `get("/v1/devices")`."""
        return self._call("GET", path, params=_given(**params))

    def post(self, path: str, **body: Any) -> Any:
        return self._call("POST", path, body=body)

    def delete(self, path: str, **params: Any) -> Any:
        return self._call("DELETE", path, params=_given(**params))

    def _call(self, method: str, path: str, body: Any = None, params: dict[str, Any] | None = None) -> Any:
        try:
            response = self._http.request(method, path, json=body, params=params)
        except httpx.HTTPError as error:
            raise _unavailable(self._socket, error) from error
        return _answer(response)


_BASE = "http://broker"


def _part(text: str) -> str:
    return quote(text, safe="")


def _given(**params: Any) -> dict[str, Any]:
    return {key: value for key, value in params.items() if value is not None}


def _answer(response: httpx.Response) -> Any:
    if response.status_code < 300:
        return response.json()
    try:
        answer = response.json()
        text, code = dict(answer["text"]), str(answer["code"])
    except (ValueError, KeyError, TypeError):
        text, code = {}, ""
    if response.status_code < 500 and text:
        raise BrokerRefused(response.status_code, code, text)
    raise BrokerUnavailable(f"the broker answered {response.status_code} to {response.request.url.path}")


def _unavailable(socket: Path, error: httpx.HTTPError) -> BrokerUnavailable:
    return BrokerUnavailable(f"{socket}: the broker does not answer ({type(error).__name__}: {error})")
