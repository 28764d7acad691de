"""`lockout:` of hub.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ..units import Duration


class Lockout(BaseModel):
    """When guessing at passwords is locked out, beside the delays that begin with the fifth wrong one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account_tries: Annotated[int, Field(ge=5)] = 30
    """Wrong passwords for one account within the hour, from all addresses together."""
    address_tries: Annotated[int, Field(ge=5)] = 100
    """Wrong passwords from one address within the hour; a whole class may share one."""
    lock: Annotated[Duration, Field(ge=1, le=86400)] = 15 * 60
    """Seconds."""
