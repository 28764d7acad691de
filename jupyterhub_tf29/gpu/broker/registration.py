"""Makes the broker known to the Hub: a service with a token, and the scopes that it needs."""

from __future__ import annotations

from typing import Any

from ...secretfiles import read_secret
from ...settings import Paths, Settings

SERVICE = "gpu-broker"
SCOPES = ("servers", "read:servers", "list:users", "read:users:activity")
"""It starts a ticket's server and stops one whose GPUs are taken back, and sees whether a user came; it reads no
files and enters no server."""


def broker_service(c: Any, settings: Settings, paths: Paths) -> None:
    """By its token and with SCOPES only. Raises SecretError."""
    c.JupyterHub.services.append({"name": SERVICE, "api_token": read_secret(paths, "broker-token")})
    c.JupyterHub.load_roles.append({"name": SERVICE, "services": [SERVICE], "scopes": list(SCOPES)})
