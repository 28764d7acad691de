"""What happens to a running workspace: killed for memory, dead by itself. Its user and the admin are told."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from jupyterhub.utils import maybe_future
from sqlalchemy.orm import object_session

from ..i18n import N_, in_language
from ..units import format_size
from . import notices
from .boot import BootingSpawner
from .refusal import StartFailed
from .watch import memory_in_use

SAME_INCIDENT = timedelta(seconds=30)
"""The engine may tell one shortage of memory several times; within this time it is one."""

_OUT_OF_MEMORY = N_(
    "A program in your workspace was stopped because the workspace reached its memory limit of {limit} "
    "(last measured: {last}). If it was a notebook's kernel, its variables are lost; your files are safe. Load "
    "less at once, or choose a workspace with more memory."
)
_SERVER_OUT_OF_MEMORY = N_(
    "Your workspace was stopped because it reached its memory limit of {limit} (last measured: {last}). Your "
    "files are safe. Load less at once, or choose a workspace with more memory."
)
_SERVER_DIED = N_(
    "Your workspace stopped by itself (exit code {code}). Your files are safe. If it happens again, please tell "
    "the admin."
)


class ToldSpawner(BootingSpawner):
    """Keeps the notices of a server and writes them where its user reads them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.notices: list[notices.Notice] = []
        self._sample: tuple[float, int] | None = None

    # -- what the fleet calls ----------------------------------------------------------------------------------

    async def on_engine_event(self, event: str) -> None:
        """`oom`: tell the user now. `die`: look now rather than at the next poll."""
        if event == "oom":
            await self._out_of_memory(_OUT_OF_MEMORY)
        elif event == "die":
            self.died.set()
            if self.ready:
                await self.poll_and_notify()

    async def sample_memory(self) -> None:
        """Note how much memory the container uses, for the message should it run out."""
        stats = await self.docker("stats", self.object_id, stream=False, one_shot=True)
        used = memory_in_use(stats)
        if used is not None:
            self._sample = (time.time(), used)

    # -- the end of a server -----------------------------------------------------------------------------------

    def run_post_stop_hook(self) -> Any:
        """Called after every server, however it ended: everything it held is given back here."""
        return self._after_stop()

    async def _after_stop(self) -> None:
        how = "died" if self.object_id else "stopped"
        try:
            await self._undone()
            if self.object_id:
                await self._bury()
        except Exception as error:
            self.log.error("Container %s of server %s stays: %s", self.container_name, self._log_name, error)
            self.fleet.condemn(self.object_id)
        finally:
            self.fleet.leave(self.object_id)
            self.let_go(how)
            self.object_id = ""
        await maybe_future(super().run_post_stop_hook())

    async def _bury(self) -> None:
        """A container that died by itself: note why, then remove it."""
        found = await self.get_object()
        if found is None:
            return
        state = found["State"]
        if state["OOMKilled"]:
            await self._out_of_memory(_SERVER_OUT_OF_MEMORY)
        elif not state["Running"]:
            await self.note(notices.make_notice("died", "error", _SERVER_DIED, code=state["ExitCode"]))
            self.log.error(
                "Server %s (container %s) stopped by itself, exit code %s",
                self._log_name,
                self.container_name,
                state["ExitCode"],
            )
        await self.remove_object()

    async def cause_of_death(self) -> StartFailed:
        """As BootingSpawner; too little memory to start has a sentence of its own."""
        state = (await self.docker("inspect_container", self.object_id))["State"]
        if not state["OOMKilled"]:
            return await super().cause_of_death()
        return StartFailed(
            "memory_limit",
            "The server in your workspace needs more memory than its limit of {limit} to start. Choose a "
            "workspace with more memory.",
            limit=self._limit_in_words(),
        )

    # -- notices -----------------------------------------------------------------------------------------------

    async def _out_of_memory(self, sentence: str) -> None:
        last = self._last_sample_in_words()
        self.log.warning(
            "Server %s (container %s) ran out of memory: limit %s, last measured %s",
            self._log_name,
            self.container_name,
            self._limit_in_words(),
            last["en"],
        )
        if sentence == _OUT_OF_MEMORY and self._told_lately("oom-"):
            return
        notice = notices.make_notice("oom", "error", sentence, limit=self._limit_in_words(), last=last["en"])
        notice["text"]["zh"] = in_language("zh")(sentence).format(limit=self._limit_in_words(), last=last["zh"])
        await self.note(notice)

    async def note(self, notice: notices.Notice) -> None:
        """Tell the user: on the menu, and in Lab where it runs."""
        self.notices = [*self.notices, notice][-notices.KEPT :]
        await self.write_notices()
        if self.orm_spawner is not None:
            self.orm_spawner.state = self.get_state()
            self._save()

    def _save(self) -> None:
        """What was put into `orm_spawner` outlives the Hub. `Spawner.db`, deprecated, would complain each time."""
        session = object_session(self.orm_spawner)
        if session is not None:
            session.commit()

    async def write_notices(self) -> None:
        """Put the notices where the container sees them."""
        folder = self.notices_folder
        if folder is not None:
            await asyncio.to_thread(notices.write_notices, folder, self.notices)

    @property
    def notices_folder(self) -> Path | None:
        """On this machine; it is mounted read-only into the container."""
        return self.paths.notices / self.container_name if self.paths is not None else None

    def _told_lately(self, kind: str) -> bool:
        lately = [notice for notice in self.notices if notice["id"].startswith(kind)]
        if not lately:
            return False
        told = datetime.fromisoformat(lately[-1]["time"])
        return datetime.now(told.tzinfo) - told < SAME_INCIDENT

    def _limit_in_words(self) -> str:
        return format_size(int(self.mem_limit)) if self.mem_limit else "?"

    def _last_sample_in_words(self) -> dict[str, str]:
        if self._sample is None:
            return {"en": "not yet", "zh": "尚无"}
        taken, used = self._sample
        ago = round(time.time() - taken)
        return {"en": f"{format_size(used)}, {ago} s before", "zh": f"{format_size(used)}，{ago} 秒前"}
