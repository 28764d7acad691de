"""TF29Spawner: a DockerSpawner that starts one workspace of the menu for each server.

The life of a server, and who calls what (JupyterHub's order, which its docs do not spell out):

    options saved → clear_state → _run_apply_user_options (the gate) → run_pre_spawn_hook (GPUs, memory, boot slot)
    → start (container, until it answers) → get_state saved → … poll … → stop → run_post_stop_hook (always)

A server that dies by itself never sees `stop`, so what must be given back is given back in
`run_post_stop_hook`. The layers below, each a class that knows nothing of those above it: `careful` (the
engine), `boot` (starting and undoing), `incidents` (what happens to a running one), `claims` (its GPUs).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from jupyterhub.utils import url_path_join
from traitlets import Any as AnyTrait
from traitlets import default

from ..i18n import choose_language, in_language
from ..profiles import Profile, Profiles
from . import container, gpumenu, labels, menu, storage
from .choice import ChoiceError, Chosen, choose
from .claims import ClaimingSpawner, Wish
from .naming import server_slug, slug
from .notices import KEPT
from .recorded import RecordedSpawner
from .refusal import StartFailed, refuse
from .story import Story

MEANWHILE_SERVER = "cpu"
"""The named server that the menu offers to who waits for a GPU with the default one."""


class TF29Spawner(RecordedSpawner, ClaimingSpawner):
    """Starts workspaces of the menu as Docker containers; `jupyterhub_tf29.configure` sets it up."""

    profiles = AnyTrait(
        None, allow_none=True, help="A WatchedFile of profiles.yaml; None: no menu, as a bare DockerSpawner."
    ).tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        self.accepted: dict[str, str] = {}
        self.chosen: Chosen | None = None
        super().__init__(**kwargs)

    # -- names and defaults, where DockerSpawner's own setting of the name does not say otherwise ------------

    @default("network_name")
    def _default_network_name(self) -> str:
        return self.settings.name

    @default("use_internal_ip")
    def _default_use_internal_ip(self) -> bool:
        return True

    @default("prefix")
    def _default_prefix(self) -> str:
        return self.settings.name

    @default("escape")
    def _escape_default(self) -> Any:
        return lambda text: slug(text) if text else ""

    @default("object_name")
    def _object_name_default(self) -> str:
        if self.name_template != self._default_name_template():
            return super()._object_name_default()
        return f"{self.prefix}-{server_slug(self.user.name, self.name)}"

    @default("start_timeout")
    def _default_start_timeout(self) -> int:
        return self.settings.start.timeout

    @default("http_timeout")
    def _default_http_timeout(self) -> int:
        return self.settings.start.timeout

    # -- the menu ----------------------------------------------------------------------------------------------

    @default("options_form")
    def _default_options_form(self) -> Any:
        return TF29Spawner.render_menu if self.profiles else super()._default_options_form()

    async def render_menu(self) -> str:
        """The form on the spawn page."""
        profiles, managed = await asyncio.gather(self._current_profiles(), self.gpus_managed())
        self.fleet.disk.renew()
        reader = self.handler.current_user if self.handler else None
        self._listen_to_reader()
        page = menu.MenuPage(
            profiles=profiles,
            chosen=self.accepted,
            language=self.language,
            gpus_managed=bool(managed),
            homes=storage.home_choices(self.settings, self.name),
            notices=self.notices[-3:],
            disk_used=self.fleet.disk.of(place.source for place in self._places() if not place.read_only),
            problem=self.profiles.problem if reader is not None and reader.admin else None,
            gpus=await self._gpu_menu(profiles.on_menu(True)) if managed else gpumenu.GpuMenu(),
        )
        return menu.render(page)

    @default("options_from_form")
    def _default_options_from_form(self) -> Any:
        return self._options_from_fields if self.profiles else super()._default_options_from_form()

    def options_from_query(self, query_data: dict[str, list[Any]]) -> Any:
        """The options of a link that starts a server; the gate looks at them."""
        return menu.options_from_query(query_data) if self.profiles else super().options_from_query(query_data)

    async def _options_from_fields(self, fields: dict[str, list[Any]]) -> dict[str, Any]:
        # held against the menu here, too, so that a bad choice comes back on the form, before it is saved
        self._listen_to_reader()
        pressed = menu.line_button(fields)
        if pressed is not None:
            raise refuse(await self.line_button(*pressed), in_language(self.language))
        return (await self._choose(menu.options_from_fields(fields))).options

    async def _run_apply_user_options(self, user_options: dict[str, Any]) -> None:
        """The gate: every start passes here, whichever way its options came.

        The Hub has saved the options by now; on refusal the last accepted ones take their place again.
        Overridden rather than `apply_user_options`, so that an admin's hook of that name still runs, after it.
        """
        self._listen_to_reader()
        self.story, self.chosen = Story(), None
        if self.profiles:
            try:
                self.chosen = await self._choose(user_options)
            except Exception:
                self._remember(self.accepted)
                raise
            self._remember(self.chosen.options)
            self._apply(self.chosen)
        if self.apply_user_options or not self.profiles:
            await super()._run_apply_user_options(self.user_options)

    async def _choose(self, user_options: dict[str, Any]) -> Chosen:
        profiles = await self._current_profiles()
        try:
            return choose(
                profiles,
                user_options,
                limits=self.settings.limits,
                # where nobody knows, asking for a GPU says why it cannot be had
                gpus_managed=await self.gpus_managed() is not False,
                homes=storage.home_choices(self.settings, self.name),
            )
        except ChoiceError as error:
            values: dict[str, Any] = error.values
            failure = StartFailed("options", error.sentence, status_code=400, **values)
            raise refuse(failure, in_language(self.language)) from None

    async def _current_profiles(self) -> Profiles:
        return await asyncio.to_thread(self.profiles.get)

    async def _gpu_menu(self, profiles: list[Profile]) -> gpumenu.GpuMenu:
        forecasts, tickets = await self.ask_for_menu(gpumenu.wishes(profiles))
        return gpumenu.gpu_menu(
            profiles,
            forecasts,
            tickets,
            self.language,
            line_url=self.line_url,
            meanwhile_url=self._meanwhile_url(),
        )

    def _meanwhile_url(self) -> str:
        """The menu of a named server, for who waits with the default one."""
        if not self.settings.named_servers:
            return ""
        return url_path_join(self.hub.base_url, "spawn", self.user.escaped_name, MEANWHILE_SERVER)

    def gpu_wish(self) -> Wish | None:
        """As the chosen workspace says."""
        gpu = self.chosen.override.gpu if self.chosen else None
        if self.chosen is None or gpu is None:
            return None
        return Wish(gpu.request, gpu.lease, self.chosen.profile.slug, self.chosen.options)

    def _remember(self, options: dict[str, str]) -> None:
        self.accepted = options
        self.user_options = dict(options)
        if self.orm_spawner is not None:
            self.orm_spawner.user_options = dict(options)
            self._save()

    def _apply(self, chosen: Chosen) -> None:
        limits, override = self.settings.limits, chosen.override
        self.mem_limit = override.mem_limit or limits.memory
        self.mem_guarantee = min(override.mem_guarantee or limits.memory_guarantee, self.mem_limit)
        self.cpu_limit = override.cpu_limit or limits.cpus
        if override.default_url:
            self.default_url = override.default_url

    def _listen_to_reader(self) -> str:
        # who says no language is a program: the broker, for instance, at the turn of a user who had one
        said = self.handler.request.headers.get("Accept-Language") if self.handler is not None else None
        if said:
            self.language = choose_language(said)
        return self.language

    # -- the start ---------------------------------------------------------------------------------------------

    async def start(self) -> tuple[str, int]:
        """As BootingSpawner; nothing starts that did not pass the gate."""
        if self.profiles and self.chosen is None:
            raise self.failure(RuntimeError("the options were not held against the menu"))
        self.notices = []
        await self.write_notices()
        return await super().start()

    def workspace(self) -> container.Workspace:
        """Limits, places, labels and environment of this server's container."""
        limits, override = self.settings.limits, self.chosen.override if self.chosen else None
        cpus = float(self.cpu_limit or limits.cpus)
        return container.Workspace(
            limits=container.Limits(
                processes=limits.processes,
                shared_memory=(override and override.shm_size) or limits.shared_memory,
                log_size=limits.log_size,
            ),
            places=self._places(),
            labels={
                **self.own_labels(),
                **self.gpu_labels(),
                labels.PROFILE: self.accepted.get("profile", ""),
            },
            gpus=self.devices,
            notices_dir=str(self.notices_folder) if self.notices_folder else None,
            environment={
                **container.cpu_environment(cpus),
                **container.language_environment(self.language),
                **(override.environment if override else {}),
            },
        )

    def _places(self) -> list[storage.Place]:
        home = storage.home_of(self.settings, self.name, self.accepted.get("home"))
        return storage.places(self.settings, self.user.name, self.name, home)

    # -- state, which the Hub keeps in its database ------------------------------------------------------------

    def get_state(self) -> dict[str, Any]:
        """What outlives the Hub; the last accepted options and the notices outlive the server, too."""
        state = super().get_state()
        state.update(accepted=self.accepted, notices=self.notices[-KEPT:], language=self.language)
        if self.object_id:
            state.update(mem_guarantee=self.mem_guarantee, mem_limit=self.mem_limit)
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """As the Hub finds it after a restart: a running server holds its memory and is listened to again."""
        super().load_state(state)
        self.accepted = state.get("accepted", {})
        self.notices = state.get("notices", [])
        self.language = state.get("language", self.language)
        if not self.object_id or self.orm_spawner is None:
            return
        if self.orm_spawner.server is None:
            self.fleet.condemn(self.object_id)
            self.object_id = ""
            return
        self.mem_limit = state.get("mem_limit", self.mem_limit)
        self.mem_guarantee = state.get("mem_guarantee", self.mem_guarantee)
        self.fleet.admission.record(self.key, int(self.mem_guarantee or 0))
        self.fleet.join(self.object_id, self)

    async def rename(self, old_name: str, new_name: str) -> None:
        """Refused where the server's name is part of its home's: its files would seem to be lost."""
        if storage.home_of(self.settings, old_name, self.accepted.get("home")) == "own":
            raise ValueError(
                f"The server {old_name!r} has a home of its own, which carries its name. Make a new server and "
                "copy the files through /models."
            )

    # -- the progress page -------------------------------------------------------------------------------------

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """The story of this start. It must never raise: the Hub would show the start as failed."""
        async for event in self.story.events():
            yield dict(event)
