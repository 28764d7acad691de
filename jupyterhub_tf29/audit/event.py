"""What an event of the audit trail is: a flat JSON object that keeps to `event.schema.json`. Pure.

The schema is the contract with whoever reads the trail; `VERSION` goes up when a field changes its meaning or
goes away, not when one is added.
"""

from __future__ import annotations

import json
import re
import secrets
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

VERSION = 1
SCHEMA_FILE = Path(__file__).with_name("event.schema.json")

LONGEST_TEXT = 500
"""Characters of any one text: nobody fills the disk with a username of a megabyte."""
LONGEST_LIST = 100


@cache
def schema() -> dict[str, Any]:
    """The published JSON schema."""
    return json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))


def event_names() -> list[str]:
    """Every kind of event there is."""
    return list(schema()["properties"]["event"]["enum"])


def make_event(hub: str, event: str, fields: dict[str, Any], now: datetime | None = None) -> dict[str, Any]:
    """One event, ready to be written: fields that are None are left out, texts are cut to one line.

    What the schema does not know goes into `more`, as text: a field too many must not lose an event.
    """
    moment = (now or datetime.now(timezone.utc)).astimezone(timezone.utc)
    whole: dict[str, Any] = {
        "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "id": secrets.token_hex(8),
        "version": VERSION,
        "hub": hub,
        "event": event,
    }
    known, more = schema()["properties"], {}
    for key, value in fields.items():
        if value is None or value == "":
            continue
        if key == "reason":
            whole[key] = _slug(str(value))
        elif key in known:
            whole[key] = _plain(value)
        else:
            more[key] = _text(str(value))
    if more:
        whole["more"] = more
    return whole


def as_line(event: dict[str, Any]) -> bytes:
    """The event as one line of the file."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items() if one is not None}
    if isinstance(value, list | tuple | set | frozenset):
        ordered = value if isinstance(value, list | tuple) else sorted(map(str, value))
        return [_plain(one) for one in list(ordered)[:LONGEST_LIST]]
    return _text(str(value))


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "unknown"


def _text(text: str) -> str:
    """One line without anything that a terminal would obey."""
    clean = "".join(character if character.isprintable() else " " for character in text[:LONGEST_TEXT])
    return clean.strip()
