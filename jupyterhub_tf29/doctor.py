"""`tf29hub doctor`: look at everything that the hub stands on; one line each, and what to do where it is amiss."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import requests

from .audit.writer import append
from .auth.ldap import findings as sign_in_by_ldap
from .auth.oauth import findings as sign_in_by_oauth
from .finding import Finding
from .front.findings import tls_findings
from .front.ourselves import front_context, front_url, session_to_front
from .gpu import findings as gpus
from .image.pin import Pin, PinError, read_pin
from .probe import Reach, probe
from .profiles import load_profiles
from .secretfiles import NAMES, SecretError, read_secret
from .settings import GiB, Paths, Settings, load_settings
from .units import format_size

DISK_WARN_BYTES = 10 * GiB
DISK_FAIL_BYTES = 1 * GiB
HTTP_TIMEOUT_S = 10
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""The kernel's word for it → Docker's."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-containers", action="store_true", help="do not try from inside containers")


def run(args: argparse.Namespace) -> int:
    """0: nothing failed (there may be warnings), 1: something did. Raises ConfigError."""
    paths = Paths.from_environment()
    settings = load_settings(paths.config)
    load_profiles(paths.config / "profiles.yaml", settings.limits)
    failed = False
    for finding in examine(settings, paths, containers=not args.no_containers):
        print(finding, flush=True)
        failed |= finding.level == "failed"
    return int(failed)


def examine(settings: Settings, paths: Paths, *, containers: bool = True) -> Iterator[Finding]:
    """All findings, from what the rest stands on to what stands on it."""
    yield Finding("ok", f"configuration: {paths.config} is valid")
    yield from secret_findings(paths)
    yield from sign_in_by_oauth.findings(settings.sign_in.methods, paths)
    yield from sign_in_by_ldap.findings(settings.sign_in.methods, paths)
    try:
        client = docker.DockerClient.from_env()
        info = client.info()
    except (docker.errors.DockerException, OSError) as error:
        yield _no_engine(error)
        return
    yield from engine_findings(info)
    yield from disk_findings(Path(info["DockerRootDir"]), paths.state)
    pin, finding = image_finding(client, paths)
    yield finding
    network = list(network_findings(client, settings))
    yield from network
    yield from front_findings(settings, paths)
    yield from tls_findings(settings, paths)
    yield audit_finding(paths)
    if containers and pin and all(one.level != "failed" for one in network):
        try:
            yield from reach_findings(probe(client, settings, pin.image_id))
        except docker.errors.DockerException as error:
            yield Finding("failed", f"a container on the users' network: {error}", "see the Docker Engine's log")
    yield from gpu_findings(client, settings, pin if containers else None)


def gpu_findings(client: Any, settings: Settings, pin: Pin | None) -> Iterator[Finding]:
    """Driver, cards and injection; with `pin` also by trying it in containers of that image."""
    if settings.gpu.managed is False:
        yield Finding("ok", "GPUs: none is handed out, as gpu.managed in hub.yaml says")
        return
    inventory = gpus.look()
    yield from gpus.driver_findings(inventory, settings.gpu.managed)
    if not inventory.devices or inventory.problem:
        return
    how = settings.gpu.injection
    yield from gpus.engine_findings(client.info(), inventory, how, tried=pin is not None)
    if pin:
        try:
            yield from gpus.trial_findings(client, settings.name, pin.image_id, inventory, how)
        except docker.errors.DockerException as error:
            yield Finding("failed", f"a container with a GPU: {error}", "see the Docker Engine's log")


def _no_engine(error: Exception) -> Finding:
    if "Permission denied" in str(error):
        account = os.environ.get("USER") or f"account {os.getuid()}"
        return Finding(
            "failed",
            f"Docker Engine: {account} has no permission on its socket",
            "deploy/up puts the hub's account into the socket's group; run tf29hub as that account",
        )
    return Finding("failed", f"Docker Engine: does not answer ({error})", "start it: systemctl start docker")


def secret_findings(paths: Paths) -> Iterator[Finding]:
    """Each secret is there and nobody else's to read."""
    problems = []
    for name in NAMES:
        try:
            read_secret(paths, name)
        except SecretError as error:
            problems.append(Finding("failed", f"secrets: {error}"))
    yield from problems or [Finding("ok", f"secrets: {len(NAMES)} of them, for this account only")]


def engine_findings(info: dict[str, Any]) -> Iterator[Finding]:
    """The engine itself."""
    yield Finding("ok", f"Docker Engine: {info['ServerVersion']}")
    if info.get("LiveRestoreEnabled"):
        yield Finding("ok", "live-restore: workspaces outlive a restart of the engine")
    else:
        yield Finding(
            "warn",
            "live-restore: off; a restart of the engine stops everybody's workspace",
            'put "live-restore": true into /etc/docker/daemon.json, then systemctl reload docker',
        )


def disk_findings(*folders: Path) -> Iterator[Finding]:
    """Room where the engine keeps images and volumes, and where the hub keeps its state."""
    for folder in folders:
        free = shutil.disk_usage(folder).free
        text = f"disk: {format_size(free)} free at {folder}"
        if free < DISK_FAIL_BYTES:
            yield Finding("failed", text, "make room: tf29hub image prune, tf29hub volumes")
        elif free < DISK_WARN_BYTES:
            yield Finding("warn", text, "make room before it is needed: tf29hub image prune, tf29hub volumes")
        else:
            yield Finding("ok", text)


def image_finding(client: Any, paths: Paths) -> tuple[Pin | None, Finding]:
    """The image that everybody runs: pinned, present, for this machine."""
    try:
        pin = read_pin(paths.image_pin)
    except PinError as error:
        return None, Finding("failed", f"image: {error}")
    try:
        image = client.images.get(pin.image_id)
    except docker.errors.ImageNotFound:
        advice = "make it again: tf29hub image build"
        return None, Finding("failed", f"image: {pin.tag} ({pin.short_id}) is not in the engine", advice)
    machine = ARCHITECTURES.get(platform.machine(), platform.machine())
    if image.attrs["Architecture"] != machine:
        text = f"image: {pin.tag} is built for {image.attrs['Architecture']}, this machine is {machine}"
        return None, Finding("failed", text, "build it here: tf29hub image build")
    return pin, Finding("ok", f"image: {pin.tag} ({pin.short_id}), {machine}, base {pin.base}")


def network_findings(client: Any, settings: Settings) -> Iterator[Finding]:
    """The users' network is the one that hub.yaml wants, and keeps containers apart."""
    try:
        attributes = client.networks.get(settings.name).attrs
    except docker.errors.NotFound:
        yield Finding("failed", f"network: there is none called {settings.name}", "run deploy/up")
        return
    subnets = [one.get("Subnet") for one in attributes["IPAM"]["Config"]]
    if subnets != [settings.network.subnet]:
        text = (
            f"network: {settings.name} is {', '.join(map(str, subnets))}, hub.yaml says {settings.network.subnet}"
        )
        yield Finding("failed", text, "run deploy/up while no workspace runs")
    elif (attributes["Options"] or {}).get("com.docker.network.bridge.enable_icc") != "false":
        text = f"network: {settings.name} lets containers talk to one another (enable_icc)"
        yield Finding("failed", text, "remove it (docker network rm) and run deploy/up")
    elif attributes.get("EnableIPv6"):
        text = f"network: {settings.name} has IPv6, which the firewall rules do not cover"
        yield Finding("failed", text, "remove it (docker network rm) and run deploy/up")
    else:
        yield Finding("ok", f"network: {settings.name}, {settings.network.subnet}, containers apart")


def front_findings(settings: Settings, paths: Paths) -> Iterator[Finding]:
    """The hub answers through the proxy."""
    url = f"{front_url(settings)}/hub/api"
    try:
        with session_to_front(front_context(settings, paths)) as session:
            answer = session.get(url, timeout=HTTP_TIMEOUT_S)
        if answer.ok and "version" in answer.text:
            yield Finding("ok", f"front: JupyterHub {answer.json()['version']} answers at {url}")
            return
        problem = f"{answer.status_code} from {url}"
    except (requests.RequestException, OSError, ValueError) as error:
        problem = f"no answer from {url} ({error})"
    yield Finding("failed", f"front: {problem}", "see hub.log and proxy.log; deploy/up starts what does not run")


def audit_finding(paths: Paths) -> Finding:
    """The trail can be written, by this account and in this place, and others cannot read it."""
    try:
        append(paths.audit, b"")
        mode = paths.audit.stat().st_mode & 0o777
    except OSError as error:
        advice = "events wait in the hub's memory until there is room; make some, or put the folder's owner right"
        return Finding("failed", f"audit trail: {paths.audit} cannot be written ({error.strerror})", advice)
    if mode & 0o077:
        text = f"audit trail: others can read {paths.audit} (mode {mode:04o})"
        return Finding("warn", text, f"chmod 600 {paths.audit}")
    return Finding("ok", f"audit trail: {paths.audit}")


def reach_findings(reach: Reach) -> Iterator[Finding]:
    """What users' containers can and cannot reach; the firewall is put right by deploy/up."""
    again = "run deploy/up, which sets the firewall's rules again (deploy/firewall show prints them)"
    yield _expect(reach.hub_api, True, "reach the Hub's API", "is the hub running? " + again)
    yield _expect(reach.other_ports, False, "reach other ports of this machine", again)
    yield _expect(reach.metadata, False, "reach link-local addresses (a cloud's metadata)", again)
    if reach.neighbour_from_host:
        yield _expect(reach.neighbour, False, "reach one another", "the network lacks enable_icc=false; " + again)
    else:
        text = "containers: the host cannot reach them, so workspaces would never become ready"
        yield Finding("failed", text, "another firewall on this machine drops what goes to the users' network")


def _expect(found: bool, wanted: bool, what: str, advice: str) -> Finding:
    text = f"containers: can{'' if found else 'not'} {what}"
    return Finding("ok", text) if found == wanted else Finding("failed", text, advice)
