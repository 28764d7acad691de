"""What is only seen inside a container: whether it still has its devices, and whether its kernels work.

Jupyter's own word on busy kernels would need a key to every user's server in the hands of a process that reads
what servers answer. The processors' time that the container used says the same: a kernel that prepares data for
its GPU computes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from .. import presence
from ..presence import EXEC_COMMAND, Look, judge_exec
from . import lookout
from .book import Book
from .docker_side import DockerSide, EngineSilent
from .records import ALLOCATED, Claim

EXEC_COST_S = 2.0
"""A look from inside costs a process in the container; so many seconds' worth of them are kept apart."""

BUSY_CPUS = 0.2
"""A container that uses so much of one CPU has a kernel at work, though its GPU may do nothing just now."""


class Inside:
    """One look at all running containers with GPUs, in every round."""

    def __init__(self, book: Book, engine: DockerSide, sample_every_s: float) -> None:
        self._book, self._engine, self._every_s = book, engine, sample_every_s
        self._asked: dict[str, float] = {}
        """Container → when a program was last run in it."""

    async def look(self) -> None:
        """Lost devices are told, busy kernels noted for the idle verdict; a silent engine changes nothing."""
        running = {
            claim.container_id: claim
            for claim in self._book.claims.values()
            if claim.state == ALLOCATED
            and (seen := self._book.containers.get(claim.container_id)) is not None
            and seen.running
        }
        self._asked = {one: at for one, at in self._asked.items() if one in running}
        if not running:
            return
        try:
            await self._look_for_lost(running)
            await self._look_for_kernels(running)
        except EngineSilent:
            return

    async def _look_for_lost(self, running: Mapping[str, Claim]) -> None:
        devices = self._book.devices
        minors = {
            one: [devices[uuid].minor for uuid in claim.uuids if uuid in devices] for one, claim in running.items()
        }
        looks = await asyncio.to_thread(presence.look, minors)
        unknown = [one for one, found in looks.items() if found is Look.UNKNOWN]
        pause = max(self._every_s, EXEC_COST_S * len(unknown))
        for one in unknown:
            # the kernel's rules of devices cannot be read here: somebody inside has to try
            if time.monotonic() - self._asked.get(one, float("-inf")) >= pause - 0.5:
                self._asked[one] = time.monotonic()
                code, output = await self._engine.run_inside(one, EXEC_COMMAND)
                looks[one] = judge_exec(code, output, len(running[one].uuids))
        for one, found in looks.items():
            if found is not Look.UNKNOWN and running[one].held:
                lookout.lost(
                    self._book, running[one], running[one].uuids if found is Look.LOST else [], time.time()
                )

    async def _look_for_kernels(self, running: Mapping[str, Claim]) -> None:
        """Only of those whose GPUs do not say that they work."""
        quiet = [one for one, claim in running.items() if self._book.verdicts.get(claim.id) != "busy"]
        cpus = await self._engine.cpu_shares(quiet)
        self._book.busy_kernels = {running[one].id: used >= BUSY_CPUS for one, used in cpus.items()}
