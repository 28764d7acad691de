"""`hub.yaml`: how this place works. The commented example is `config/hub.yaml`."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from . import yamlfile
from .audit.settings import Audit
from .auth.lockout_settings import Lockout
from .auth.settings import SignIn
from .front.settings import Front, Sessions, Tls
from .gpu.settings import Gpu
from .units import Duration, Size

GiB = 2**30
MiB = 2**20


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Listen(_Section):
    """Where browsers reach the hub's front (the proxy)."""

    address: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000

    @model_validator(mode="after")
    def _is_an_address(self) -> Listen:
        ipaddress.ip_address(self.address)
        return self


class Ports(_Section):
    """Ports of the machine's own traffic: hub (on the containers' bridge), proxy's API and console (loopback)."""

    hub: Annotated[int, Field(ge=1, le=65535)] = 8081
    proxy_api: Annotated[int, Field(ge=1, le=65535)] = 8099
    console: Annotated[int, Field(ge=1, le=65535)] = 8082


class Image(_Section):
    """The one notebook image that everybody runs."""

    repository: str = "tf29hub/notebook"
    """What `tf29hub image build` names the image; the pin says which build of it is in use."""
    ca_into_image: bool = False
    """Whether users' containers trust this machine's CA bundle too, as they must behind a TLS-inspecting proxy."""


class Storage(_Section):
    """Where users' files live: Docker volumes of their own, by name."""

    datasets: str = "{name}-datasets"
    models: str = "{name}-models-{user}"
    home: str = "{name}-home-{user}"
    named_server_home: Literal["shared", "own", "ask"] = "ask"


class Limits(_Section):
    """What one server gets unless its profile says otherwise, and what no profile may exceed."""

    memory: Size = 8 * GiB
    memory_guarantee: Size = 1 * GiB
    cpus: Annotated[float, Field(gt=0)] = 4.0
    processes: Annotated[int, Field(ge=64)] = 4096
    shared_memory: Size = 2 * GiB
    log_size: Size = 10 * MiB
    max_memory: Size = 64 * GiB
    max_cpus: Annotated[float, Field(gt=0)] = 32.0
    host_memory_reserve: Size = 2 * GiB

    @model_validator(mode="after")
    def _fit_together(self) -> Limits:
        if self.memory_guarantee > self.memory:
            raise ValueError("limits.memory_guarantee cannot be more than limits.memory")
        if self.memory > self.max_memory:
            raise ValueError("limits.memory cannot be more than limits.max_memory")
        if self.cpus > self.max_cpus:
            raise ValueError("limits.cpus cannot be more than limits.max_cpus")
        return self


class Start(_Section):
    """How servers start."""

    concurrent_boots: Annotated[int, Field(ge=0)] = 0
    """How many containers boot at the same time; 0: one for each CPU of the machine, at least two."""
    timeout: Duration = 120
    """Seconds for one boot, without the waiting for a boot slot."""
    queue_timeout: Duration = 600
    """Seconds that a start waits for a boot slot before it gives up."""
    docker_calls: Annotated[int, Field(ge=1, le=64)] = 8
    """Calls to the Docker Engine under way at once."""


class Idle(_Section):
    """When servers that nobody uses are stopped. 0: never."""

    stop_after: Duration = 2 * 3600
    check_every: Duration = 300
    max_age: Duration = 0


class Network(_Section):
    """The Docker network of the users' containers."""

    subnet: str = "172.29.0.0/16"
    private_ranges: Literal["allow", "deny"] = "deny"
    """Whether containers may reach private addresses (10/8, 172.16/12, 192.168/16) beyond this machine."""

    @model_validator(mode="after")
    def _is_a_subnet(self) -> Network:
        network = ipaddress.ip_network(self.subnet)
        if network.version != 4 or network.num_addresses < 8:
            raise ValueError("network.subnet: expected an IPv4 network of at least /29, such as 172.29.0.0/16")
        return self

    @property
    def gateway(self) -> str:
        """The machine's own address on that network, where containers reach the hub's API."""
        return str(next(ipaddress.ip_network(self.subnet).hosts()))


class Settings(_Section):
    """All of `hub.yaml`."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{1,19}$")] = "tf29hub"
    """The prefix of every container, volume and network that this hub makes."""
    title: str = "TensorFlow 2.9 workspaces"
    listen: Listen = Listen()
    ports: Ports = Ports()
    sign_in: SignIn = SignIn()
    image: Image = Image()
    storage: Storage = Storage()
    limits: Limits = Limits()
    start: Start = Start()
    idle: Idle = Idle()
    gpu: Gpu = Gpu()
    network: Network = Network()
    front: Front = Front()
    tls: Tls = Tls()
    sessions: Sessions = Sessions()
    lockout: Lockout = Lockout()
    audit: Audit = Audit()
    named_servers: Annotated[int, Field(ge=0)] = 3
    """How many named servers a user may have beside the default one; 0: none."""


@dataclass(frozen=True)
class Paths:
    """The folders of an installation; `deploy/up --root DIR` puts them all below DIR."""

    config: Path
    """`hub.yaml`, `profiles.yaml`, `classes.yaml`, `jupyterhub_config.py`: the admin's."""
    state: Path
    """Databases, secrets (mode 0600), the image's pin, notices: the hub's account's."""
    logs: Path

    @classmethod
    def from_environment(cls) -> Paths:
        """`TF29HUB_CONFIG`, `TF29HUB_STATE`, `TF29HUB_LOGS`, or the usual places under /etc and /var."""
        return cls(
            config=Path(os.environ.get("TF29HUB_CONFIG", "/etc/tf29hub")),
            state=Path(os.environ.get("TF29HUB_STATE", "/var/lib/tf29hub")),
            logs=Path(os.environ.get("TF29HUB_LOGS", "/var/log/tf29hub")),
        )

    @property
    def secrets(self) -> Path:
        return self.state / "secrets"

    @property
    def notices(self) -> Path:
        """One folder a server, mounted read-only into its container."""
        return self.state / "notices"

    @property
    def image_pin(self) -> Path:
        return self.state / "image.json"

    @property
    def accounts(self) -> Path:
        return self.state / "accounts.sqlite"

    @property
    def broker_socket(self) -> Path:
        """Where the GPU broker listens; mode 0600."""
        return self.state / "broker.sock"

    @property
    def broker_store(self) -> Path:
        """The GPU broker's claims, line and accounts."""
        return self.state / "broker.sqlite"

    @property
    def tls(self) -> Path:
        """The hub's own authority and the certificate that it made."""
        return self.state / "tls"

    @property
    def throttle(self) -> Path:
        """Wrong passwords, and the locks that came of them."""
        return self.state / "throttle.sqlite"

    @property
    def audit(self) -> Path:
        """The audit trail; rotated files are beside it."""
        return self.logs / "audit.jsonl"

    @property
    def proxy(self) -> Path:
        """The proxy's static configuration, and the folder of rules that it watches."""
        return self.state / "proxy"


def load_settings(config_dir: Path) -> Settings:
    """`hub.yaml` of `config_dir`. Raises ConfigError."""
    return yamlfile.load(config_dir / "hub.yaml", Settings)
