"""From `sign_in` in hub.yaml to JupyterHub's settings."""

from __future__ import annotations

from typing import Any

from ..settings import Paths, Settings
from .local import LocalAuthenticator


def configure_sign_in(c: Any, settings: Settings, paths: Paths) -> None:
    """Sign-in with local accounts, kept in `paths.accounts`."""
    c.JupyterHub.authenticator_class = LocalAuthenticator
    c.LocalAuthenticator.accounts = str(paths.accounts)
    c.LocalAuthenticator.sign_up = settings.sign_in.sign_up
    c.Authenticator.admin_users = set(settings.sign_in.admins)
