"""Passwords of local accounts: which are good enough, how they are kept, and how one is made up.

The policy follows NIST SP 800-63B: a length, a check against what attackers try first, no rule about digits
or capitals, nothing that expires. It asks for 10 characters where NIST's floor is 8, since the password is all
that stands before a shell on a GPU server, and counts guesses with zxcvbn, which knows words, names, dates,
keyboard rows and what people do to them.
"""

from __future__ import annotations

import secrets
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from .errors import AccountError

MIN_LENGTH = 10
MAX_LENGTH = 256
"""Characters; long enough for any sentence, short enough that nobody makes the hub chew megabytes."""

_JUDGED_LENGTH = 64
"""zxcvbn's time grows with the square of the length; what is strong this far is strong."""
_GOOD_SCORE = 3
"""zxcvbn: "safely unguessable", at least 10^8 guesses, against a hash that costs about 0.1 s each."""
_PLACE_WORDS = [
    "jupyter",
    "jupyterhub",
    "jupyterlab",
    "notebook",
    "tensorflow",
    "keras",
    "tf29",
    "tf29hub",
    "workspace",
]

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without what is misread: i l o 0 1
_GROUPS, _GROUP_LENGTH = 4, 5  # 20 characters of 31: 99 bits

ARGON2 = PasswordHasher()
"""Argon2id with RFC 9106's parameters for 64 MiB."""


def check_password(password: str, name: str) -> None:
    """Raise AccountError where `password` is not good enough for the account `name`."""
    password = unicodedata.normalize("NFKC", password[: MAX_LENGTH + 1])
    if len(password) < MIN_LENGTH:
        raise AccountError("A password has at least {least} characters.", least=MIN_LENGTH)
    if len(password) > MAX_LENGTH:
        raise AccountError("A password has at most {most} characters.", most=MAX_LENGTH)
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in password):
        raise AccountError("A password cannot contain control characters such as tabs or line ends.")
    known = [name, *name.replace("@", ".").split("."), *_PLACE_WORDS]
    if zxcvbn(password[:_JUDGED_LENGTH], user_inputs=known)["score"] < _GOOD_SCORE:
        raise AccountError(
            "This password is too easy to guess: it is close to a well-known word, name, date, keyboard row"
            " or pattern. Several words that have nothing to do with one another make a good one."
        )


def hash_password(password: str, hasher: PasswordHasher = ARGON2) -> str:
    """The argon2id hash to store. Takes about 0.1 s and 64 MiB: never on the hub's event loop."""
    return hasher.hash(_bytes(password))


def verify_password(password_hash: str, password: str) -> bool:
    """Whether `password` belongs to `password_hash`; as slow as `hash_password`, whatever the answer."""
    try:
        return ARGON2.verify(password_hash, _bytes(password))
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(password_hash: str, hasher: PasswordHasher = ARGON2) -> bool:
    """Whether the hash was made with other parameters than today's and should be made anew."""
    return hasher.check_needs_rehash(password_hash)


def generate_password() -> str:
    """A random password such as `k7m2x-9qwpd-h3trc-vb8ne`: easy to read out and to type."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))
    return "-".join(groups)


def _bytes(password: str) -> bytes:
    """NFKC, so that the same keys give the same password on every system; anything overlong is cut."""
    text = unicodedata.normalize("NFKC", password[: MAX_LENGTH + 1])
    return text.encode("utf-8", errors="surrogatepass")
