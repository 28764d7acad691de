"""From `sign_in` in hub.yaml to JupyterHub's settings."""

from __future__ import annotations

from typing import Any

from ..settings import Paths, Settings
from .local import LocalAuthenticator
from .settings import LocalMethod


def configure_sign_in(c: Any, settings: Settings, paths: Paths) -> None:
    """Sign-in with local accounts, kept in `paths.accounts`."""
    c.JupyterHub.authenticator_class = LocalAuthenticator
    c.LocalAuthenticator.accounts = str(paths.accounts)
    local = settings.sign_in.local or LocalMethod()
    c.LocalAuthenticator.sign_up = local.sign_up
    c.Authenticator.admin_users = set(local.admins)
