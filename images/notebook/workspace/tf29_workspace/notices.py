"""The Hub's notices to one workspace, from the file that the Hub shows it.

`{"notices": [{"id": "oom-1", "time": "2026-01-31T09:00:00Z", "level": "info" | "warning" | "error",
"text": {"en": "…", "zh": "…"}}]}`, the newest last. The file is written by another program, and may be missing,
half written or of another version: what cannot be understood is left out, and is never an error of its own.
"""

from __future__ import annotations

import json
from pathlib import Path

LEVELS = ("info", "warning", "error")
MAX_FILE_BYTES = 1 << 20  # far more than the Hub ever writes; what is larger is not a file of notices
MAX_NOTICES = 50
MAX_TEXT = 2000  # characters; a notice is a few sentences


def read_notices(path):
    """The notices in the file at `path`, the newest last; [] when there is none that can be read."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            return []
        return parse_notices(json.loads(content))
    except (OSError, ValueError, RecursionError):
        return []


def parse_notices(document):
    """The well-formed notices of a decoded document, at most the last MAX_NOTICES; anything goes in."""
    notices = document.get("notices") if isinstance(document, dict) else None
    if not isinstance(notices, list):
        return []
    return [notice for notice in map(_parse_notice, notices[-MAX_NOTICES:]) if notice]


def _parse_notice(notice):
    if not isinstance(notice, dict) or not isinstance(notice.get("text"), dict):
        return None
    texts = {
        language: text.strip()[:MAX_TEXT]
        for language, text in notice["text"].items()
        if language in ("en", "zh") and isinstance(text, str) and text.strip()
    }
    if not texts or not isinstance(notice.get("id"), str) or not notice["id"]:
        return None
    level = notice.get("level")
    return {
        "id": notice["id"][:200],
        "time": notice["time"] if isinstance(notice.get("time"), str) else None,
        "level": level if level in LEVELS else "info",
        "text": texts,
    }
