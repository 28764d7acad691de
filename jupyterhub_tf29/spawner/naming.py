"""Names of Docker objects for any legal username: readable where possible, never shared by two users.

A name that is already plain (`alice`, `li-wei`) stays as it is. Any other (dots, `@`, Chinese, 200 letters)
becomes `<what is readable of it>--<20 hex digits of its SHA-256>`. Plain names hold no double hyphen, so the
two kinds cannot meet; two users of the second kind meet only where 80 bits of SHA-256 do.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

MAX_LENGTH = 48
"""Letters of a slug. A container's name is its host name too, and Linux allows 64 for that."""

_HASH_DIGITS = 20
_PLAIN = re.compile(r"[a-z0-9](?:-?[a-z0-9])*")


def slug(name: str, max_length: int = MAX_LENGTH) -> str:
    """A username or server name → letters, digits and hyphens, at most `max_length` (at least 24).

    Raises ValueError for an empty name.
    """
    if not name:
        raise ValueError("an empty name has no slug")
    if len(name) <= max_length and _PLAIN.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
    ascii_part = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    readable = re.sub(r"[^a-z0-9]+", "-", ascii_part).strip("-")
    readable = readable[: max_length - _HASH_DIGITS - 2].strip("-")
    return f"{readable or 'u'}--{digest}"


def server_slug(username: str, server_name: str) -> str:
    """The slug of one server: `alice`, or `alice_training` for a named one.

    The underscore occurs in no slug, so user `a-b` and server `c` never meet user `a` and server `b-c`.
    """
    user = slug(username)
    return f"{user}_{slug(server_name)}" if server_name else user
