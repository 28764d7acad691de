"""A real hub with local accounts behind a real proxy, without any containers: for the pages of sign-in."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.ours import find_free_port
from tests.waiting import wait_until

CONFIG = """
from pathlib import Path

from jupyterhub_tf29.auth.configure import configure_sign_in
from jupyterhub_tf29.front.configure import configure_front
from jupyterhub_tf29.hub import TEMPLATES
from jupyterhub_tf29.settings import Paths, Settings

c = get_config()
here = Path({folder!r})
c.JupyterHub.template_paths = [str(TEMPLATES)]
c.JupyterHub.template_vars = {{"hub_title": "Trial hub"}}
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub_port}
c.JupyterHub.db_url = f"sqlite:///{{here}}/hub.sqlite"
c.JupyterHub.cookie_secret_file = str(here / "cookie-secret")
c.JupyterHub.default_url = "/hub/home"
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.proxy_class = "traefik_file"
c.TraefikProxy.traefik_api_url = "http://127.0.0.1:{api_port}"
c.TraefikFileProviderProxy.static_config_file = str(here / "traefik.toml")
c.TraefikFileProviderProxy.dynamic_config_file = str(here / "rules.toml")
settings = Settings(sign_in={sign_in!r}, **{settings!r})
paths = Paths(config=here, state=here, logs=here)
configure_front(c, settings, paths)
configure_sign_in(c, settings, paths)
c.JupyterHub.log_level = "DEBUG"
c.LocalAuthenticator.auth_refresh_age = 1
{extra}
"""


@dataclass(frozen=True)
class LocalHub:
    """A running hub: its address, and the folder in which it keeps everything."""

    url: str
    folder: Path

    @property
    def log(self) -> str:
        return (self.folder / "hub.log").read_text(encoding="utf-8")

    def user(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """`tf29hub user …` on this hub's accounts, from another process, while the hub runs."""
        return subprocess.run(
            [Path(sys.executable).with_name("tf29hub"), "user", *words],
            env={**os.environ, **{f"TF29HUB_{of}": str(self.folder) for of in ("CONFIG", "STATE", "LOGS")}},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@contextmanager
def local_hub(
    folder: Path, *, settings: dict[str, object] | None = None, extra: str = "", **sign_in: object
) -> Iterator[LocalHub]:
    """A hub whose `sign_in` settings are these; stopped at the end, its proxy with it.

    `settings`: other sections of hub.yaml; `extra`: Python at the end of its configuration.
    """
    port = find_free_port()
    config = CONFIG.format(
        folder=str(folder),
        port=port,
        hub_port=find_free_port(),
        api_port=find_free_port(),
        sign_in=sign_in,
        settings=settings or {},
        extra=extra,
    )
    (folder / "jupyterhub_config.py").write_text(config, encoding="utf-8")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "JUPYTERHUB_CRYPT_KEY": secrets.token_hex(32),
    }
    with (folder / "hub.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", str(folder / "jupyterhub_config.py")],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    hub = LocalHub(f"http://127.0.0.1:{port}/hub", folder)
    try:
        wait_until(lambda: _answers(hub, process), f"the hub answers; {folder}/hub.log", timeout=150)
        yield hub
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        # a hub that is stopped just after its start leaves its Traefik behind
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _answers(hub: LocalHub, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, f"the hub ended:\n{hub.log[-3000:]}"
    session = requests.Session()
    session.trust_env = False
    try:
        return session.get(f"{hub.url}/login", timeout=5).status_code == 200
    except requests.RequestException:
        return False
