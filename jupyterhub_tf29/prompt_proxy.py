"""The Hub's side of Traefik, which asks at once whether a new route is there."""

from __future__ import annotations

from typing import Any

from jupyterhub.utils import exponential_backoff
from jupyterhub_traefik_proxy.fileprovider import TraefikFileProviderProxy

FIRST_LOOK_WITHIN_S = 0.02
"""Traefik takes some milliseconds to read a changed file; its API answers in one."""


class PromptTraefikProxy(TraefikFileProviderProxy):
    """jupyterhub-traefik-proxy 2.1 waits up to 0.2 s before it first looks; every start would wait with it."""

    async def _wait_for_route(self, routespec: str) -> None:
        async def is_there() -> Any:
            for kind in ("service", "router"):
                if not await self._check_for_traefik_service(routespec, kind):
                    return False
            return True

        await exponential_backoff(
            is_there,
            f"Traefik's route for {routespec} did not appear",
            start_wait=FIRST_LOOK_WITHIN_S,
            scale_factor=1.5,
            timeout=self.check_route_timeout,
        )
