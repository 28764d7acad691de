"""The Hub's side of the console: a service with an address, its token, its scopes, and a link on every page."""

from __future__ import annotations

from typing import Any

import jupyterhub

from ..secretfiles import read_secret
from ..settings import Paths, Settings
from .people import OWN, SCOPES

SERVICE = "gpus"
PREFIX = f"/services/{SERVICE}/"
ADDRESS = "127.0.0.1"
"""Only the proxy, on this machine, talks to it."""
ACCESS = f"access:services!service={SERVICE}"
WAITED_FOR_S = 1
"""The Hub looks so long for a service before it opens its own door; its default is 30 s, too long for a page."""
_HUB_6 = jupyterhub.version_info[0] >= 6


def console_service(c: Any, settings: Settings, paths: Paths) -> None:
    """Make the console known to the Hub, which puts its route into the proxy. Raises SecretError.

    Where no GPUs are handed out (`gpu.managed: false`) there is none.
    """
    if settings.gpu.managed is False:
        return
    hub = c.JupyterHub
    service = {
        "name": SERVICE,
        "url": f"http://{ADDRESS}:{settings.ports.console}",
        "api_token": read_secret(paths, "console-token"),
        # signed in to the Hub is signed in here: it is the Hub's own page to its users
        "oauth_no_confirm": True,
        "oauth_client_allowed_scopes": list(SCOPES),
        # a link of its own in the navigation bar, rather than one in a menu of services
        "display": False,
    }
    if _HUB_6:
        service["timeout"] = WAITED_FOR_S
    hub.services.append(service)
    hub.custom_scopes.update(SCOPES)
    _give_every_user(hub, [ACCESS, OWN])
    hub.template_vars = {**_known(hub.template_vars), "gpus_url": PREFIX}


def _give_every_user(hub: Any, scopes: list[str]) -> None:
    if _HUB_6:
        hub.extra_user_scopes.update(scopes)
        return
    # what was only appended to so far is no list yet, and reading it would end the appending
    for role in hub.load_roles if isinstance(hub.load_roles, list) else []:
        if role["name"] == "user":
            role["scopes"] = [*role["scopes"], *scopes]
            return
    hub.load_roles.append({"name": "user", "scopes": ["self", *scopes]})


def _known(value: Any) -> dict[str, Any]:
    """What was configured so far; traitlets has a stand-in where that is nothing."""
    return dict(value) if isinstance(value, dict) else {}
