"""The provider's public keys (its JWKS): fetched when they are needed, kept, asked for anew after a rotation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import jwt

from .idtoken import ALGORITHMS, IdTokenError

KEEP_S = 3600.0
"""How long keys are believed without asking again, so that one that was withdrawn goes out of use."""
KEEP_AT_MOST_S = 24 * 3600.0
"""How long they serve while the provider's key page does not answer."""
ASK_AGAIN_S = 30.0
"""Between two questions. A token with an unknown key asks at once, once; a flood of them does not."""
MAX_KEYS = 64

Fetch = Callable[[], Awaitable[Any]]


class KeyStore:
    """Keys by id. Made for one event loop. `fetch` gives the JWKS document; `clock` monotonic seconds."""

    def __init__(self, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch, self._clock = fetch, clock
        self._document: list[dict[str, Any]] = []
        self._fetched: float | None = None
        self._asked: float | None = None
        self._lock = asyncio.Lock()

    async def key_for(self, header: dict[str, Any]) -> jwt.PyJWK:
        """The key that a token with this header must be signed with.

        Raises IdTokenError where the provider has none; what `fetch` raises where there are no keys at all.
        """
        async with self._lock:
            needed = self._age() > KEEP_AT_MOST_S
            if needed or (self._age() > KEEP_S and self._may_ask()):
                await self._renew(needed=needed)
            found = self._find(header)
            if not found and self._may_ask():
                await self._renew(needed=False)
                found = self._find(header)
        if len(found) != 1:
            raise IdTokenError(
                "the provider has no such key" if not found else "it does not say which key made it"
            )
        return found[0]

    def _find(self, header: dict[str, Any]) -> list[jwt.PyJWK]:
        wanted, algorithm = header.get("kid"), header.get("alg")
        if algorithm not in ALGORITHMS:
            raise IdTokenError(f"it is signed in a way that is not allowed; allowed are {', '.join(ALGORITHMS)}")
        rows = [row for row in self._document if wanted is None or row.get("kid") == wanted]
        keys = [_usable(row, algorithm) for row in rows]
        return [key for key in keys if key is not None]

    async def _renew(self, *, needed: bool) -> None:
        self._asked = self._clock()
        try:
            document = await self._fetch()
            rows = document.get("keys") if isinstance(document, dict) else None
            if not isinstance(rows, list):
                raise IdTokenError("the provider's key page holds no keys")
        except Exception:
            if needed:
                raise
            return  # the keys of before, until they are too old
        self._document = [row for row in rows[:MAX_KEYS] if isinstance(row, dict)]
        self._fetched = self._clock()

    def _age(self) -> float:
        return float("inf") if self._fetched is None else self._clock() - self._fetched

    def _may_ask(self) -> bool:
        return self._asked is None or self._clock() - self._asked >= ASK_AGAIN_S


def _usable(row: dict[str, Any], algorithm: str) -> jwt.PyJWK | None:
    """The key, where it is a public one for signatures of this kind."""
    if row.get("use", "sig") != "sig" or row.get("kty") == "oct" or row.get("alg", algorithm) != algorithm:
        return None
    try:
        return jwt.PyJWK(row, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None  # a kind of key that is not for this algorithm, or that nobody here knows
