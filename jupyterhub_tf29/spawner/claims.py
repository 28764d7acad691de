"""GPUs for a server: asked of the broker before it boots, given back however it ends.

    reserve (ask: a claim, or a place in the line and the start ends) → boot slot → create (labels, devices)
    → commit → … → let_go (a failed or cancelled start, a stop, a server that died by itself)

What must survive the Hub is on the container (labels) and in the broker's store; the claim is in the server's
state, too, so that a restarted Hub gives back what its predecessor took.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from jupyterhub.utils import maybe_future, url_path_join

from ..gpu.client import BrokerRefused, BrokerUnavailable, Claim, Event, Forecast, Placed, Ticket
from ..gpu.inject import CannotInject, injection, without_gpu
from ..gpu.request import Request
from ..profiles import Gpu
from . import labels, line
from .container import Gpus
from .gpudesk import GpuDesk, ServerKey
from .gpuwords import duration_in_words, text_in
from .incidents import ToldSpawner
from .notices import Notice
from .refusal import StartFailed

LINE_SERVICE = "gpus"
"""The service whose page shows the line."""


@dataclass(frozen=True)
class Wish:
    """What a start asks the broker for."""

    request: Request
    lease_s: int | None
    """Seconds; None: as the policy says."""
    profile: str
    options: Mapping[str, str]
    """With which the broker starts the server when its turn comes."""


class ClaimingSpawner(ToldSpawner):
    """Holds a claim on GPUs while it runs; without a wish it is a ToldSpawner."""

    def __init__(self, **kwargs: Any) -> None:
        self.claim: Claim | None = None
        self._asking: asyncio.Task[Placed] | None = None
        self._asked_at = 0.0
        self._injected: Gpus | None = None
        self._letting_go: asyncio.Task[None] | None = None
        super().__init__(**kwargs)

    def gpu_wish(self) -> Wish | None:
        """What this start asks for; TF29Spawner knows. None: no GPU."""
        return None

    @property
    def gpus(self) -> GpuDesk | None:
        """The Hub's way to the broker; None for a spawner without an installation around it."""
        return GpuDesk.current(self.settings, self.paths, self.log) if self.paths is not None else None

    @property
    def server_key(self) -> ServerKey:
        return self.user.name, self.name

    @property
    def groups(self) -> list[str]:
        """The user's groups in the Hub."""
        return sorted(group.name for group in self.user.groups)

    # -- asking ------------------------------------------------------------------------------------------------

    async def reserve(self) -> None:
        """Have the GPUs, or end the start: in the line, refused, or with the broker silent. Raises StartFailed."""
        wish = self.gpu_wish()
        if wish is None:
            return
        desk = self.gpus
        if desk is None:
            raise RuntimeError("a workspace with a GPU needs an installation with a broker (TF29Spawner.paths)")
        self.tell(2, "Asking for a GPU …")
        try:
            if self._letting_go is not None:
                await asyncio.wait([self._letting_go])
            await desk.given_back(self.server_key)
            # a task of its own: a cancelled start must still learn what was granted, to give it back
            self._asked_at = time.time()
            self._asking = asyncio.ensure_future(self._ask(desk, wish))
            placed = await asyncio.shield(self._asking)
        except BrokerUnavailable as error:
            raise line.silent(error) from None
        except BrokerRefused as error:
            raise line.refused(error, self.language) from None
        self._asking = None
        desk.join(self.server_key, self)
        desk.listen()
        if placed.ticket is not None:
            raise line.in_line(placed.ticket, self.line_url, self.language)
        self.claim = placed.claim
        self.tell(4, "You have it for {time}.", time=self._lease_left())

    async def _ask(self, desk: GpuDesk, wish: Wish) -> Placed:
        return await desk.client.claim(
            user=self.user.name,
            server=self.name,
            groups=self.groups,
            request=wish.request.to_json(),
            lease_s=wish.lease_s,
            profile=wish.profile,
            options=wish.options,
        )

    @property
    def line_url(self) -> str:
        """The page that shows the cards and the line."""
        return url_path_join(self.hub.base_url.removesuffix("hub/"), "services", LINE_SERVICE, "/")

    def _lease_left(self) -> str:
        ends = self.claim["lease_end"] if self.claim else time.time()
        return duration_in_words(max(0.0, ends - time.time()), self.language)

    # -- the menu ----------------------------------------------------------------------------------------------

    async def gpus_managed(self) -> bool | None:
        """Whether this hub hands out GPUs; None: nobody knows right now."""
        return await self.gpus.managed() if self.gpus is not None else False

    async def ask_for_menu(self, wishes: Mapping[str, Gpu]) -> tuple[dict[str, Forecast], list[Ticket]]:
        """What would happen to each wish, and the user's places; empty where the broker is late."""
        if self.gpus is None:
            return {}, []
        forecasts, tickets = await asyncio.gather(
            self.gpus.forecast(self.server_key, self.groups, wishes), self.gpus.tickets(self.user.name)
        )
        return forecasts, tickets or []

    async def line_button(self, button: str, ticket_id: str) -> StartFailed:
        """One of a place's buttons was pressed. Returns what the menu says to it."""
        if self.gpus is None:
            return line.gone()
        return await line.press(self.gpus.client, self.user.name, button, ticket_id, self.language)

    # -- the container -----------------------------------------------------------------------------------------

    async def create_object(self) -> dict[str, Any]:
        """As BootingSpawner; the broker learns which container has the GPUs."""
        if self.claim is not None:
            await self.prepare_devices(self.claim)
        made = await super().create_object()
        if self.claim is not None and self.gpus is not None:
            await self._commit(self.gpus, self.claim, made["Id"])
        return made

    async def prepare_devices(self, claim: Claim) -> None:
        """Find out how this engine hands the claim's devices to a container."""
        uuids = [device["uuid"] for device in claim["devices"]]
        try:
            injected = injection(
                await self.docker("info"),
                uuids,
                share_mib=claim["share_mib"],
                memory_mib=self.gpus.memory_mib(uuids[0]) if self.gpus is not None else None,
                how=self.settings.gpu.injection,
            )
        except CannotInject as error:
            raise line.cannot_inject(error) from None
        self._injected = Gpus(list(injected.device_requests), dict(injected.environment))

    @property
    def devices(self) -> Gpus | None:
        """What the container gets of the GPUs; where GPUs are handed out and this server has none: nothing."""
        if self.claim is not None:
            return self._injected
        if self.gpus is None or self.gpus.known is False:
            return None
        return Gpus(environment=dict(without_gpu().environment))

    async def _commit(self, desk: GpuDesk, claim: Claim, container_id: str) -> None:
        try:
            self.claim = await desk.client.commit(claim["id"], container_id)
        except BrokerUnavailable as error:
            # its labels say the same, and the broker reads them when it is back
            self.log.warning("The broker does not know yet of the GPUs of %s: %s", self._log_name, error)
        except BrokerRefused as error:
            raise StartFailed(
                "gpu_lost",
                "Your GPU was given to somebody else because the start took too long. Please try again.",
                status_code=503,
                cause=str(error),
            ) from None

    def gpu_labels(self) -> dict[str, str]:
        """What the broker finds on the container after a crash of whatever crashed."""
        if self.claim is None:
            return {}
        devices = self.claim["devices"]
        return {
            labels.CLAIM: self.claim["id"],
            labels.GPUS: ",".join(device["uuid"] for device in devices),
            labels.GPU_MIB: ",".join(str(device["mib"] or "") for device in devices),
            labels.LEASE_END: f"{self.claim['lease_end']:.0f}",
        }

    # -- giving back -------------------------------------------------------------------------------------------

    def let_go(self, reason: str) -> None:
        """As BootingSpawner; the claim goes back as soon as nothing of the container is left."""
        super().let_go(reason)
        asking, self._asking = self._asking, None
        claim, self.claim = self.claim, None
        if asking is not None or claim is not None:
            self._letting_go = asyncio.ensure_future(self._return_gpus(asking, claim, reason))

    async def _return_gpus(self, asking: asyncio.Task[Placed] | None, claim: Claim | None, reason: str) -> None:
        asked_at = self._asked_at
        if asking is not None:
            await asyncio.wait([asking])
            if asking.cancelled() or asking.exception() is not None:
                return
            claim, ticket = asking.result()
            # a place that its user has not seen; an older one, which was only asked for again, stays
            if ticket is not None and ticket["submitted"] >= asked_at:
                await self._leave_line(ticket["id"])
        await self._undone()
        if claim is not None and self.gpus is not None:
            self.gpus.give_back(self.server_key, claim["id"], reason)

    async def _leave_line(self, ticket_id: str) -> None:
        try:
            if self.gpus is not None:
                await self.gpus.client.cancel(ticket_id)
        except (BrokerUnavailable, BrokerRefused) as error:
            self.log.warning("Ticket %s of server %s stays in the line: %s", ticket_id, self._log_name, error)

    async def delete_forever(self) -> None:
        """The Hub deletes this server, or its user: its place in the line would start it again."""
        if self.gpus is not None and self.gpus.known is not False:
            for ticket in await self.gpus.tickets(self.user.name) or []:
                if ticket["server"] == self.name:
                    await self._leave_line(ticket["id"])
        await maybe_future(super().delete_forever())

    # -- what the broker tells ---------------------------------------------------------------------------------

    async def on_gpu_event(self, event: Event) -> None:
        """A warning, or news of a place in the line: in Lab and on the menu."""
        notice: Notice = {
            "id": f"{event['kind']}-{event['id']}",
            "time": datetime.fromtimestamp(event["time"], timezone.utc).isoformat(timespec="seconds"),
            "level": event.get("level", "info"),
            "text": event["text"],
        }
        if any(one["id"] == notice["id"] for one in self.notices):
            return
        self.log.info("Server %s is told: %s", self._log_name, text_in(event["text"], "en"))
        await self.note(notice)

    # -- state -------------------------------------------------------------------------------------------------

    def get_state(self) -> dict[str, Any]:
        """As ToldSpawner; the claim of a container that exists."""
        state = super().get_state()
        if self.object_id and self.claim is not None:
            state["claim"] = self.claim
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """A running server holds its GPUs again, and hears of them."""
        super().load_state(state)
        if self.gpus is None or self.orm_spawner is None:
            return
        self.gpus.join(self.server_key, self)
        self.claim = state.get("claim")
        if self.claim is not None and self.orm_spawner.server is None:
            self.let_go("failed")
        elif self.claim is not None:
            self.gpus.listen()
