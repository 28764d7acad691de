"""Names of local accounts: which are legal, and when two spellings are the same name.

A name is put into one form before it is stored, looked up or compared: Unicode's NFKC and lower case. So
`Wang`, `wang` and full-width `ｗａｎｇ` are one account, and nobody can get a second spelling of a name that is
taken. What NFKC does not unite but a reader cannot tell apart is refused: characters that show nothing,
and words that mix alphabets (a Cyrillic `а` in `аdmin`).
"""

from __future__ import annotations

import re
import unicodedata

from .errors import AccountError

MAX_LENGTH = 200
"""Characters; JupyterHub's own column holds 255."""

PUNCTUATION = "._-@+"
"""Beside letters and digits. No slash or percent: names stand in addresses. No space: nobody sees two."""

FOREIGN = " ',()[]&·"
"""What names of directories have beside that: `o'brien`, `li, wei (physics)`. Single blanks, not at the ends."""

_SHOWS_NOTHING = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Letters and marks (by their category) that are drawn as nothing at all."""

_WRITTEN_TOGETHER = frozenset(
    {"LATIN", "CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"}  # as in Unicode's UTS 39
)


def normalize_name(name: str) -> str:
    """The form in which a name is stored and compared; idempotent. Says nothing about whether it is legal."""
    for _ in range(4):  # lower case can undo NFKC and the other way round; in practice twice is enough
        before, name = name, unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).lower())
        if name == before:
            break
    return name


def check_name(name: str, *, also: str = "") -> None:
    """Raise AccountError where `name`, already normalised, is not legal. `also`: characters that are, too."""
    if not name:
        raise AccountError("A name is needed.")
    if len(name) > MAX_LENGTH:
        raise AccountError("A name has at most {most} characters.", most=MAX_LENGTH)
    if name != normalize_name(name):
        raise AccountError(
            "This name is not in its normal form; it would be {normal}.", normal=normalize_name(name)
        )
    if not (_is_letter(name[0]) or (name[0].isascii() and name[0].isdigit())):
        raise AccountError("A name begins with a letter or a digit.")
    for character in name:
        if not _is_allowed(character) and character not in also:
            raise AccountError(
                "A name consists of letters, digits and {punctuation}; {found} is none of these.",
                punctuation=" ".join(PUNCTUATION),
                found=_shown(character),
            )
    if name != " ".join(name.split()):
        raise AccountError("A name has no blanks at its ends, nor two of them side by side.")
    if len(_scripts(name)) > 1 and not _scripts(name) <= _WRITTEN_TOGETHER:
        raise AccountError(
            "A name does not mix alphabets such as Latin and Cyrillic, whose letters look the same."
        )


def is_legal_name(name: str, *, also: str = "") -> bool:
    """Whether `check_name` has nothing to say."""
    try:
        check_name(name, also=also)
    except AccountError:
        return False
    return True


def _is_letter(character: str) -> bool:
    return unicodedata.category(character).startswith("L") and not _SHOWS_NOTHING.match(character)


def _is_allowed(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character in PUNCTUATION
    return unicodedata.category(character)[0] in "LM" and not _SHOWS_NOTHING.match(character)


def _scripts(name: str) -> frozenset[str]:
    """The alphabets of the letters in `name`: the first word of each letter's Unicode name."""
    return frozenset(
        re.split("[ -]", unicodedata.name(letter, "unknown"))[0] for letter in name if _is_letter(letter)
    )


def _shown(character: str) -> str:
    visible = character.isprintable() and not character.isspace() and not _SHOWS_NOTHING.match(character)
    return f"'{character}'" if visible else f"U+{ord(character):04X}"
