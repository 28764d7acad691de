"""Who may not stay signed in loses what they have open, also where they ask for nothing.

The Hub looks at a user again when a request of theirs comes. A workspace that runs, with a terminal open in a
browser, asks the Hub for nothing that would matter; so the users whose servers run are gone through here.
"""

from __future__ import annotations

from typing import Any

from jupyterhub import roles

from ..audit.acting import set_acting
from .sessions import end_sessions


class Sweep:
    """Looks at everybody whose server runs. `app` is JupyterHub, `sign_in` its authenticator."""

    def __init__(self, app: Any, sign_in: Any, *, stop_servers: bool) -> None:
        self._app, self._sign_in, self._stop_servers = app, sign_in, stop_servers
        self._at_it = False

    async def __call__(self) -> None:
        """Once over all of them. It never raises; while it is at it, a second call does nothing."""
        if self._at_it:
            return
        self._at_it = True
        set_acting(None)
        try:
            for user in [user for user in self._app.users.values() if user.active]:
                await self._look_at(user)
        except Exception:
            self._app.log.exception("Those whose servers run could not be looked at")
        finally:
            self._at_it = False

    async def _look_at(self, user: Any) -> None:
        try:
            model = await self._sign_in.refresh_user(user, None)
            if model:
                self._apply(user, model)
                return
            self._app.log.warning("%s may not sign in any more: their browsers are signed out", user.name)
            end_sessions(self._app.db, user.orm_user)
            user._auth_refreshed = None  # programs with a token are looked at anew, too
            if self._stop_servers:
                await self._stop_all(user)
        except Exception:
            self._app.log.exception("Whether %s may stay could not be found out", user.name)

    def _apply(self, user: Any, model: Any) -> None:
        """Groups and admin as they are now. A page of the user's would not ask again so soon."""
        if not isinstance(model, dict):
            return
        if model.get("admin") is not None and bool(model["admin"]) != bool(user.admin):
            user.admin = bool(model["admin"])
            self._app.log.warning("%s is %s", user.name, "an admin now" if user.admin else "no admin any more")
        if model.get("groups") is not None:
            user.sync_groups(model["groups"])
        roles.assign_default_roles(self._app.db, entity=user.orm_user)
        self._app.db.commit()

    async def _stop_all(self, user: Any) -> None:
        for name, spawner in list(user.spawners.items()):
            if spawner.active and not spawner.pending:
                self._app.log.warning(
                    "The server %s is stopped: its user may not sign in any more", spawner._log_name
                )
                spawner.why_stopped = "disabled"
                await self._app.proxy.delete_user(user, name)
                await user.stop(name)
