"""Signing out: of this hub and of the servers, in every browser, so that a stolen cookie is worth nothing.

JupyterHub's own sign-out takes the cookies away from this browser and leaves them valid: its cookie is the same
for all browsers of a user, and a copy of it opens the hub until it expires. So what it names is changed here,
for all browsers, and every server's access that was given to a browser ends. A running server may remember for
`sessions.remembered_by_servers` that its visitor was let in.
"""

from __future__ import annotations

from jupyterhub.handlers.login import LogoutHandler

from ..audit.acting import by_whom
from .sessions import end_sessions
from .signin_page import words
from .trail import record


class SignOutPage(LogoutHandler):
    """`/logout`. A link on another site signs nobody out: for that there is a page that asks."""

    _onwards = ""

    async def get(self) -> None:
        """As LogoutHandler, for who came from this hub or by hand."""
        if self.current_user and self.request.headers.get("Sec-Fetch-Site") == "cross-site":
            self.finish(await self.render_template("signout.html", **words(self)))
            return
        if self.current_user:
            self._onwards = await self.authenticator.sign_out_address(self.current_user)
        await super().get()

    async def render_logout_page(self) -> None:
        """On to where the user signed in, where hub.yaml wants it; else to our own sign-in page."""
        if self._onwards:
            self.redirect(self._onwards)
        else:
            await super().render_logout_page()

    def _backend_logout_cleanup(self, name: str) -> None:
        user = self.current_user
        super()._backend_logout_cleanup(name)
        end_sessions(self.db, user.orm_user)
        record("sign-out", name=name, **by_whom(name))
