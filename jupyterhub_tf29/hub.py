"""From the configuration files to JupyterHub's settings."""

from __future__ import annotations

import logging
import os
from functools import partial
from pathlib import Path
from typing import Any

from .auth.configure import configure_sign_in
from .check import check_service
from .console.registration import console_service
from .culler import culler_service
from .front.configure import configure_front
from .front.renewal import EVERY_S, renew
from .gpu.broker.registration import broker_service
from .profiles import load_profiles
from .proxy import configure_proxy
from .settings import Paths, Settings, load_settings
from .watchedfile import WatchedFile

TEMPLATES = Path(__file__).parent / "templates"


def configure(c: Any, config_dir: str | None = None) -> None:
    """Set everything on JupyterHub's configuration object `c`. Raises ConfigError.

    `config_dir` is the folder of `hub.yaml` and `profiles.yaml`; without it the installation's.
    """
    paths = Paths.from_environment()
    if config_dir is not None:
        paths = Paths(config=Path(config_dir), state=paths.state, logs=paths.logs)
    settings = load_settings(paths.config)
    _configure_hub(c, settings, paths)
    _configure_spawner(c, settings, paths)
    configure_front(c, settings, paths)
    configure_proxy(c, settings, paths)
    configure_sign_in(c, settings, paths)
    c.SignIn.beside = [(partial(renew, settings, paths), EVERY_S)]
    culler_service(c, settings, paths)
    broker_service(c, settings, paths)
    check_service(c, settings, paths)
    console_service(c, settings, paths)


def _configure_hub(c: Any, settings: Settings, paths: Paths) -> None:
    hub = c.JupyterHub
    hub.hub_ip = hub.hub_connect_ip = settings.network.gateway
    hub.hub_port = settings.ports.hub
    hub.db_url = _database_url(paths)
    hub.cookie_secret_file = str(paths.secrets / "cookie-secret")
    hub.template_paths = [str(TEMPLATES)]
    # deploy/up --gpulab says so to all programs of a hub for developers
    hub.template_vars = {"hub_title": settings.title, "gpus_not_real": "TF29HUB_GPULAB" in os.environ}
    hub.spawner_class = "jupyterhub_tf29.spawner.tf29.TF29Spawner"
    hub.allow_named_servers = settings.named_servers > 0
    hub.named_server_limit_per_user = settings.named_servers
    # servers outlive the Hub: it finds them again
    hub.cleanup_servers = False
    # looking at every server takes at most this long before the Hub opens; the rest is looked at behind it
    hub.init_spawners_timeout = 30
    # waiting for a boot slot is orderly, and costs nothing: let all of a class come in
    hub.concurrent_spawn_limit = 0


def _configure_spawner(c: Any, settings: Settings, paths: Paths) -> None:
    profiles = WatchedFile(
        paths.config / "profiles.yaml",
        lambda path: load_profiles(path, settings.limits),
        logging.getLogger("JupyterHub"),
    )
    spawner = c.TF29Spawner
    spawner.settings = settings
    spawner.paths = paths
    spawner.profiles = profiles
    spawner.use_pinned_image = True
    spawner.default_url = "/lab"
    spawner.mem_limit = settings.limits.memory
    spawner.mem_guarantee = settings.limits.memory_guarantee
    spawner.cpu_limit = settings.limits.cpus


def _database_url(paths: Paths) -> str:
    """SQLite in the state folder; another database by `TF29HUB_DATABASE_URL` or the secret `database-url`."""
    url = os.environ.get("TF29HUB_DATABASE_URL")
    if url:
        return url
    secret = paths.secrets / "database-url"
    if secret.exists():
        return secret.read_text(encoding="utf-8").strip()
    return f"sqlite:///{paths.state / 'jupyterhub.sqlite'}"
