"""The account behind the glass: for the day when the directory is gone and an admin has to get in."""

from __future__ import annotations

from typing import Any

from .local import LocalAuthenticator


class BreakGlassAuthenticator(LocalAuthenticator):
    """One local account, an admin's, on a page that nothing links to; each use is shouted about in the log."""

    hidden = True

    @property
    def account(self) -> str:
        """The one that gets in."""
        return self.normalize_username(self.method.admins[0]) if self.method else ""

    def own_pages(self) -> list[tuple[str, type]]:
        """None: there is one account, and `tf29hub user` keeps it."""
        return []

    def check_allow_config(self) -> None:
        """Say at start that this way in is there."""
        present = self.store.get(self.account) is not None
        state = "can sign in" if present else "is named, but has no account: tf29hub user add it"
        self.log.warning("BREAK GLASS: the local account %s %s, at /hub/login/%s", self.account, state, self.name)

    def check_allowed(self, username: str, authentication: Any = None) -> bool:
        """That account, and no other."""
        return username == self.account

    async def authenticate(self, handler: Any, data: dict[str, Any]) -> dict[str, Any] | None:
        """As for local accounts; whatever comes of it is said at the highest level."""
        address = handler.request.remote_ip
        self.log.critical("BREAK GLASS: somebody at %s tries to sign in with a local account", address)
        model = await super().authenticate(handler, data)
        if model is not None and model["name"] == self.account:
            self.log.critical("BREAK GLASS: %s signs in from %s, as an admin", model["name"], address)
            return {**model, "admin": True}
        return model
