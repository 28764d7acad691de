"""The trail of a command: written before the command ends, by whoever runs it."""

from __future__ import annotations

import sys
from typing import Any

from ..settings import Paths, load_settings
from ..yamlfile import ConfigError
from .event import as_line, make_event
from .trail import at_the_terminal
from .writer import append


def record_at_once(paths: Paths, event: str, **fields: Any) -> bool:
    """Append one event; where that cannot be done it is said on standard error, and what was done stays done."""
    try:
        hub = load_settings(paths.config).name
    except ConfigError:
        hub = "tf29hub"
    try:
        append(paths.audit, as_line(make_event(hub, event, fields)))
    except OSError as error:
        print(f"The audit trail {paths.audit} could not be written: {error.strerror}", file=sys.stderr)
        return False
    return True


def admin_action(action: str, **fields: Any) -> bool:
    """An admin did something at the terminal; `action` in a word or two, `fields` of whom and what it is about."""
    whom = {"outcome": "success", "action": action, "actor": at_the_terminal()}
    return record_at_once(Paths.from_environment(), "admin-action", **whom, **fields)
