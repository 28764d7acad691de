"""Whether a server is idle, for the idle culler: a busy GPU is never idle because its browser is closed.

JupyterHub's culler knows of browsers and kernels. A training that was started in a terminal, or whose kernel's
messages nobody reads, looks idle to it. So for a server that may hold GPUs the broker is asked, who samples them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from .gpu.client import BrokerClient, BrokerRefused, BrokerUnavailable
from .profiles import Profiles


class GpuArbiter:
    """`IdleCuller.cull_arbiter_hook`. `max_age` of the culler is not asked here: it ends every server."""

    def __init__(
        self, broker: BrokerClient, profiles: Callable[[], Profiles], log: logging.Logger | None = None
    ) -> None:
        """`profiles()` is the menu as it is now; it may touch the disk."""
        self._broker, self._profiles = broker, profiles
        self._log = log or logging.getLogger(__name__)

    async def __call__(
        self, *, inactive: timedelta | None, inactive_limit: float, server: dict[str, Any], **_: Any
    ) -> bool:
        """True: stop it. `server` is the Hub's model of it."""
        if inactive is None or inactive.total_seconds() < inactive_limit:
            return False
        if not await self._may_hold_gpus(server):
            return True
        user, _slash, name = str(server.get("full_name", "")).rpartition("/")
        try:
            return await self._idle(user, name)
        except (BrokerUnavailable, BrokerRefused) as error:
            self._log.warning("Server %s/%s stays: whether its GPU works is unknown: %s", user, name, error)
            return False

    async def _may_hold_gpus(self, server: dict[str, Any]) -> bool:
        slug = (server.get("user_options") or {}).get("profile")
        menu = await asyncio.to_thread(self._profiles)
        # of a profile that is no longer on the menu nobody knows
        return all(profile.needs_gpu for profile in menu.profiles if profile.slug == slug)

    async def _idle(self, user: str, name: str) -> bool:
        busy = await self._broker.busy(user, name)
        if busy is not None:
            return not busy
        # too few samples mean "unknown", which is not "idle"; without a claim there is nothing to sample
        return all(claim["server"] != name for claim in await self._broker.claims(user))
