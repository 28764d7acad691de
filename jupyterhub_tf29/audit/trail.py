"""One call for everybody who has something to tell the audit trail."""

from __future__ import annotations

import logging
from typing import Any

log = logging.getLogger("tf29hub.audit")


def record(event: str, **fields: Any) -> None:
    """Note that `event` happened. Never raises and never waits."""
    log.info("%s %s", event, fields)
