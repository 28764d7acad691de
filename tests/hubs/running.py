"""A whole hub: the real Hub and proxy in processes of their own, below a temporary folder, on free ports.

    hub = RunningHub(folder, engine, image_id)
    hub.start()
    ...
    hub.close()          # nothing is left: processes, containers, network, volumes

`hub.api` speaks REST as an admin, `hub.browser()` signs in and sends forms as a person does.
"""

from __future__ import annotations

import contextlib
import copy
import datetime
import ipaddress
import os
import random
import secrets
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests
import yaml
from docker.models.containers import Container

from jupyterhub_tf29.auth.accounts import AccountStore
from jupyterhub_tf29.image.pin import Pin, write_pin
from jupyterhub_tf29.secretfiles import ensure_secrets
from jupyterhub_tf29.settings import Paths

from ..engine.private import PrivateEngine
from ..engine.relay import Relay
from ..ours import NAME_LABEL, find_free_port, new_name, remove_all
from ..waiting import wait_until
from .browser import Browser
from .rest import HubApi

BIN = Path(sys.executable).parent
PASSWORD = "correct horse battery staple"
PROFILES = Path(__file__).parent / "profiles.yaml"
"""The menu of the tests: small workspaces, and servers that behave badly (tests/stub/server.py)."""

_CONFIG = """
from jupyterhub_tf29 import configure

configure(c)
c.JupyterHub.log_level = "DEBUG"
c.JupyterHub.services.append({{"name": "tests", "api_token": "{token}"}})
scopes = ["admin:users", "admin:servers", "tokens", "access:servers", "read:metrics", "proxy"]
c.JupyterHub.load_roles.append({{"name": "tests", "services": ["tests"], "scopes": scopes}})
{extra}
"""


class RunningHub:
    """See the module's text.

    `settings` is laid over what hub.yaml says here, `extra` is Python after `configure(c)`, `docker_host` the
    engine's URL for the Hub where it is not the machine's, `private` the engine in whose network it runs.
    """

    def __init__(
        self,
        folder: Path,
        engine: docker.DockerClient,
        image_id: str,
        *,
        settings: dict[str, Any] | None = None,
        profiles: str | None = None,
        extra: str = "",
        docker_host: str | None = None,
        private: PrivateEngine | None = None,
        password: str = PASSWORD,
    ) -> None:
        self.engine = engine
        self.name = new_name()
        self.password = password
        self.paths = Paths(config=folder / "config", state=folder / "state", logs=folder / "logs")
        self.port = find_free_port()
        self._private = private
        self._relay: Relay | None = None
        self._docker_host = docker_host or (private.url if private else None)
        self._hub: subprocess.Popen[bytes] | None = None
        self._proxy: subprocess.Popen[bytes] | None = None
        self._console: subprocess.Popen[bytes] | None = None
        self._token = secrets.token_hex(16)
        for path in (self.paths.config, self.paths.state, self.paths.logs):
            path.mkdir(parents=True)
        self._subnet = self._make_network()
        self.settings = _merged(self._default_settings(), settings or {})
        (self.paths.config / "hub.yaml").write_text(yaml.safe_dump(self.settings, allow_unicode=True))
        self.write_profiles(profiles or PROFILES.read_text())
        (self.paths.config / "jupyterhub_config.py").write_text(_CONFIG.format(token=self._token, extra=extra))
        self.pin_image(image_id)
        ensure_secrets(self.paths)
        if private:
            self._relay = Relay(private.namespace_pid, "127.0.0.1", self.port)
        scheme = "http" if self.settings.get("tls", {}).get("mode", "off") == "off" else "https"
        self.url = f"{scheme}://127.0.0.1:{self._relay.port if self._relay else self.port}"
        self.api = HubApi(self.url, self._token)

    # -- its life ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start proxy and Hub, and wait until the Hub answers through the proxy."""
        if self._proxy is None:
            self._proxy = self._run("proxy")
        self.start_hub()

    def start_hub(self, timeout: float = 150) -> None:
        self.launch_hub()
        self.wait_for_hub(timeout)

    def launch_hub(self) -> None:
        """Start the Hub and wait for nothing."""
        self._hub = self._run("hub")

    def wait_for_hub(self, timeout: float = 150) -> None:
        wait_until(self._answers, "the Hub answers through the proxy", timeout)

    def kill9_hub(self) -> None:
        """What an out-of-memory kill does: no warning, no cleaning up."""
        assert self._hub is not None
        self._hub.kill()
        self._hub.wait(timeout=10)
        self._hub = None

    def kill9_proxy(self) -> None:
        """As kill9_hub; `start()` starts it again."""
        assert self._proxy is not None
        self._proxy.kill()
        self._proxy.wait(timeout=10)
        self._proxy = None

    def start_console(self, timeout: float = 30) -> None:
        """Start the pages about GPUs beside the Hub, and wait until they answer through the proxy."""
        self._console = self._run("console")
        wait_until(self._console_answers, "the console answers through the proxy", timeout)

    def kill9_console(self) -> None:
        """As kill9_hub; `start_console()` starts it again."""
        assert self._console is not None
        self._console.kill()
        self._console.wait(timeout=10)
        self._console = None

    def stop_hub(self) -> None:
        """What the supervisor does at a restart."""
        if self._hub is not None and self._hub.poll() is None:
            self._hub.send_signal(signal.SIGTERM)
            self._hub.wait(timeout=30)
        self._hub = None

    def close(self) -> None:
        """End everything and remove what was made. Safe to call twice."""
        self.stop_hub()
        if self._console is not None:
            self._console.terminate()
            self._console.wait(timeout=10)
            self._console = None
        if self._proxy is not None:
            self._proxy.terminate()
            self._proxy.wait(timeout=30)  # Traefik gives open requests ten seconds
            self._proxy = None
        if self._relay is not None:
            self._relay.close()
            self._relay = None
        with contextlib.suppress(requests.ConnectionError):  # a private engine may be dead by now
            remove_all(self.engine, self.name)

    # -- its files ---------------------------------------------------------------------------------------------

    def pin_image(self, image_id: str) -> None:
        now = datetime.datetime.now(datetime.timezone.utc).isoformat()
        pin = Pin(reference=image_id, image_id=image_id, base="test", built=now, tag="test:image")
        write_pin(self.paths.image_pin, pin)

    def write_profiles(self, text: str) -> None:
        (self.paths.config / "profiles.yaml").write_text(text, encoding="utf-8")

    def log(self) -> str:
        """What the Hub has logged, over all its lives."""
        path = self.paths.logs / "hub.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def run_command(
        self, *words: str, stdin: str = "", before: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """`tf29hub …` as the admin of this hub; `before` are words that go before it, such as `nice`."""
        return subprocess.run(
            [*before, BIN / "tf29hub", *words],
            env=self._environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )

    # -- its people --------------------------------------------------------------------------------------------

    def add_account(self, name: str, *, admin: bool = False) -> None:
        store = AccountStore(self.paths.accounts)
        try:
            store.add(name, self.password, by="tests", make_admin=admin)
        finally:
            store.close()

    @contextlib.contextmanager
    def browser(self, name: str, *, language: str = "en") -> Iterator[Browser]:
        """A person with an account of that name (made here), signed in through the form."""
        with contextlib.closing(Browser(self.url, language=language)) as browser:
            if name not in self._account_names():
                self.add_account(name)
            browser.sign_in(name, self.password)
            yield browser

    def _account_names(self) -> set[str]:
        store = AccountStore(self.paths.accounts)
        try:
            return {account.name for account in store.accounts()}
        finally:
            store.close()

    # -- its containers ----------------------------------------------------------------------------------------

    def containers(self, user: str | None = None, server: str | None = None) -> list[Container]:
        """This hub's containers, running or not; of one user, of one server."""
        wanted = [f"{NAME_LABEL}={self.name}"]
        wanted += [f"tf29hub.user={user}"] if user is not None else []
        wanted += [f"tf29hub.server={server}"] if server is not None else []
        return self.engine.containers.list(all=True, filters={"label": wanted}, ignore_removed=True)

    def container(self, user: str, server: str = "") -> Container:
        """The one container of that server."""
        (found,) = self.containers(user, server)
        return found

    def answers(self, user: str, server: str = "") -> bool:
        """Whether that server answers through the proxy."""
        path = f"/user/{user}/{server + '/' if server else ''}api"
        try:
            response = requests.get(self.url + path, timeout=10, allow_redirects=False)
        except requests.RequestException:
            return False
        return response.ok and "stub" in response.text

    # -- inside ------------------------------------------------------------------------------------------------

    def _default_settings(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "listen": {"address": "127.0.0.1", "port": self.port},
            "ports": {"hub": find_free_port(), "proxy_api": find_free_port(), "console": find_free_port()},
            "network": {"subnet": self._subnet},
            "limits": {
                "memory": "256M",
                "memory_guarantee": "32M",
                "cpus": 1,
                "processes": 128,
                "shared_memory": "64M",
            },
            "start": {"timeout": 30, "queue_timeout": 120},
            "gpu": {"managed": False},
        }

    def _make_network(self) -> str:
        """As deploy/up makes it, on a subnet that is free here. Returns the subnet."""
        for _ in range(30):
            subnet = ipaddress.ip_network(f"10.{random.randint(200, 239)}.{random.randint(0, 255)}.0/24")
            pool = docker.types.IPAMPool(subnet=str(subnet), gateway=str(next(subnet.hosts())))
            try:
                self.engine.networks.create(
                    self.name,
                    driver="bridge",
                    ipam=docker.types.IPAMConfig(pool_configs=[pool]),
                    options={"com.docker.network.bridge.enable_icc": "false"},
                    labels={NAME_LABEL: self.name},
                )
            except docker.errors.APIError as error:
                if "overlap" not in str(error):
                    raise
                continue
            return str(subnet)
        raise RuntimeError("no free subnet below 10.200.0.0 after thirty tries")

    def _environment(self) -> dict[str, str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("JUPYTERHUB_")}
        environment.update(
            TF29HUB_CONFIG=str(self.paths.config),
            TF29HUB_STATE=str(self.paths.state),
            TF29HUB_LOGS=str(self.paths.logs),
        )
        if self._docker_host:
            environment["DOCKER_HOST"] = self._docker_host
        return environment

    def _run(self, what: str, **environment: str) -> subprocess.Popen[bytes]:
        enter = self._private.enter if self._private else []
        with (self.paths.logs / f"{what}.log").open("ab") as log:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *enter, str(BIN / "tf29hub"), what],
                env={**self._environment(), **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _answers(self) -> bool:
        if self._hub is not None and self._hub.poll() is not None:
            raise RuntimeError(f"the Hub ended with {self._hub.poll()}:\n{self.log()[-6000:]}")
        try:
            with requests.Session() as session, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # whether anybody is there, whatever the certificate
                session.trust_env = False
                answer = session.get(f"{self.url}/hub/health", timeout=5, allow_redirects=False, verify=False)
            return answer.status_code == 200
        except requests.RequestException:
            return False

    def _console_answers(self) -> bool:
        if self._console is not None and self._console.poll() is not None:
            log = (self.paths.logs / "console.log").read_text(encoding="utf-8")
            raise RuntimeError(f"the console ended with {self._console.poll()}:\n{log[-3000:]}")
        try:
            page = requests.get(f"{self.url}/services/gpus/api/v1/openapi.json", timeout=5)
            return page.status_code == 200
        except requests.RequestException:
            return False


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = copy.deepcopy(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = value
    return merged
