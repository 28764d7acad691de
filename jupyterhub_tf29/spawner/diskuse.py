"""How much disk the volumes use, as the engine measures it: it walks every file, so it is asked rarely.

The last answer is shown while a newer one is on its way; nobody waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Any

from docker.utils import version_gte

from .engine import EngineCalls

MEASURED_AGAIN_AFTER = 600.0
"""Seconds. A walk over some million files keeps a disk busy for about a minute."""

_TYPED_SINCE = "1.42"
"""The API version from which the engine can be asked for volumes alone; before, it measures images, too."""


class DiskUse:
    """The last measurement, renewed in the background. Belongs to the Hub's event loop."""

    def __init__(self, engine: EngineCalls, log: logging.Logger) -> None:
        self._engine, self._log = engine, log
        self._sizes: dict[str, int] = {}
        self._asked_at = float("-inf")
        self._measuring: asyncio.Task[None] | None = None

    def of(self, volumes: Iterable[str]) -> int | None:
        """Bytes in these volumes together; None where none of them was measured yet."""
        sizes = [self._sizes[name] for name in volumes if name in self._sizes]
        return sum(sizes) if sizes else None

    def renew(self) -> None:
        """Measure again in the background, if the last time was long ago."""
        if time.monotonic() - self._asked_at > MEASURED_AGAIN_AFTER:
            self._asked_at = time.monotonic()
            self._measuring = asyncio.ensure_future(self._measure())

    async def _measure(self) -> None:
        try:
            self._sizes = await self._engine.run(volume_sizes)
        except Exception as error:
            self._log.warning("The disk in use could not be measured: %s", error)


def volume_sizes(client: Any) -> dict[str, int]:
    """Volume name → bytes, of all local volumes. Blocks while the engine walks their files."""
    if version_gte(client.api_version, _TYPED_SINCE):
        response = client.get(f"{client.base_url}/v{client.api_version}/system/df", params={"type": "volume"})
        response.raise_for_status()
        volumes = response.json().get("Volumes")
    else:
        volumes = client.df().get("Volumes")
    # -1: the engine could not say (a volume of a driver that is not its own)
    return {
        volume["Name"]: volume["UsageData"]["Size"]
        for volume in volumes or []
        if (volume.get("UsageData") or {}).get("Size", -1) >= 0
    }
