"""`audit:` of hub.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ..units import Duration, Size

MiB = 2**20
DAY_S = 86400


class Audit(BaseModel):
    """The audit trail's file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rotate_size: Annotated[Size, Field(ge=0)] = 50 * MiB
    rotate_every: Annotated[Duration, Field(ge=0)] = 30 * DAY_S
    """Seconds from a file's first event. 0 for both: logrotate does it."""
    keep: Annotated[Duration, Field(ge=0)] = 365 * DAY_S
    """Seconds; rotated files that are older are deleted. 0: never."""
