"""The Hub's side of Traefik: routes for names with any characters, and no waiting for what is there."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_to_bytes

from jupyterhub.utils import exponential_backoff
from jupyterhub_traefik_proxy.fileprovider import TraefikFileProviderProxy

FIRST_LOOK_WITHIN_S = 0.02
"""Traefik takes some milliseconds to read a changed file; its API answers in one."""


RESERVED = frozenset(b":/?#[]@!$&'()*+,;=%")
"""RFC 3986: an address in which one of these is encoded is another address than one in which it stands there."""


def rule_for(routespec: str) -> str:
    """Traefik's rule for a route such as `/user/github%3Aoctocat/`.

    Traefik 3.7 compares paths in which what is reserved stays as the browser sent it, and jupyterhub-traefik-proxy
    2.1 decodes all of it: `/user/a%2Bb/` would never match.
    """
    host, slash, path = routespec.partition("/")
    prefix = slash + _decoded_but_reserved(path)
    rule = f"PathPrefix(`{prefix}`)"
    if prefix != "/":
        rule = f"( {rule} || Path(`{prefix[:-1]}`) )"
    return f"Host(`{host}`) && {rule}" if host else rule


def _decoded_but_reserved(path: str) -> str:
    """Runs of encoded bytes become characters; those of reserved characters stay encoded, in capitals."""

    def decoded(run: re.Match[str]) -> str:
        bytes_ = unquote_to_bytes(run[0])
        pieces = re.split(b"([" + re.escape(bytes(RESERVED)) + b"])", bytes_)
        return "".join(
            f"%{piece[0]:02X}" if len(piece) == 1 and piece[0] in RESERVED else piece.decode("utf-8", "replace")
            for piece in pieces
        )

    return re.sub(r"(?:%[0-9a-fA-F]{2})+", decoded, path)


class PromptTraefikProxy(TraefikFileProviderProxy):
    """jupyterhub-traefik-proxy 2.1 waits up to 0.2 s before it first looks; every start would wait with it."""

    def _dynamic_config_for_route(self, routespec: str, target: str, data: Any) -> tuple[Any, Any]:
        traefik, kept = super()._dynamic_config_for_route(routespec, target, data)
        for router in traefik["http"]["routers"].values():
            router["rule"] = rule_for(routespec)
        return traefik, kept

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
