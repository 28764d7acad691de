"""The stock of comparison: JupyterHub and DockerSpawner at their defaults, the server from a plain pip install."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import requests

from ..ours import NAME_LABEL, find_free_port, new_name, remove_all
from ..waiting import wait_until
from .contender import Contender, Started

PROXY_PACKAGE = "configurable-http-proxy@5"

# What DockerSpawner's own README says to set, and nothing for speed. The label is how the containers are found.
_CONFIG = """
c.JupyterHub.ip = "127.0.0.1"
c.JupyterHub.port = {port}
c.JupyterHub.hub_ip = "{gateway}"
c.JupyterHub.hub_port = {hub_port}
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "docker"
c.DockerSpawner.image = "{image}"
c.DockerSpawner.network_name = "{name}"
c.DockerSpawner.use_internal_ip = True
c.DockerSpawner.remove = True
c.DockerSpawner.prefix = "{name}"
c.DockerSpawner.extra_create_kwargs = {{"labels": {{"{label}": "{name}"}}}}
c.JupyterHub.services = [{{"name": "bench", "api_token": "{token}"}}]
c.JupyterHub.load_roles = [{{
    "name": "bench",
    "services": ["bench"],
    "scopes": ["admin:users", "admin:servers", "tokens", "access:servers"],
}}]
{proxy}
"""
_TIMEOUTS = "c.Spawner.start_timeout = c.Spawner.http_timeout = {seconds}\n"
_CHP = 'c.ConfigurableHTTPProxy.command = ["{program}"]\nc.ConfigurableHTTPProxy.api_url = "{api}"\n'
_TRAEFIK = """
c.JupyterHub.proxy_class = "traefik_file"
c.TraefikProxy.traefik_api_url = "{api}"
c.TraefikProxy.traefik_api_username = "hub"
c.TraefikProxy.traefik_api_password = "{password}"
"""


def get_proxy(cache: Path) -> Path | None:
    """JupyterHub's default proxy, in PATH or installed by npm into `cache`; None where npm is missing or fails."""
    found = shutil.which("configurable-http-proxy")
    if found:
        return Path(found)
    program = cache / "chp" / "node_modules" / ".bin" / "configurable-http-proxy"
    if not program.exists() and shutil.which("npm"):
        (cache / "chp").mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", PROXY_PACKAGE]
        subprocess.run(command, cwd=cache / "chp", check=False)
    return program if program.exists() else None


@contextmanager
def stock_hub(
    folder: Path, engine: docker.DockerClient, image: str, proxy: Path | None, timeout_s: int | None = None
) -> Iterator[Contender]:
    """A running hub; nothing of it is left afterwards. `timeout_s` replaces both of the spawner's time-outs."""
    name, token, port = new_name(), secrets.token_hex(16), find_free_port()
    folder.mkdir(parents=True)
    network = engine.networks.create(name, driver="bridge", labels={NAME_LABEL: name})
    hub = None
    try:
        network.reload()
        api = f"http://127.0.0.1:{find_free_port()}"
        config = _CONFIG.format(
            port=port,
            gateway=network.attrs["IPAM"]["Config"][0]["Gateway"],
            hub_port=find_free_port(),
            image=image,
            name=name,
            label=NAME_LABEL,
            token=token,
            proxy=_CHP.format(program=proxy, api=api)
            if proxy
            else _TRAEFIK.format(api=api, password=secrets.token_hex(16)),
        )
        if timeout_s is not None:
            config += _TIMEOUTS.format(seconds=timeout_s)
        (folder / "jupyterhub_config.py").write_text(config, encoding="utf-8")
        url = f"http://127.0.0.1:{port}"
        with Started() as started:
            hub = _run(folder)
            wait_until(lambda: _answers(hub, url, folder), "the stock hub answers", 90)
        yield Contender("stock", url, token, name, engine, name, started.processes)
    finally:
        if hub is not None:
            hub.terminate()  # ends its proxy, too
            with contextlib.suppress(subprocess.TimeoutExpired):
                hub.wait(timeout=60)
            hub.kill()
        remove_all(engine, name)


def _run(folder: Path) -> subprocess.Popen[bytes]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("JUPYTERHUB_")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    with (folder / "hub.log").open("ab") as log:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", sys.executable, "-m", "jupyterhub", "-f", "jupyterhub_config.py"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _answers(hub: subprocess.Popen[bytes], url: str, folder: Path) -> bool:
    if hub.poll() is not None:
        raise RuntimeError(f"the stock hub ended:\n{(folder / 'hub.log').read_text()[-4000:]}")
    try:
        return requests.get(f"{url}/hub/health", timeout=5).status_code == 200
    except requests.RequestException:
        return False
