"""The worker process as the reader holds it: started, asked, and killed when it is silent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Sequence
from typing import Any

START_WITHIN_S = 60.0
"""Until the interpreter is up, before NVML is touched: a busy machine's slowness is not the driver's."""

DIE_WITHIN_S = 2.0
UNDYING_MAX = 3
"""A worker deep in the driver may not even heed SIGKILL. No more than this many are left behind."""

LINE_LIMIT = 16 * 2**20
"""Bytes of one answer; 64 GPUs with a thousand processes are less than one MiB."""


class Silent(Exception):
    """The worker was late or died, and is gone. `index` and `uuid` of the card that it was at, if any."""

    def __init__(self, index: int | None, uuid: str | None, why: str) -> None:
        super().__init__(f"{uuid or ('GPU ' + str(index) if index is not None else 'the driver')}: {why}")
        self.index, self.uuid = index, uuid
        self.was_killed = False
        """By somebody, while it was doing nothing: that says nothing about the driver."""


class WorkerProcess:
    """At most one at a time; `ask` starts it where there is none. Time in seconds."""

    def __init__(self, answer_within_s: float) -> None:
        self._answer_within_s = answer_within_s
        self._process: asyncio.subprocess.Process | None = None
        self._undying: list[asyncio.subprocess.Process] = []
        self.asked: set[int] = set()
        """Indices of the cards that the last answer is about."""

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def ask(self, what: str, skip: Sequence[int]) -> dict[str, Any]:
        """The worker's answer to `what`. Raises Silent."""
        self.asked = set()
        at: dict[str, Any] = {"index": None, "uuid": None}
        fresh = not self.runs
        try:
            process = await self._started()
            requests, answers = process.stdin, process.stdout
            if requests is None or answers is None:
                raise OSError("the process that reads it has no pipes")
            requests.write(json.dumps({"do": what, "skip": list(skip)}).encode() + b"\n")
            while True:
                line = await asyncio.wait_for(answers.readline(), self._answer_within_s)
                if not line:
                    raise ConnectionResetError("the process that reads it has died")
                message = json.loads(line)
                if "at" not in message:
                    return message[what]
                at = message["at"]
                self.asked |= {at["index"]} - {None}
        except (asyncio.TimeoutError, OSError) as error:
            await self.end()
            silent = Silent(at["index"], at["uuid"], str(error) or f"{self._answer_within_s:g} s of silence")
            silent.was_killed = isinstance(error, ConnectionError) and not fresh and at["index"] is None
            raise silent from None
        except asyncio.CancelledError:
            await asyncio.shield(self.end())  # half an answer would be taken for the next one's
            raise

    async def end(self) -> None:
        """Kill it; one that does not die at once is left to itself."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        try:
            await asyncio.wait_for(process.wait(), DIE_WITHIN_S)
        except asyncio.TimeoutError:
            self._undying.append(process)

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        self._undying = [process for process in self._undying if process.returncode is None]
        if len(self._undying) >= UNDYING_MAX:
            raise OSError(f"{UNDYING_MAX} processes hang in the driver and cannot be killed")
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "jupyterhub_tf29.gpu.nvml.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_LIMIT,
        )
        if self._process.stdout is not None:
            await asyncio.wait_for(self._process.stdout.readline(), START_WITHIN_S)
        return self._process
