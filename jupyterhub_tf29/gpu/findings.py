"""What `tf29hub doctor` says about GPUs: driver, cards, and whether a container comes to its own and no other."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import docker.errors
import requests

from ..finding import Finding
from ..spawner import labels
from .devices import Inventory
from .inject import CannotInject, How, Injection, chosen, injection, without_gpu
from .nvml import driver
from .nvml.reader import NvmlReader

HOOK = "nvidia-container-runtime-hook"
TOOLKIT = "install NVIDIA's container toolkit (nvidia-container-toolkit) and restart the engine"
TRY_WITHIN_S = 60


def look() -> Inventory:
    """What the driver says, as the broker would hear it. Takes a moment; not for an event loop."""

    async def once() -> Inventory:
        reader = NvmlReader()
        try:
            return await reader.inventory()
        finally:
            await reader.close()

    return asyncio.run(once())


def driver_findings(inventory: Inventory, managed: bool | str) -> Iterator[Finding]:
    """The driver and the cards; `managed` is gpu.managed of hub.yaml."""
    if inventory.problem == driver.NO_DRIVER and managed == "auto":
        yield Finding("ok", f"GPUs: {inventory.problem}")
        return
    if inventory.problem:
        advice = "install NVIDIA's driver, or set gpu.managed to auto" if managed is True else ""
        yield Finding("failed", f"GPUs: {inventory.problem}", advice)
        return
    kinds = Counter(
        f"{device.model}{f' MIG {device.mig_profile}' if device.mig_profile else ''}"
        for device in inventory.devices
    )
    cards = ", ".join(f"{count} × {kind}" for kind, count in sorted(kinds.items())) or "none to hand out"
    versions = f"driver {inventory.driver_version}, CUDA up to {inventory.cuda_version or 'unknown'}"
    yield Finding("ok" if kinds else "warn", f"GPUs: {cards}; {versions}")
    for trouble in inventory.troubles:
        yield Finding(
            "failed" if trouble.quarantine else "warn",
            f"GPU {trouble.uuid}: {trouble.text}",
            "docs/gpus.md lists what may be done",
        )


def engine_findings(
    info: Mapping[str, Any], inventory: Inventory, how: How, *, tried: bool = False
) -> Iterator[Finding]:
    """The way by which containers come to these devices. `info` is the engine's `/info`; `tried`: trial_findings
    come next, which tell more than a look for the hook.
    """
    uuids = [device.uuid for device in inventory.devices]
    try:
        way = chosen(info, uuids, how)
    except CannotInject as error:
        yield Finding("failed", f"GPUs in containers: {error}")
        return
    yield Finding("ok", "GPUs in containers: through " + ("CDI" if way == "cdi" else "NVIDIA's container hook"))
    if way == "hook":
        if not tried and shutil.which(HOOK) is None:
            yield Finding("warn", f"GPUs in containers: there is no {HOOK} on this machine", TOOLKIT)
        if info.get("CgroupDriver") == "systemd":
            yield Finding(
                "warn",
                "GPUs in containers: a systemctl daemon-reload takes them from running workspaces",
                "use CDI, or native.cgroupdriver=cgroupfs, or udev links: docs/gpus.md, Devices that are lost",
            )


def trial_findings(client: Any, name: str, image_id: str, inventory: Inventory, how: How) -> Iterator[Finding]:
    """Try it: a container with one device must see it alone, one without any must see none.

    `name` is the hub's, for the label. Raises docker.errors.DockerException.
    """
    device = inventory.devices[0]
    try:
        asked = injection(client.info(), [device.uuid], how=how)
        code, said = list_inside(client, name, image_id, asked)
    except (CannotInject, docker.errors.APIError) as error:
        reason = getattr(error, "explanation", None) or error
        yield Finding("failed", f"GPUs in containers: the engine does not start one with a GPU: {reason}", TOOLKIT)
        return
    seen = [line for line in said.splitlines() if line.lstrip().startswith("GPU ")]
    if code == 0 and device.uuid in said and len(seen) == 1:
        yield Finding("ok", "GPUs in containers: one that is given a GPU sees it, and no other")
    else:
        yield Finding("failed", f"GPUs in containers: one that was given {device.uuid} sees: {said or code}")
    _, said = list_inside(client, name, image_id, without_gpu())
    if "GPU " in said:
        advice = "look for a default runtime or an NVIDIA_VISIBLE_DEVICES that undo NVIDIA_VISIBLE_DEVICES=void"
        yield Finding("failed", f"GPUs in containers: one that was given none sees {said}", advice)
    else:
        yield Finding("ok", "GPUs in containers: one that is given none sees none")


def list_inside(client: Any, name: str, image_id: str, asked: Injection) -> tuple[int, str]:
    """(exit code, output) of `nvidia-smi -L` in a fresh container; 127 where there is no such program."""
    api = client.api
    host = api.create_host_config(cap_drop=["ALL"], security_opt=["no-new-privileges"], network_mode="none")
    host["DeviceRequests"] = list(asked.device_requests)
    made = api.create_container(
        image_id,
        ["nvidia-smi", "-L"],
        entrypoint=[],
        host_config=host,
        environment=dict(asked.environment),
        labels={labels.NAME: name, labels.KIND: "probe"},
    )["Id"]
    try:
        api.start(made)
        code = api.wait(made, timeout=TRY_WITHIN_S)["StatusCode"]
        return code, api.logs(made).decode(errors="replace").strip()
    except docker.errors.APIError as error:
        if "executable file not found" in str(error):
            return 127, ""
        raise
    except requests.RequestException:
        return -1, f"nothing within {TRY_WITHIN_S} s"
    finally:
        api.remove_container(made, force=True)
