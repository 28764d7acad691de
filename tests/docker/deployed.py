"""An installation of our own, made by deploy/up below one folder, on this machine's engine."""

from __future__ import annotations

import ipaddress
import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

import docker
import requests

from jupyterhub_tf29.image.pin import Pin, write_pin
from tests.ours import find_free_port, new_name

REPOSITORY = Path(__file__).parent.parent.parent
UP_WITHIN_S = 600
"""The first run installs a Python environment from a registry."""


class Deployed:
    """A folder for `--root`, with name, ports and subnet that nobody else has."""

    def __init__(self, engine: docker.DockerClient) -> None:
        # not pytest's folder: that one is closed to other accounts, and the hub has one of its own
        self.folder = Path(tempfile.mkdtemp(prefix="tf29deploy-", dir="/var/tmp"))
        self.folder.chmod(0o755)
        self.root = self.folder / "hub"
        self.project = copy_project(self.folder / "project")
        self.name = new_name()
        self.port = find_free_port()
        self.first_options = [
            *("--name", self.name, "--port", str(self.port)),
            *("--set", f"ports.proxy_api={find_free_port()}", "--set", f"ports.hub={find_free_port()}"),
            *("--set", f"ports.console={find_free_port()}"),
            *("--set", f"network.subnet={free_subnet(engine)}"),
        ]

    @property
    def front(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def pin(self, pin: Pin) -> None:
        """Use an image that is there already, rather than build one for this name."""
        write_pin(self.root / "state" / "image.json", pin)
        shutil.chown(self.root / "state" / "image.json", "tf29hub", "tf29hub")

    def up(self, *options: str) -> subprocess.CompletedProcess[str]:
        return self.deploy("up", *options)

    def deploy(self, script: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run deploy/up or deploy/down for this folder; a lock of its own keeps it from waiting for others."""
        return subprocess.run(
            [self.project / "deploy" / script, "--root", self.root, *options],
            capture_output=True,
            text=True,
            timeout=UP_WITHIN_S,
            stdin=subprocess.DEVNULL,
            env=self.environment,
        )

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "TF29HUB_LOCK": str(self.folder / "lock")}

    def tf29hub(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The command that deploy/up installed for the admin."""
        return subprocess.run([self.root / "bin" / "tf29hub", *words], capture_output=True, text=True, timeout=120)

    def pids(self) -> dict[str, int]:
        """Program → pid, of those that the supervisor says are running; root's eyes."""
        conf = self.root / "program" / "deploy" / "supervisord.conf"
        environment = dict(
            line.split("=", 1)
            for line in (self.root / "program" / "deploy" / "environment").read_text().splitlines()
        )
        said = subprocess.run(
            [self.root / "program" / "venv" / "bin" / "supervisorctl", "-c", conf, "status"],
            capture_output=True,
            text=True,
            env=environment,
        ).stdout
        rows = [line.split() for line in said.splitlines()]
        return {row[0]: int(row[3].strip(",")) for row in rows if row[1] == "RUNNING"}

    def answers(self) -> bool:
        """Whether the Hub answers through the front."""
        try:
            return requests.get(f"{self.front}/hub/api", timeout=5).ok
        except requests.RequestException:
            return False

    def log(self, program: str) -> str:
        """What the program has written since it was first started."""
        return (self.root / "logs" / f"{program}.log").read_text(encoding="utf-8")

    def remove(self) -> None:
        """Stop everything and delete the folder; Docker objects go by their label, see tests.ours."""
        if (self.root / "program" / "venv").exists():
            self.deploy("down", "--yes")
        shutil.rmtree(self.folder)


def copy_project(to: Path) -> Path:
    """What deploy/up needs of the project, as it is now: an edit while the tests run is none of theirs."""
    for part in ("deploy", "jupyterhub_tf29", "config", "images"):
        shutil.copytree(REPOSITORY / part, to / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / part, to / part)
    return to


def free_subnet(engine: docker.DockerClient) -> str:
    """A /24 that no Docker network and no route of this machine has."""
    taken = [
        ipaddress.ip_network(one["Subnet"])
        for network in engine.networks.list()
        for one in network.attrs["IPAM"]["Config"] or []
        if ":" not in one["Subnet"]
    ]
    while True:
        subnet = ipaddress.ip_network(f"10.{random.randint(200, 239)}.{random.randint(0, 255)}.0/24")
        if not any(subnet.overlaps(other) for other in taken):
            return str(subnet)
