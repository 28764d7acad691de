"""What the audit trail learns of a server: its start and stop, what it ran with, and who asked for it.

JupyterHub tells a spawner who starts it and not who stops it; `audit.acting` knows both. A server that ends
without `stop` ended by itself.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

from dockerspawner import DockerSpawner

from ..audit.acting import HUB, by_whom
from ..audit.trail import record


class RecordedSpawner(DockerSpawner):
    """Laid over the other layers: tells what they do, and does nothing itself."""

    _booting = False
    _asked_by: dict[str, Any] | None = None
    _facts: dict[str, Any] | None = None

    def run_pre_spawn_hook(self) -> Any:
        """The Hub calls this in the task of the whole start, whose end tells how it went."""
        task = asyncio.current_task()
        self._booting, self._asked_by, self._facts = True, None, None
        if task is not None:
            began = time.monotonic()
            task.add_done_callback(partial(self._tell_start, by_whom(self.user.name), began))
        return super().run_pre_spawn_hook()

    def _tell_start(self, whom: dict[str, Any], began: float, task: asyncio.Task[Any]) -> None:
        self._booting = False
        outcome, reason = "success", None
        if task.cancelled():
            outcome, reason = "failure", "cancelled"
        elif (error := task.exception()) is not None:
            outcome, reason = "failure", str(getattr(error, "reason", None) or type(error).__name__)
        self._facts = self.facts()
        took = round(time.monotonic() - began, 3)
        record(
            "server-start", outcome=outcome, reason=reason, seconds=took, **self._about(), **self._facts, **whom
        )

    async def stop(self, now: bool = False) -> None:
        """As the layers below."""
        if not self._booting:
            self._asked_by, self._facts = by_whom(self.user.name), self.facts()
        await super().stop(now)

    def run_post_stop_hook(self) -> Any:
        """After every server, however it ended; also after a start that failed, which was told already."""
        if not self._booting:
            asked = self._asked_by
            facts = self._facts or self.facts()
            whom = {"actor": HUB, "reason": "died"} if asked is None else {**asked, "reason": self.why_stopped}
            record("server-stop", **self._about(), **facts, **whom)
        self._asked_by = self._facts = None
        return super().run_post_stop_hook()

    why_stopped = "asked"
    """Of the next stop, in one word."""

    def facts(self) -> dict[str, Any]:
        """What it runs with: image, profile, GPUs, container."""
        claim = getattr(self, "claim", None) or {}
        return {
            "image": self.image or None,
            "profile": getattr(self, "accepted", {}).get("profile"),
            "gpus": [device["uuid"] for device in claim.get("devices", ())] or None,
            "container": self.container_name,
        }

    def _about(self) -> dict[str, Any]:
        return {"name": self.user.name, "server": self.name}
