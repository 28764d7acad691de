"""deploy/firewall for real: what a container reaches with it and without it."""

from __future__ import annotations

import ipaddress
import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container

from jupyterhub_tf29.probe import listener
from jupyterhub_tf29.settings import Settings
from tests.docker.deployed import REPOSITORY, free_subnet
from tests.docker.inside import run_python
from tests.ours import find_free_port, new_name, remove_all
from tests.waiting import wait_until

pytestmark = pytest.mark.docker

BEYOND = {"link-local": "169.254.231", "private": "10.199.77", "public": "198.51.100"}
"""Networks of the host beyond: stand-ins for a cloud's metadata, a campus and the internet (RFC 5737)."""
PORT = 8080
_SERVE = f"""
import socket
server = socket.create_server(("0.0.0.0", {PORT}))
print("ready", flush=True)
while True:
    server.accept()[0].close()
"""
_TRY = """
import json, socket
found = {{}}
for name, target in json.loads('{targets}').items():
    try:
        socket.create_connection(tuple(target), timeout=2).close()
        found[name] = True
    except OSError:
        found[name] = False
print(json.dumps(found))
"""


class Guarded:
    """A users' network with one container, and the firewall's settings."""

    def __init__(self, engine: docker.DockerClient, image: str, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        self.name, self.hub_port = new_name(), find_free_port()
        subnet = free_subnet(engine)
        self.settings = Settings.model_validate({"name": self.name, "network": {"subnet": subnet}})
        (folder / "program" / "venv" / "bin").mkdir(parents=True)
        (folder / "program" / "venv" / "bin" / "tf29hub").symlink_to(Path(sys.executable).parent / "tf29hub")
        self.configure("deny")
        self.container = self.add_network(self.name, subnet, image)

    def add_network(self, name: str, subnet: str, image: str) -> Container:
        """A network as deploy/up makes it, and a container on it that waits."""
        pool = docker.types.IPAMPool(subnet=subnet)
        labels = {"tf29hub.name": self.name}
        self.engine.networks.create(name, ipam=docker.types.IPAMConfig(pool_configs=[pool]), labels=labels)
        return self.engine.containers.run(
            image, ["python3", "-c", "import time; time.sleep(3600)"], network=name, labels=labels, detach=True
        )

    def configure(self, private_ranges: str) -> None:
        subnet = self.settings.network.subnet
        (self.folder / "hub.yaml").write_text(
            f"name: {self.name}\nports: {{hub: {self.hub_port}}}\n"
            f"network: {{subnet: {subnet}, private_ranges: {private_ranges}}}\n"
        )

    def firewall(self, verb: str) -> str:
        environment = {
            **os.environ,
            "TF29HUB_CONFIG": str(self.folder),
            "TF29HUB_PROGRAM": str(self.folder / "program"),
        }
        run = subprocess.run(
            [REPOSITORY / "deploy" / "firewall", verb], env=environment, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
        return run.stdout

    def reached(self, other_port: int, container: Container | None = None) -> set[str]:
        """The names of what the container can connect to."""
        gateway = self.settings.network.gateway
        targets = {name: (f"{network}.2", PORT) for name, network in BEYOND.items()}
        targets |= {"hub": (gateway, self.hub_port), "other port": (gateway, other_port)}
        said = run_python(container or self.container, _TRY.format(targets=json.dumps(targets)))
        return {name for name, answered in json.loads(said).items() if answered}


@pytest.fixture(scope="module")
def beyond() -> Iterator[None]:
    """Another host, reached through this one: a network namespace that answers on PORT at each of BEYOND."""
    tag = f"{random.randrange(16**4):04x}"
    space, here, there = f"tf29beyond{tag}", f"tf29b{tag}", f"tf29c{tag}"

    def ip(*words: str, within: bool = False) -> None:
        subprocess.run(["ip", *(("-n", space) if within else ()), *words], check=True)

    ip("netns", "add", space)
    try:
        ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", space)
        for network in BEYOND.values():
            ip("address", "add", f"{network}.1/30", "dev", here)
            ip("address", "add", f"{network}.2/30", "dev", there, within=True)
        ip("link", "set", here, "up")
        ip("link", "set", there, "up", within=True)
        server = subprocess.Popen(
            ["ip", "netns", "exec", space, sys.executable, "-c", _SERVE], stdout=subprocess.PIPE, text=True
        )
        assert server.stdout is not None
        assert server.stdout.readline().strip() == "ready"
        yield
        server.kill()
        server.wait()
    finally:
        ip("netns", "delete", space)


@pytest.fixture(scope="module")
def guarded(engine, stub_image, beyond, tmp_path_factory) -> Iterator[Guarded]:
    guarded = Guarded(engine, stub_image, tmp_path_factory.mktemp("firewall"))
    try:
        yield guarded
    finally:
        guarded.firewall("remove")
        remove_all(engine, guarded.name)


@pytest.fixture
def ports(guarded) -> Iterator[int]:
    """The Hub's port answers, and so does the one that is yielded."""
    with socket.create_server((guarded.settings.network.gateway, guarded.hub_port)), listener() as other:
        yield other


def test_only_the_hub_and_the_internet_are_left(guarded, ports):
    guarded.firewall("remove")
    everything = {"hub", "other port", *BEYOND}
    # without this, "not reached" would mean nothing
    wait_until(lambda: guarded.reached(ports) == everything, "all answers without the firewall", 20)
    guarded.configure("deny")
    guarded.firewall("apply")
    assert guarded.reached(ports) == {"hub", "public"}


def test_private_ranges_are_the_admins_choice_and_link_local_is_not(guarded, ports):
    guarded.configure("allow")
    guarded.firewall("apply")
    assert guarded.reached(ports) == {"hub", "public", "private"}


def test_other_networks_of_the_machine_are_left_alone(guarded, ports, engine, stub_image):
    guarded.configure("deny")
    guarded.firewall("apply")
    subnet = free_subnet(engine)
    other = guarded.add_network(new_name(), subnet, stub_image)
    gateway = next(ipaddress.ip_network(subnet).hosts())
    run_python(other, f"import socket; socket.create_connection(('{gateway}', {ports}), timeout=5)")


def test_twice_is_the_same_as_once_and_remove_leaves_nothing(guarded):
    def rules() -> list[str]:
        said = subprocess.run(["iptables", "-w", "-S"], capture_output=True, text=True, check=True).stdout
        return [line for line in said.splitlines() if guarded.name in line]

    guarded.firewall("apply")
    once = rules()
    guarded.firewall("apply")
    assert rules() == once
    assert sum(line.startswith(("-A INPUT", "-A DOCKER-USER")) for line in once) == 2
    guarded.firewall("remove")
    guarded.firewall("remove")
    assert rules() == []


def test_a_rule_hangs_first_again_where_something_came_before_it(guarded):
    guarded.firewall("apply")
    bridge = f"br-{guarded.engine.networks.get(guarded.name).id[:12]}"
    before = ["INPUT", "-i", bridge, "-p", "tcp", "--dport", "9", "-j", "ACCEPT"]
    subprocess.run(["iptables", "-w", "-I", *before], check=True)
    try:
        guarded.firewall("apply")
        first = subprocess.run(["iptables", "-w", "-S", "INPUT", "1"], capture_output=True, text=True, check=True)
        assert first.stdout.strip() == f"-A INPUT -i {bridge} -j {guarded.name}-in"
    finally:
        subprocess.run(["iptables", "-w", "-D", *before], check=True)
