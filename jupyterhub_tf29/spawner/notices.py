"""Messages to a user, shown on the Hub's pages and inside Lab.

A notice is written in every language at once, since who reads it, and where, is not known yet. Inside the
container `/run/tf29hub/notices.json` holds the newest ones: `{"notices": [Notice, …]}`, newest last.
"""

from __future__ import annotations

import json
import secrets
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, TypedDict

from ..i18n import LANGUAGES, in_language

KEPT = 20
"""How many notices of a server are kept."""

Level = Literal["info", "warning", "error"]


class Notice(TypedDict):
    """`time` is ISO 8601 in UTC; `text` has a sentence for each language."""

    id: str
    time: str
    level: Level
    text: dict[str, str]


def make_notice(kind: str, level: Level, sentence: str, **values: Any) -> Notice:
    """A notice with `sentence` (a key of the catalogues with `{fields}`) in all languages, as of now."""
    return {
        "id": f"{kind}-{secrets.token_hex(6)}",
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "level": level,
        "text": {language: in_language(language)(sentence).format(**values) for language in LANGUAGES},
    }


def write_notices(folder: Path, notices: list[Notice]) -> None:
    """Replace the file in one step: a reader in the container sees the old or the new one, never half."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # the container's user is another one
    temporary = folder / ".notices.json"
    temporary.write_text(json.dumps({"notices": notices}, ensure_ascii=False), encoding="utf-8")
    temporary.chmod(0o644)
    temporary.replace(folder / "notices.json")
