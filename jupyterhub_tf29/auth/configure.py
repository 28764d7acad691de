"""From `sign_in` in hub.yaml to JupyterHub's settings."""

from __future__ import annotations

from typing import Any

from ..settings import Paths, Settings
from .break_glass import BreakGlassAuthenticator
from .front import SignIn
from .groups import RosterProvider, no_rosters
from .local import LocalAuthenticator


def configure_sign_in(c: Any, settings: Settings, paths: Paths, rosters: RosterProvider = no_rosters) -> None:
    """Sign-in by the methods of hub.yaml; names and local accounts are kept in `paths.accounts`.

    `rosters` says who takes and teaches which course.
    """
    c.JupyterHub.authenticator_class = SignIn
    c.SignIn.accounts = c.LocalAuthenticator.accounts = str(paths.accounts)
    c.SignIn.sign_in = settings.sign_in
    c.SignIn.paths = paths
    c.SignIn.rosters = rosters
    c.SignIn.hub_settings = settings
    if settings.sign_in.local is not None:
        c.LocalAuthenticator.sign_up = settings.sign_in.local.sign_up


__all__ = ["BreakGlassAuthenticator", "LocalAuthenticator", "SignIn", "configure_sign_in"]
