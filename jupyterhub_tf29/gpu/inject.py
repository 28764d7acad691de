"""How a container comes to its GPUs: what the Docker Engine is asked for, and the container's environment. Pure.

Two ways lead there. NVIDIA's container hook is called by the engine (19.03 and newer) and looks for devices by
their UUID. CDI, the Container Device Interface, has them described in files that `nvidia-ctk cdi generate`
writes; engines from 28.2 on read those files unless told otherwise, and say in `/info` which devices they found.
CDI keeps devices over a `systemctl daemon-reload`, so it is taken where the engine says that it knows every
device that is wanted. The driver is always named: left to itself the engine's choice changed from release to
release.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

How = Literal["auto", "hook", "cdi"]

CDI_KIND = "nvidia.com/gpu"
CAPABILITIES = ["gpu", "compute", "utility"]
"""`compute` is CUDA, `utility` is NVML and nvidia-smi. Capability names are the NVIDIA container toolkit's."""

HOOK_SINCE, CDI_SINCE, NAMED_HOOK_SINCE = (19, 3), (25, 0), (29, 2)

NO_GPU = {"NVIDIA_VISIBLE_DEVICES": "void"}
"""For every container without a claim: an image's own NVIDIA_VISIBLE_DEVICES=all would leak every GPU."""

SHARE_VARIABLE = "TF29HUB_GPU_SHARE_MIB"
MEMORY_VARIABLE = "TF29HUB_GPU_MEMORY_MIB"
"""What the notebook image's tf29_gpu_share.py limits TensorFlow by: the share, and the memory of the whole
device."""


class CannotInject(ValueError):
    """This engine cannot give a container these devices in this way; the text says why and what to do."""


@dataclass(frozen=True)
class Injection:
    """What to lay into the arguments of `create_container`."""

    device_requests: tuple[dict[str, Any], ...] = ()
    """`HostConfig.DeviceRequests` of the engine's API."""
    environment: Mapping[str, str] = field(default_factory=dict)


def without_gpu() -> Injection:
    """For a container that was granted none."""
    return Injection(environment=dict(NO_GPU))


def injection(
    info: Mapping[str, Any],
    uuids: Sequence[str],
    *,
    share_mib: int | None = None,
    memory_mib: int | None = None,
    how: How = "auto",
) -> Injection:
    """`info` is the engine's `/info`, `uuids` what was granted, `share_mib` the share of that one device, whose
    whole memory is `memory_mib`, where that is known.

    Raises CannotInject, and ValueError for a share of several devices.
    """
    if not uuids:
        return without_gpu()
    if share_mib is not None and len(uuids) != 1:
        raise ValueError(f"a share is of one device, not of {len(uuids)}")
    shared = share_environment(share_mib, memory_mib) if share_mib is not None else {}
    if chosen(info, uuids, how) == "cdi":
        names = [f"{CDI_KIND}={uuid}" for uuid in uuids]
        request = {"Driver": "cdi", "Count": 0, "DeviceIDs": names, "Capabilities": [], "Options": {}}
        # void: where NVIDIA's runtime is the default one it must not add what CDI has added already
        return Injection((request,), {**NO_GPU, **shared})
    driver = "nvidia.runtime-hook" if engine_version(info) >= NAMED_HOOK_SINCE else "nvidia"
    request = {
        "Driver": driver,
        "Count": 0,
        "DeviceIDs": list(uuids),
        "Capabilities": [CAPABILITIES],
        "Options": {},
    }
    # the engine adds this variable too; saying the same leaves no doubt whether the first or the last one counts
    return Injection((request,), {"NVIDIA_VISIBLE_DEVICES": ",".join(uuids), **shared})


def chosen(info: Mapping[str, Any], uuids: Sequence[str], how: How = "auto") -> Literal["hook", "cdi"]:
    """The way for these devices on this engine. Raises CannotInject."""
    version, name = engine_version(info), info.get("ServerVersion")
    if how == "auto":
        how = "cdi" if set(uuids) <= discovered(info) and uuids else "hook"
    if how == "cdi":
        if version < CDI_SINCE:
            raise CannotInject(f"Docker Engine {name} has no CDI, which came with 25.0: set gpu.injection to hook")
        if not info.get("CDISpecDirs"):
            raise CannotInject(
                f'Docker Engine {name} has CDI switched off: put "features": {{"cdi": true}} into '
                "/etc/docker/daemon.json, or set gpu.injection to hook"
            )
    elif version < HOOK_SINCE:
        raise CannotInject(f"Docker Engine {name} gives containers no GPUs: 19.03 is the oldest that does")
    return how


def discovered(info: Mapping[str, Any]) -> set[str]:
    """UUIDs (and other names) of the NVIDIA devices that the engine knows by CDI; none before 28.2."""
    found = info.get("DiscoveredDevices") or []
    names = (str(one.get("ID", "")) for one in found if one.get("Source") == "cdi")
    return {name.removeprefix(f"{CDI_KIND}=") for name in names if name.startswith(f"{CDI_KIND}=")}


def engine_version(info: Mapping[str, Any]) -> tuple[int, int]:
    """`20.10.24+dfsg1` → (20, 10). (0, 0) where there is none to read, as of a build without a number."""
    match = re.match(r"(\d+)\.(\d+)", str(info.get("ServerVersion", "")))
    return (int(match[1]), int(match[2])) if match else (0, 0)


def share_environment(share_mib: int, memory_mib: int | None = None) -> dict[str, str]:
    """What makes programs keep to their share of a device, each in its own way.

    TensorFlow grows instead of taking all, and stops at the share (tf29_gpu_share.py of the notebook image). CUDA
    heeds the last variable only where an admin runs NVIDIA's MPS and lets containers reach it; else it does
    nothing.
    """
    shared = {
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        SHARE_VARIABLE: str(share_mib),
        "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT": f"0={share_mib}M",
    }
    # without it the container asks its own NVML
    return {**shared, MEMORY_VARIABLE: str(memory_mib)} if memory_mib else shared
