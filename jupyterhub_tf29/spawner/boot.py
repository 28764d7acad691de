"""How a workspace boots: memory and a boot slot first, then the container, until its server answers.

A start can be cancelled at any await (the Stop button, a time-out), and a thread of the pool may still make the
container after that. So the creation is a task of its own, which cancelling does not reach, and a cancelled or
failed start leaves an undoing task behind that waits for it and removes what came of it. Whoever comes next
(`start`, `stop`, `poll`) waits for that task or knows of it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from jupyterhub.utils import maybe_future, url_path_join
from tornado.httpclient import AsyncHTTPClient, HTTPClientError

from ..i18n import in_language
from ..units import format_size
from . import admission, container, labels
from .careful import CarefulDockerSpawner
from .refusal import StartFailed, explain, refuse
from .story import Story

ASK_AGAIN_AFTER = 0.05
"""Seconds between two tries whether the server answers: connecting to a closed port costs microseconds."""

LOOK_AFTER = 2.0
"""Seconds between two looks whether the container still runs, should its `die` event be missed."""


class BootingSpawner(CarefulDockerSpawner):
    """Starts a container and gives everything back, whatever happens."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.language = "en"
        self.story = Story()
        self.died = asyncio.Event()
        self._creating: asyncio.Task[dict[str, Any]] | None = None
        self._undoing: asyncio.Task[None] | None = None
        self._launching = False

    def workspace(self) -> container.Workspace:
        """What this project adds to the container; TF29Spawner knows."""
        limits = self.settings.limits
        return container.Workspace(
            limits=container.Limits(
                processes=limits.processes, shared_memory=limits.shared_memory, log_size=limits.log_size
            ),
            places=[],
            labels=self.own_labels(),
        )

    def own_labels(self) -> dict[str, str]:
        """How the container is found again."""
        return {
            labels.NAME: self.settings.name,
            labels.USER: self.user.name,
            labels.SERVER: self.name,
        }

    @property
    def key(self) -> object:
        """What this server is to the fleet: the same for every spawner object that the Hub makes of it."""
        return self.orm_spawner.id if self.orm_spawner is not None else id(self)

    # -- before the start: nothing here counts against start_timeout -----------------------------------------

    def run_pre_spawn_hook(self) -> Any:
        """The admin's hook, then what is scarce, then the machine's memory, then a boot slot.

        The Hub calls this in the task of the whole start, whose end, however it comes, gives back the slot,
        and all that was taken where no server came of it.
        """
        task = asyncio.current_task()
        if task is not None:
            task.add_done_callback(self._start_ended)
        return self._prepare(super().run_pre_spawn_hook())

    async def _prepare(self, hook: Any) -> None:
        await maybe_future(hook)
        try:
            await self._undone()
            await self.reserve()
            await self._admit()
            await self._wait_for_slot()
        except Exception as error:
            raise self.failure(error) from None

    async def reserve(self) -> None:
        """Take what this server needs beside memory, or raise StartFailed. Here: nothing."""

    def let_go(self, reason: str) -> None:
        """Give back what the server held beside its container: `failed`, `cancelled`, `stopped`, `died`.

        Called at every end of a server and of a start; twice is harmless.
        """
        self.fleet.admission.release(self.key)

    async def _admit(self) -> None:
        memory = await asyncio.to_thread(admission.read_host_memory)
        guarantee = int(self.mem_guarantee or self.settings.limits.memory_guarantee)
        try:
            self.fleet.admission.admit(self.key, guarantee, memory, self.settings.limits.host_memory_reserve)
        except admission.DoesNotFit as error:
            raise StartFailed(
                "memory",
                "There is not enough memory left on this machine for this workspace: it needs {needed}, and "
                "{free} of {total} are free. Choose a smaller one, or try again when others have stopped theirs.",
                status_code=503,
                needed=format_size(error.needed),
                free=format_size(error.free),
                total=format_size(error.total),
            ) from None

    async def _wait_for_slot(self) -> None:
        def moved(place: int) -> None:
            self.tell(5, "Others are starting, too: yours is number {place} in the line.", place=place)

        try:
            await asyncio.wait_for(self.fleet.boot_slots.acquire(self, moved), self.settings.start.queue_timeout)
        except asyncio.TimeoutError:
            raise StartFailed(
                "busy",
                "Too many workspaces are starting on this machine. Please try again in a few minutes.",
                status_code=503,
            ) from None

    def _start_ended(self, task: asyncio.Task[Any]) -> None:
        self.fleet.boot_slots.release(self)
        self.story.end()
        if task.cancelled():
            self.let_go("cancelled")
        elif task.exception() is not None:
            self.let_go("failed")

    # -- the start ---------------------------------------------------------------------------------------------

    async def start(self) -> tuple[str, int]:
        """Make and start the container; returns (ip, port) when its server answers HTTP.

        Raises the Hub's SpawnException with a sentence for the user.
        """
        await self._undone()
        self._launching = True
        self.died.clear()
        try:
            await self.use_image()
            address = await super().start()
            self.tell(60, "The container runs; waiting for the server in it …")
            await self._until_it_answers(*address)
            self.tell(95, "The server answers.")
            return address
        except asyncio.CancelledError:
            self.log.warning("The start of server %s was cancelled", self._log_name)
            self._undo_later()
            raise
        except Exception as error:
            undoing = self._undo_later()
            await asyncio.wait([undoing])
            raise self.failure(error) from None
        finally:
            self._launching = False
            self._creating = None
            self.fleet.boot_slots.release(self)

    async def pull_image(self, image: str) -> None:
        """As CarefulDockerSpawner, told."""
        self.tell(10, "Looking for the image …")
        await super().pull_image(image)

    async def create_object(self) -> dict[str, Any]:
        """Make the container; cancelling stops the waiting for it, never the making."""
        self.tell(25, "Mounting your volumes and making the container …")
        self._creating = asyncio.ensure_future(super().create_object())
        return await asyncio.shield(self._creating)

    async def start_object(self) -> None:
        """Start the container and listen to what happens to it."""
        self.fleet.join(self.object_id, self)
        self.tell(40, "Starting the container …")
        await super().start_object()

    def docker(self, method: str, *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
        """As CarefulDockerSpawner; a workspace's container is completed on its way to the engine."""
        if method == "create_container" and kwargs.get("name") == self.container_name:
            kwargs = container.complete(kwargs, self.workspace())
        return super().docker(method, *args, **kwargs)

    async def _until_it_answers(self, ip: str, port: int) -> None:
        """Return at the first HTTP answer; raise StartFailed as soon as the container is dead."""
        if self.internal_ssl:
            return  # the Hub waits itself, with its certificates
        url = f"http://{ip}:{port}{url_path_join(self.server.base_url, 'api')}"
        look_at = time.monotonic() + LOOK_AFTER
        death = asyncio.ensure_future(self.died.wait())
        try:
            while not death.done():
                if await _listens(ip, port) and await _answers(url):
                    return
                if time.monotonic() > look_at:
                    look_at = time.monotonic() + LOOK_AFTER
                    if not (await self.docker("inspect_container", self.object_id))["State"]["Running"]:
                        break
                # not wait_for: before Python 3.12 it loses a cancellation that comes as it times out
                await asyncio.wait([death], timeout=ASK_AGAIN_AFTER)
        finally:
            death.cancel()
        raise await self.cause_of_death()

    async def cause_of_death(self) -> StartFailed:
        """Why the container stopped while it was booting."""
        state = (await self.docker("inspect_container", self.object_id))["State"]
        log = await self.docker("logs", self.object_id, tail=20)
        last_words = log.decode("utf-8", "replace").strip()
        if "No space left on device" in last_words or "Disk quota exceeded" in last_words:
            return explain(OSError("no space left on device"))
        return StartFailed(
            "died",
            "The server in your workspace stopped while it was starting (exit code {code}). Your files are "
            "safe. Please try again, and tell the admin if it stays so.",
            code=state["ExitCode"],
            cause=f"exit code {state['ExitCode']}, last words of the container:\n{last_words}",
        )

    # -- undoing -----------------------------------------------------------------------------------------------

    def _undo_later(self) -> asyncio.Task[None]:
        self._undoing = asyncio.ensure_future(self._undo(self._creating))
        return self._undoing

    async def _undo(self, creating: asyncio.Task[dict[str, Any]] | None) -> None:
        if creating is None:
            return
        try:
            self.object_id = (await creating)["Id"]
        except Exception:
            return  # nothing was made
        try:
            await self.remove_object()
        except Exception as error:
            self.log.error("Container %s of a failed start stays for now: %s", self.container_name, error)
            self.fleet.condemn(self.object_id)
        self.fleet.leave(self.object_id)
        self.object_id = ""

    async def _undone(self) -> None:
        """Wait until nothing is left of an earlier start."""
        if self._undoing is not None:
            await asyncio.wait([self._undoing])
            self._undoing = None

    async def poll(self) -> int | str | None:
        """As CarefulDockerSpawner; a start that is under way, or being undone, runs."""
        if self._launching or (self._undoing is not None and not self._undoing.done()):
            return None
        return await super().poll()

    async def stop(self, now: bool = False) -> None:
        """As CarefulDockerSpawner; of a start that was cancelled, what is left is removed."""
        if self._undoing is not None:
            await self._undone()
        if self.object_id:
            self.fleet.leave(self.object_id)
            await super().stop(now)

    # -- words -------------------------------------------------------------------------------------------------

    def tell(self, progress: int, sentence: str, **values: Any) -> None:
        """One more line of the story, in the language of who started the server."""
        self.story.tell(progress, in_language(self.language)(sentence).format(**values))

    def failure(self, error: BaseException) -> Exception:
        """The exception for the Hub, and the cause in the log, with the user and the container named."""
        failure = explain(error)
        unknown = error if failure.reason == "engine_error" else None
        self.log.log(
            logging.ERROR if failure.level == "error" else logging.INFO,
            "Server %s (container %s) did not start: %s",
            self._log_name,
            self.container_name,
            failure,
            exc_info=unknown,
        )
        return refuse(failure, in_language(self.language))


async def _listens(ip: str, port: int) -> bool:
    """Whether anybody listens there: a fifth of the CPU of asking over HTTP, some thirty times a start."""
    try:
        _, writer = await asyncio.open_connection(ip, port)
    except OSError:
        return False
    writer.close()
    return True


async def _answers(url: str) -> bool:
    """Whether anything but a server error comes back; redirects and 403 are answers, too."""
    try:
        await AsyncHTTPClient().fetch(url, follow_redirects=False, connect_timeout=1, request_timeout=5)
    except HTTPClientError as error:
        return error.code < 500
    except OSError:
        return False
    return True
