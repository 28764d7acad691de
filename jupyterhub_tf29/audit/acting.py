"""Who is acting: known to all that happens in the course of a request, also long after its answer.

JupyterHub tells a spawner who starts it (`handler`) and not who stops it. Each request is a task of its own, and
what it sets going inherits its context; so a context variable, set once the Hub knows who asks, is there when a
server has stopped or the database is changed. It is set by handlers of our own: `handlers_of_hub` puts
subclasses of the Hub's before the Hub's.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from jupyterhub import apihandlers, handlers
from jupyterhub.handlers.base import BaseHandler

from .address import client_address

PROGRAMS = {"idle-culler": "culler", "gpu-broker": "broker"}
"""Names of services that have a kind of their own."""


@dataclass(frozen=True)
class Acting:
    """Who asked, and from where. `name` is "" where nobody is signed in."""

    name: str
    address: str
    is_service: bool = False
    is_admin: bool = False
    token: str = ""
    """The id of the API token that came with the request, as the Hub's token page has it."""

    def as_actor(self, owner: str | None) -> dict[str, str] | None:
        """The event's `actor`, where the event is about the user `owner`; None where nobody is signed in."""
        if not self.name:
            return None
        if self.is_service:
            return {"kind": PROGRAMS.get(self.name, "service"), "name": self.name}
        kind = "self" if self.name == owner else "admin" if self.is_admin else "instructor"
        return {"kind": kind, "name": self.name} | ({"token": self.token} if self.token else {})


HUB = {"kind": "hub"}

_acting: ContextVar[Acting | None] = ContextVar("acting", default=None)


def acting() -> Acting | None:
    """Who acts here; None: the Hub by itself."""
    return _acting.get()


def set_acting(who: Acting | None) -> None:
    """From here on, in this task and in those that it begins."""
    _acting.set(who)


def by_whom(owner: str | None) -> dict[str, Any]:
    """`actor` and `address` of an event about the user `owner`."""
    who = _acting.get()
    if who is None:
        return {"actor": HUB}
    return {"actor": who.as_actor(owner), "address": who.address or None}


class KnownActor(BaseHandler):
    """Mixed into a handler of the Hub: notes who asks, and from where, before the handler begins."""

    async def prepare(self) -> None:
        """As BaseHandler; the address is put right first, for the Hub's log and its checks."""
        self.request.remote_ip = address = client_address(self.request) or self.request.remote_ip
        await super().prepare()
        set_acting(who_asks(self, address))


def who_asks(handler: Any, address: str) -> Acting:
    """Who is signed in to `handler`'s request, by cookie or by token."""
    user = handler.current_user
    if user is None:
        return Acting("", address)
    if getattr(user, "kind", "") == "service":
        return Acting(user.name, address, is_service=True)
    token = handler.get_token() if getattr(handler, "_token_authenticated", False) else None
    return Acting(user.name, address, is_admin=bool(user.admin), token=token.api_id if token else "")


Route = tuple[Any, ...]


def known_actors(routes: Iterable[Route]) -> list[Route]:
    """The same routes, to handlers that note who acts."""
    return [(path, _known(handler), *rest) for path, handler, *rest in routes]


def handlers_of_hub(ours: Iterable[Route]) -> list[Route]:
    """For an authenticator's `get_handlers`: its own handlers first, then the Hub's, all noting who acts."""
    return known_actors([*ours, *handlers.default_handlers, *apihandlers.default_handlers])


def _known(handler: Any) -> Any:
    wanted = isinstance(handler, type) and issubclass(handler, BaseHandler) and not issubclass(handler, KnownActor)
    if not wanted:
        return handler
    # under its own name: the Hub's metrics count requests by the handler's
    names = {"__module__": handler.__module__, "__qualname__": handler.__qualname__, "__doc__": handler.__doc__}
    return type(handler.__name__, (KnownActor, handler), names)
