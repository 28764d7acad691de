"""What the hub remembers of a sign-in that was begun, until the browser comes back from the provider.

It travels in a cookie of its own for each try (people open several tabs), signed by the hub and out of reach of
scripts. State, nonce and PKCE's verifier are in the same cookie: an answer that fits one of them and not the
others fits nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass

COOKIE = "tf29hub-sign-in-"
"""The cookie's name begins so; the rest is the beginning of the state."""
TAG_LENGTH = 12
MAX_AGE_S = 3600
"""For finding one's password, a second factor, or setting up either."""
MAX_COOKIES = 5
"""Of one browser; beyond that the others are dropped, since headers have an end."""


@dataclass(frozen=True)
class Start:
    """One try to sign in."""

    method: str
    """The way in, by its name: an answer belongs to the provider that was asked."""
    state: str
    nonce: str
    verifier: str
    """PKCE's; who has the code alone cannot use it."""
    next_url: str = ""

    @classmethod
    def new(cls, method: str, next_url: str) -> Start:
        """256 bits each, from the system's source."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(method, state, nonce, verifier, next_url)

    @property
    def challenge(self) -> str:
        """PKCE, S256."""
        digest = hashlib.sha256(self.verifier.encode("ascii")).digest()
        return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")

    @property
    def cookie(self) -> str:
        return cookie_for(self.state)

    def dump(self) -> str:
        return json.dumps(asdict(self))

    def is_answered_by(self, method: str, state: str) -> bool:
        """Whether an answer with this state, at the page of this method, belongs to this try."""
        same = hmac.compare_digest(self.state.encode(), state.encode("utf-8", "surrogatepass"))
        return same and self.method == method


def cookie_for(state: str) -> str:
    """The name of the cookie of the try with this state; for what is no state of ours, a name that is not used."""
    tag = state[:TAG_LENGTH]
    return COOKIE + (tag if tag.isascii() and tag.replace("-", "").replace("_", "").isalnum() else "none")


def load(text: str | bytes | None) -> Start | None:
    """What `dump` wrote; None for anything else."""
    try:
        return Start(**json.loads(text or ""))
    except (ValueError, TypeError):
        return None
