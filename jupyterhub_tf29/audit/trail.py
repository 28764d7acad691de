"""One call for everybody who has something to tell the audit trail.

The trail is one for the whole process: `open_trail` says where it is, `record` adds to it. Before it is open,
events go to the log only; that is so in a DockerSpawner that is used without the rest of this project.

Why not JupyterHub's own event log: its handlers run on the Hub's event loop, where a slow disk would stop
everybody, an error in one of them is printed and forgotten, and programs beside the Hub cannot reach it. It is
left to the admin.
"""

from __future__ import annotations

import getpass
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .event import make_event
from .settings import Audit
from .writer import TrailWriter

log = logging.getLogger("tf29hub.audit")


class Trail:
    """The name of this hub, and the writer of its file."""

    def __init__(self, path: Path, hub: str, settings: Audit) -> None:
        self.hub = hub
        self.is_known: Callable[[str], bool] | None = None
        """Whether the hub has a user of that name; the hub sets it."""
        self.writer = TrailWriter(
            path,
            rotate_size=settings.rotate_size,
            rotate_every_s=settings.rotate_every,
            keep_s=settings.keep,
            make_gap=lambda lost: make_event(hub, "trail-gap", {"lost_events": lost}),
        )

    def record(self, event: str, fields: dict[str, Any]) -> None:
        """Hand one event to the writer."""
        self.writer.put(make_event(self.hub, event, self._without_a_mistyped_password(event, fields)))

    def _without_a_mistyped_password(self, event: str, fields: dict[str, Any]) -> dict[str, Any]:
        """People type passwords into the field for the name: of a failed sign-in only a user's name is kept."""
        name = fields.get("name")
        if event != "sign-in" or fields.get("outcome") != "failure" or not name:
            return fields
        return fields if self.is_known is not None and self.is_known(str(name)) else {**fields, "name": None}


_trail: Trail | None = None


def open_trail(path: Path, hub: str, settings: Audit | None = None) -> Trail:
    """From now on `record` appends to `path`. Nothing is written, nor any thread begun, before the first event."""
    global _trail
    if _trail is not None:
        _trail.writer.close()
    _trail = Trail(path, hub, settings or Audit())
    return _trail


def the_trail() -> Trail | None:
    """The open trail of this process."""
    return _trail


def record(event: str, **fields: Any) -> None:
    """Note that `event` happened; `fields` are those of event.schema.json. Never raises and never waits."""
    try:
        if _trail is None:
            log.debug("%s: no trail is open", event)
        else:
            _trail.record(event, fields)
    except Exception:
        log.exception("AUDIT TRAIL: an event %r is lost", event)


def at_the_terminal() -> dict[str, str]:
    """The actor of a command: the log-in behind sudo, and behind the hub's own account, where there is one."""
    try:
        names = (os.environ.get("TF29HUB_CALLER"), os.environ.get("SUDO_USER"))
        return {"kind": "command-line", "name": next(filter(None, names), "") or getpass.getuser()}
    except (KeyError, OSError):
        return {"kind": "command-line"}
