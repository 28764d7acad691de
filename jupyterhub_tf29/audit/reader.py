"""Reading the trail: all files of it in the order of time, and the events that somebody asks for."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ..units import parse_duration
from .writer import rotated_files


@dataclass(frozen=True)
class Wanted:
    """Which events; None: all. `user` is whom it is about or who did it."""

    user: str | None = None
    event: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    address: str | None = None
    outcome: str | None = None

    def has(self, event: dict[str, Any]) -> bool:
        """Whether `event` is one of them."""
        actor = event.get("actor") or {}
        return (
            (self.user is None or self.user in (event.get("name"), actor.get("name"), event.get("was")))
            and (self.event is None or event.get("event") == self.event)
            and (self.address is None or event.get("address") == self.address)
            and (self.outcome is None or event.get("outcome") == self.outcome)
            and (self.since is None or _time_of(event) >= self.since)
            and (self.until is None or _time_of(event) < self.until)
        )


@dataclass
class Broken:
    """How many lines of the files are no events."""

    lines: int = 0


def read_events(path: Path, wanted: Wanted, broken: Broken | None = None) -> Iterator[dict[str, Any]]:
    """The events of the trail at `path` and of its rotated files, oldest first. Raises OSError."""
    files = rotated_files(path)
    if path.exists():
        files.append(path)
    for file in files:
        if wanted.since and datetime.fromtimestamp(file.stat().st_mtime, timezone.utc) < wanted.since:
            continue  # its last event is older
        for line in _lines(file):
            try:
                event = json.loads(line)
                if wanted.has(event):
                    yield event
            except (ValueError, KeyError, TypeError, AttributeError):
                if broken is not None and line.strip():
                    broken.lines += 1


def parse_moment(text: str, now: datetime | None = None) -> datetime:
    """`2026-11-23`, `2026-11-23T14:00`, also with a zone (without one it is UTC), or `2h`: so long ago.

    Raises ValueError with what is allowed.
    """
    if re.fullmatch(r"\d+\s*[smhd]", text.strip()):
        return (now or datetime.now(timezone.utc)) - timedelta(seconds=parse_duration(text))
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(
            f"expected a date such as 2026-11-23 or 2026-11-23T14:00, or 2h, found {text!r}"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def in_words(event: dict[str, Any]) -> str:
    """One line for a person at a terminal."""
    time = str(event["time"]).replace("T", " ")[:19]
    words = [f"{time}  {event['event']:<16}", str(event.get("name", "-"))]
    if event.get("server"):
        words[-1] += f":{event['server']}"
    if event.get("outcome") == "failure":
        words.append("FAILED")
    if event.get("reason"):
        words.append(f"({event['reason']})")
    actor = event.get("actor")
    if actor and actor["kind"] != "self":
        words.append("by " + " ".join(str(actor[key]) for key in ("kind", "name") if actor.get(key)))
    if actor and actor.get("token"):
        words.append(f"with token {actor['token']}")
    words += [f"gained {', '.join(event['gained'])}"] if event.get("gained") else []
    words += [f"lost {', '.join(event['lost'])}"] if event.get("lost") else []
    told = ("action", "method", "profile", "group", "service", "was", "image", "seconds", "lost_events")
    words += [f"{key}={_short(event[key])}" for key in told if event.get(key) not in (None, "")]
    words += [f"gpus={','.join(event['gpus'])}"] if event.get("gpus") else []
    token = event.get("token")
    words += [f"token={token.get('id')} {token.get('note', '')!r}"] if token else []
    words += [f"{key}={value}" for key, value in (event.get("more") or {}).items()]
    words += [f"from {event['address']}"] if event.get("address") else []
    return "  ".join(words[:2]) + "  " + " ".join(words[2:])


def _short(value: Any) -> str:
    text = str(value)
    return text[:19] if text.startswith("sha256:") else text


def _time_of(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(str(event["time"]).replace("Z", "+00:00"))


def _lines(file: Path) -> Iterator[str]:
    if file.suffix == ".gz":
        with gzip.open(file, "rt", encoding="utf-8", errors="replace") as text:
            yield from text
    else:
        with file.open(encoding="utf-8", errors="replace") as text:
            yield from text
