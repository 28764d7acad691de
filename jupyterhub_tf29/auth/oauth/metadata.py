"""What a provider says about itself (OpenID Connect Discovery): read from its issuer, kept, asked for until it is.

The hub starts without waiting for it, and a provider that is down at that moment is found when it is back.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from logging import Logger, LoggerAdapter
from typing import Any
from urllib.parse import urlsplit

KEEP_S = 24 * 3600.0
"""After that it is read again, at the next sign-in; providers change their addresses about never."""
FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 60.0
ASK_AGAIN_S = 2.0
"""Between two sign-ins that ask a provider which did not answer."""

Fetch = Callable[[str], Awaitable[Any]]


class MetadataError(ValueError):
    """The provider's description of itself cannot be used; the text says why."""


@dataclass(frozen=True)
class Metadata:
    """The parts of the discovery document that a sign-in needs; addresses are checked by `parse`."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    secret_by_post_only: bool = False
    """The client secret belongs in the form, not in the header."""
    scopes: frozenset[str] = frozenset()
    """What it offers."""
    names_itself: bool = False
    """RFC 9207: it puts its issuer into the way back, which then must be there."""


def document_url(issuer: str) -> str:
    """Where the discovery document is."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def is_safe_url(url: object) -> bool:
    """Whether secrets may go there: https, or http to this very machine."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(host) and not parts.username and not parts.fragment
    return parts.scheme == "http" and _is_loopback(host)


def parse(document: Any, issuer: str) -> Metadata:
    """The document that was found at `issuer`. Raises MetadataError."""
    if not isinstance(document, dict):
        raise MetadataError("it is not a JSON object")
    found = document.get("issuer")
    if not isinstance(found, str) or found.rstrip("/") != issuer.rstrip("/"):
        raise MetadataError(
            f"it says that its issuer is {found!r}, and hub.yaml says {issuer!r}: they must be the same"
        )
    needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    optional = ("userinfo_endpoint", "end_session_endpoint")
    for name in (*needed, *(name for name in optional if document.get(name))):
        if not is_safe_url(document.get(name)):
            raise MetadataError(f"its {name} is {document.get(name)!r}; needed is an https address")
    methods = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    return Metadata(
        issuer=found,
        **{name: document[name] for name in needed},
        **{name: document.get(name) or "" for name in optional},
        secret_by_post_only="client_secret_post" in methods and "client_secret_basic" not in methods,
        scopes=frozenset(name for name in document.get("scopes_supported") or () if isinstance(name, str)),
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
    )


class MetadataStore:
    """The metadata of one issuer. Made for one event loop; `fetch(url)` gives a JSON document."""

    def __init__(
        self,
        issuer: str,
        fetch: Fetch,
        log: Logger | LoggerAdapter,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer = issuer
        self._fetch, self._log, self._clock = fetch, log, clock
        self.known: Metadata | None = None
        """What `get` found last."""
        self._read = self._tried = float("-inf")
        self._lock = asyncio.Lock()

    async def keep_trying(self, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Until it was read once: for a task beside the hub's start."""
        wait_s = FIRST_RETRY_S
        while await self.get() is None:
            await pause(wait_s)
            wait_s = min(2 * wait_s, LONGEST_RETRY_S)

    async def get(self) -> Metadata | None:
        """The metadata, at once where it is known; None where the provider does not answer, which is logged."""
        if self.known and self._clock() - self._read < KEEP_S:
            return self.known
        async with self._lock:
            if self._clock() - self._tried >= ASK_AGAIN_S:
                await self._try()
        return self.known  # what was known yesterday is better than nothing

    async def _try(self) -> None:
        url = document_url(self.issuer)
        try:
            metadata = parse(await self._fetch(url), self.issuer)
        except Exception as error:
            self._log.error("Sign-in: the provider's description at %s cannot be used: %s", url, error)
        else:
            if self.known is None:
                self._log.info("Sign-in: the provider %s is known", metadata.issuer)
            self.known, self._read = metadata, self._clock()
        self._tried = self._clock()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
