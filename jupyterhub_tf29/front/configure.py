"""From `front`, `tls`, `sessions` and `audit` of hub.yaml to JupyterHub's settings."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from ..audit.address import trust
from ..audit.discreet import logging_config
from ..audit.trail import open_trail
from ..settings import Paths, Settings
from .headers import hub_headers

DAY_S = 86400.0


def configure_front(c: Any, settings: Settings, paths: Paths) -> None:
    """The public address, cookies, time-outs, headers; the audit trail is opened, and secrets leave the log."""
    open_trail(paths.audit, settings.name, settings.audit)
    trust([settings.network.gateway, *settings.front.trusted_proxies])
    c.JupyterHub.logging_config = logging_config()
    # Of the Hub and of users' servers. JupyterHub sees to `secure` itself, but not for its form tokens.
    cookies = {"samesite": "Lax"} | ({"secure": True} if is_https(settings) else {})
    c.JupyterHub.tornado_settings = {"headers": hub_headers(), "cookie_options": cookies}
    _configure_address(c, settings)
    _configure_sessions(c, settings)


def _configure_address(c: Any, settings: Settings) -> None:
    if settings.front.url:
        c.JupyterHub.public_url = settings.front.url + "/"
    if settings.front.subdomains:
        c.JupyterHub.subdomain_host = settings.front.url
        # each host its own cookies: no server can set one for another's
        c.JupyterHub.cookie_host_prefix_enabled = is_https(settings)


def _configure_sessions(c: Any, settings: Settings) -> None:
    lifetime = settings.sessions.lifetime
    c.JupyterHub.cookie_max_age_days = lifetime / DAY_S
    c.JupyterHub.oauth_token_expires_in = lifetime
    c.TF29Spawner.args = [f"--HubOAuth.cache_max_age={settings.sessions.remembered_by_servers}"]


def is_https(settings: Settings) -> bool:
    """Whether browsers reach the hub over TLS, by our own proxy or by one before it."""
    return settings.tls.mode != "off" or urlsplit(settings.front.url).scheme == "https"
