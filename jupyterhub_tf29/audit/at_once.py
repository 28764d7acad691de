"""The trail of a command: written before the command ends, by whoever runs it."""

from __future__ import annotations

import sys
from typing import Any

from ..settings import Paths, load_settings
from ..yamlfile import ConfigError
from .event import as_line, make_event
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
