"""What users read, in English or Chinese: gettext catalogues, chosen by the browser's language.

The English sentence is the key. Catalogues lie in `locale/<language>/LC_MESSAGES/tf29hub.po` and are read
as they are, so that a translator edits one text file and nothing has to be compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from babel.core import negotiate_locale
from babel.messages.pofile import read_po

LANGUAGES = ("en", "zh")
_LOCALE_DIR = Path(__file__).parent / "locale"

Translate = Callable[[str], str]


def choose_language(accept_language: str | None) -> str:
    """An `Accept-Language` header (or None) → one of LANGUAGES, English where nothing fits."""
    wanted: list[tuple[float, str]] = []
    for part in (accept_language or "").split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            wanted.append((-float(quality or 1), tag.strip().replace("-", "_")))
        except ValueError:
            continue
    ordered = [tag for _, tag in sorted(wanted, key=lambda item: item[0]) if tag]
    return negotiate_locale(ordered, LANGUAGES) or "en"


def N_(sentence: str) -> str:
    """Mark a sentence (gettext's own name for this) that is translated later, where its reader is known."""
    return sentence


def translator(accept_language: str | None) -> Translate:
    """A function that puts an English sentence into the reader's language; unknown ones stay English."""
    return in_language(choose_language(accept_language))


def in_language(language: str) -> Translate:
    """As `translator`, for a language that is known already."""
    messages = catalogue(language)
    return lambda sentence: messages.get(sentence) or sentence


@cache
def catalogue(language: str) -> dict[str, str]:
    """English sentence → translation, for one of LANGUAGES."""
    path = _LOCALE_DIR / language / "LC_MESSAGES" / "tf29hub.po"
    if not path.exists():
        return {}
    with path.open("rb") as file:
        return {str(message.id): str(message.string) for message in read_po(file) if message.id}
