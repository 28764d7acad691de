"""The Hub's handlers as this project serves them: subclasses of the Hub's own, registered before those.

Each notes who asks, and from where, before it begins; that is how the audit trail knows who stopped a server. And
each page says what it may load.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jupyterhub import apihandlers, handlers
from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.handlers.base import BaseHandler

from ..audit.acting import set_acting, who_asks
from ..audit.address import client_address
from .headers import PAGE_POLICY

Route = tuple[Any, ...]


class OurHandler(BaseHandler):
    """Mixed into a handler of the Hub."""

    @property
    def content_security_policy(self) -> str:
        """The Hub's own and PAGE_POLICY; an answer of the API may load nothing at all as it is."""
        stock: str = super().content_security_policy
        return stock if isinstance(self, APIHandler) else "; ".join([*PAGE_POLICY, stock])

    async def prepare(self) -> None:
        """As BaseHandler; the address is put right first, for the Hub's log and its checks."""
        self.request.remote_ip = address = client_address(self.request) or self.request.remote_ip
        await super().prepare()
        set_acting(who_asks(self, address))


def handlers_of_hub(ours: Iterable[Route]) -> list[Route]:
    """For an authenticator's `get_handlers`: its own handlers first, then the Hub's, all as OurHandler."""
    routes = [*ours, *handlers.default_handlers, *apihandlers.default_handlers]
    return [(path, _our(handler), *rest) for path, handler, *rest in routes]


def _our(handler: Any) -> Any:
    wanted = isinstance(handler, type) and issubclass(handler, BaseHandler) and not issubclass(handler, OurHandler)
    if not wanted:
        return handler
    # under its own name: the Hub's metrics count requests by the handler's
    names = {"__module__": handler.__module__, "__qualname__": handler.__qualname__, "__doc__": handler.__doc__}
    return type(handler.__name__, (OurHandler, handler), names)
