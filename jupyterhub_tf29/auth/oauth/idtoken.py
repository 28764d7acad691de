"""Whether an ID token may be believed: the checks of OpenID Connect Core, section 3.1.3.7, on PyJWT.

Knows neither hub nor network: the provider's keys are given, and so is the time. oauthenticator reads ID tokens
without these checks, on the ground that they came from the provider over TLS. That holds until a TLS-inspecting
proxy, a provider with several tenants or clients, or a code from someone else's sign-in stands in between.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by a private key that the provider alone has. Not `none`; and none of `HS…`, for which a public key,
or a client secret that others know, would do as the key."""

LEEWAY_S = 60.0
"""How far the clocks of provider and hub may be apart."""
MAX_LENGTH = 64 * 1024
"""Characters. Two hundred groups make a token of about 10,000."""
MAX_AGE_S = 10 * 60.0
"""A token that answers a sign-in of just now was issued just now, whatever its expiry says."""

_SIGNATURE_ALONE: Any = {f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")}
"""What PyJWT is asked to check. What the claims say is checked below: by a clock that is given, with words for the
log, and also where PyJWT asks only for what is there."""


class IdTokenError(ValueError):
    """The token is not to be believed. The text says why, for the log; it holds nothing of the token."""


@dataclass(frozen=True)
class Expected:
    """What a token must say."""

    issuer: str
    client_id: str
    nonce: str | None
    """As sent at the start of this sign-in. None: a token that was refreshed, which needs none."""
    subject: str | None = None
    """Of a refreshed token: whose it must be."""
    algorithms: Sequence[str] = ALGORITHMS


def read_header(token: str) -> dict[str, Any]:
    """The token's header, unverified: good for choosing a key and nothing else. Raises IdTokenError."""
    if not isinstance(token, str) or not token or len(token) > MAX_LENGTH:
        raise IdTokenError("there is no ID token, or it is far too long")
    try:
        return jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise IdTokenError("this is not a JSON web token") from error


def verify_id_token(
    token: str, key: jwt.PyJWK, expected: Expected, clock: Callable[[], float] = time.time
) -> dict[str, Any]:
    """The claims of `token`, all of them checked. `clock` gives Unix seconds. Raises IdTokenError."""
    allowed = [name for name in expected.algorithms if name in ALGORITHMS]
    if read_header(token).get("alg") not in allowed:
        raise IdTokenError(f"it is signed in a way that is not allowed; allowed are {', '.join(allowed)}")
    try:
        claims = jwt.decode(token, key, algorithms=allowed, options=_SIGNATURE_ALONE)
    except jwt.InvalidSignatureError as error:
        raise IdTokenError("its signature does not fit the provider's key") from error
    except jwt.PyJWTError as error:
        raise IdTokenError(f"it cannot be verified ({type(error).__name__})") from error
    _check_parties(claims, expected)
    _check_times(claims, clock(), fresh=expected.nonce is not None)
    return claims


def _check_parties(claims: dict[str, Any], expected: Expected) -> None:
    """Who issued it, for whom, about whom, in answer to what."""
    if claims.get("iss") != expected.issuer:
        raise IdTokenError(f"another issuer than {expected.issuer} made it")
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or expected.client_id not in audiences:
        raise IdTokenError("it was made for another client (its audience)")
    party = claims.get("azp")
    if (party is not None or len(audiences) > 1) and party != expected.client_id:
        raise IdTokenError("it was made for another client (its authorized party)")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject or len(subject) > 255:
        raise IdTokenError("it does not say about whom it is (its subject)")
    if expected.subject is not None and subject != expected.subject:
        raise IdTokenError("it is about someone else (its subject)")
    if expected.nonce is not None and not _same(claims.get("nonce"), expected.nonce):
        raise IdTokenError("it answers another sign-in (its nonce)")


def _check_times(claims: dict[str, Any], now: float, *, fresh: bool) -> None:
    """Expired, of the future, or old."""
    expires, issued, begins = (_seconds(claims, name) for name in ("exp", "iat", "nbf"))
    if expires is None or issued is None:
        raise IdTokenError("it does not say when it was made and when it ends")
    if now > expires + LEEWAY_S:
        raise IdTokenError(f"it expired {now - expires:.0f} s ago")
    if issued > now + LEEWAY_S or (begins is not None and begins > now + LEEWAY_S):
        raise IdTokenError("it comes from the future: the clock of the provider or of this machine is wrong")
    if fresh and now - issued > MAX_AGE_S + LEEWAY_S:
        raise IdTokenError(f"it is {now - issued:.0f} s old, and this sign-in is not")


def _seconds(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e12:  # nor NaN
        raise IdTokenError(f"its {name} is not a time")
    return float(value)


def _same(found: object, sent: str) -> bool:
    return isinstance(found, str) and hmac.compare_digest(found.encode(), sent.encode())
