"""Who is acting: known to all that happens in the course of a request, also long after its answer.

JupyterHub tells a spawner who starts it (`handler`) and not who stops it. Each request is a task of its own, and
what it sets going inherits its context; so a context variable, set once the Hub knows who asks, is there when a
server has stopped or the database is changed. It is set by handlers of our own, see `front.handlers`.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

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


def who_asks(handler: Any, address: str) -> Acting:
    """Who is signed in to `handler`'s request, by cookie or by token."""
    user = handler.current_user
    if user is None:
        return Acting("", address)
    if getattr(user, "kind", "") == "service":
        return Acting(user.name, address, is_service=True)
    token = handler.get_token() if getattr(handler, "_token_authenticated", False) else None
    return Acting(user.name, address, is_admin=bool(user.admin), token=token.api_id if token else "")
