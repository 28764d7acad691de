"""A DockerSpawner that is careful with the engine: many calls at once, and "unknown" is not "stopped".

DockerSpawner 14 takes an engine's error 500 for a container that is gone, and then the Hub stops a server that
may be in the middle of a long training. Here only the engine's word that the container does not run, or does
not exist, means that it stopped.
"""

from __future__ import annotations

import asyncio
from typing import Any

import docker
from docker.utils import kwargs_from_env
from dockerspawner import DockerSpawner
from traitlets import Bool, Instance, TraitError, validate

from ..image.pin import PinError, read_pin
from ..settings import Paths, Settings
from . import labels
from .fleet import Fleet
from .refusal import StartFailed

GONE_WITHIN = 20.0
"""Seconds in which a container that is being removed has to be gone."""

_MACHINE_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}


class CarefulDockerSpawner(DockerSpawner):
    """What TF29Spawner stands on; it knows the engine, and nothing of menus, homes or memory."""

    settings = Instance(Settings, args=(), help="hub.yaml, as read.").tag(config=True)
    paths = Instance(Paths, allow_none=True, help="The installation's folders.").tag(config=True)
    object_id: str
    use_pinned_image = Bool(
        False, help="Run the image that `tf29hub image build` pinned, instead of `image`."
    ).tag(config=True)
    # declared anew: with DockerSpawner's False as its default, setting False is no change and is not validated
    remove = Bool(True, help="Remove a stopped server's container. It cannot be set to False.").tag(config=True)

    @validate("remove")
    def _validate_remove(self, proposal: Any) -> bool:
        if not proposal["value"]:
            raise TraitError(
                "TF29Spawner.remove cannot be False: a container that is started again keeps its old image, "
                "limits, devices and token. Files are in volumes and stay."
            )
        return True

    # -- calls -------------------------------------------------------------------------------------------------

    @property
    def fleet(self) -> Fleet:
        """What all servers of this hub share."""
        return Fleet.current(self.settings, self._make_client, self.log)

    @property
    def client(self) -> Any:
        """A client for what needs no call (`create_host_config`); calls go through `docker`."""
        return self.fleet.engine.any_client()

    def docker(self, method: str, *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
        """`APIClient.<method>(…)` in a thread of the pool."""
        return self.fleet.engine.submit(method, *args, **kwargs)

    def _make_client(self) -> Any:
        options = {"version": "auto", **kwargs_from_env(), **self.client_kwargs}
        if self.tls_config:
            options["tls"] = docker.tls.TLSConfig(**self.tls_config)
        return docker.APIClient(**options)

    # -- what runs ---------------------------------------------------------------------------------------------

    async def poll(self) -> int | str | None:
        """None: it runs, or nobody knows; anything else: the engine says that it does not run."""
        if not self.object_id:
            return 0
        try:
            return await super().poll()
        except Exception as error:
            self.log.warning(
                "Whether server %s (container %s) runs is unknown, so it is taken to run: %s",
                self._log_name,
                self.container_name,
                error,
            )
            return None

    async def get_object(self) -> dict[str, Any] | None:
        """The container as the engine describes it; None only where the engine says that there is none.

        Raises whatever the engine's client raises, and StartFailed for a container that is not this hub's.
        """
        try:
            found = await self.docker("inspect_container", self.object_id or self.object_name)
        except docker.errors.NotFound:
            self.object_id = ""
            return None
        if not self.object_id and (found["Config"]["Labels"] or {}).get(labels.NAME) != self.settings.name:
            raise StartFailed(
                "name_taken",
                "The workspace could not be started: its name is taken on this machine. Please tell the admin.",
                cause=f"container {self.object_name} exists and was not made by this hub",
            )
        self.object_id = found["Id"]
        return found

    async def remove_object(self) -> None:
        """Remove the container, running or not, and wait until it is gone. Volumes stay."""
        container_id: str = self.object_id
        self.log.info("Removing container %s of server %s", container_id[:12], self._log_name)
        try:
            await self.docker("remove_container", container_id, force=True, v=True)
        except docker.errors.APIError as error:
            if error.status_code not in (404, 409):
                raise
        await asyncio.wait_for(self._until_gone(container_id), GONE_WITHIN)

    async def _until_gone(self, container_id: str) -> None:
        # the engine has no event for "its name is free again"
        while await self._exists(container_id):  # noqa: ASYNC110
            await asyncio.sleep(0.1)

    async def _exists(self, container_id: str) -> bool:
        try:
            await self.docker("inspect_container", container_id)
        except docker.errors.NotFound:
            return False
        return True

    async def stop(self, now: bool = False) -> None:
        """Stop and remove the container. Where the engine cannot, it is removed as soon as it can."""
        container_id = self.object_id
        try:
            await self.docker("stop", container_id, timeout=0 if now else 10)
            await self.remove_object()
        except docker.errors.NotFound:
            self.log.debug("Container %s is gone already", container_id[:12])
        except Exception as error:
            self.log.error(
                "Server %s (container %s) could not be stopped; it is removed when the engine answers: %s",
                self._log_name,
                self.container_name,
                error,
            )
            self.fleet.condemn(container_id)
        self.object_id = ""
        self.clear_state()

    # -- the image ---------------------------------------------------------------------------------------------

    async def use_image(self) -> None:
        """Take the pinned image, where there is a pin to follow. Raises StartFailed."""
        if not self.use_pinned_image or self.paths is None:
            return
        try:
            pin = await asyncio.to_thread(read_pin, self.paths.image_pin)
        except PinError as error:
            raise StartFailed(
                "image_missing",
                "The notebook image is not on this machine. Please tell the admin.",
                status_code=503,
                cause=str(error),
            ) from error
        self.image = pin.image_id

    async def pull_image(self, image: str) -> None:
        """Have the image here, and for this machine's architecture. An image ID is never pulled.

        DockerSpawner splits `repository@sha256:…` at the colon; a digest goes to the engine whole.
        """
        if "@" in image and self.pull_policy in ("always", "ifnotpresent"):
            if self.pull_policy == "always" or not await self._has_image(image):
                await self.docker("pull", image)
        elif not image.startswith("sha256:"):
            await super().pull_image(image)
        if self.pull_policy == "skip":
            return
        built_for = (await self.docker("inspect_image", image))["Architecture"]
        machine = (await self.docker("version"))["Arch"]
        if _MACHINE_NAMES.get(built_for, built_for) != _MACHINE_NAMES.get(machine, machine):
            raise StartFailed(
                "image_architecture",
                "The notebook image was built for another kind of machine ({built_for}; this is {machine}). "
                "Please tell the admin.",
                status_code=503,
                built_for=built_for,
                machine=machine,
            )

    async def _has_image(self, image: str) -> bool:
        try:
            await self.docker("inspect_image", image)
        except docker.errors.NotFound:
            return False
        return True
