"""What every workspace container gets from the engine beside what DockerSpawner asks for. Pure.

The admin's own `extra_host_config` and `extra_create_kwargs` win over the defaults here, but for what would
undo the isolation of users from one another and from the machine: that is refused with a reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from .storage import Place

_FORBIDDEN = {
    "Privileged": "a privileged container is root on the machine",
    "PidMode": "the processes of others would be seen",
    "IpcMode": "the memory of others could be read",
    "UsernsMode": "root in the container would be root on the machine",
}
_HARMLESS = (None, False, "", "private", "shareable", "none")


class UnsafeContainer(ValueError):
    """The configuration asks for a container that is not isolated; the text says which setting and why."""


@dataclass(frozen=True)
class Limits:
    """What one server may use beside memory and CPU time, which DockerSpawner sets. Sizes in bytes."""

    processes: int
    shared_memory: int
    log_size: int


@dataclass(frozen=True)
class Workspace:
    """All that this project adds to a container."""

    limits: Limits
    places: list[Place]
    labels: dict[str, str]
    notices_dir: str | None = None
    mount_notices_at: str = "/run/tf29hub"
    environment: dict[str, str] = field(default_factory=dict)
    gpus: Gpus | None = None
    """What it has of the GPUs that this hub hands out; None where it hands out none."""


@dataclass(frozen=True)
class Gpus:
    """How a container comes to just the GPUs that it was granted, which may be none."""

    device_requests: list[dict[str, Any]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    """Nobody's own setting wins over these."""


def complete(create_kwargs: dict[str, Any], workspace: Workspace) -> dict[str, Any]:
    """DockerSpawner's arguments of `create_container`, with `workspace` laid under them.

    Raises UnsafeContainer.
    """
    host = dict(create_kwargs.get("host_config") or {})
    for key, why in _FORBIDDEN.items():
        if host.get(key) not in _HARMLESS:
            raise UnsafeContainer(f"extra_host_config: {key}={host[key]!r} is not allowed here: {why}")
    if host.get("NetworkMode") == "host":
        raise UnsafeContainer("network_name: 'host' is not allowed here: users could reach all of the machine")
    if workspace.gpus is not None:
        if host.get("DeviceRequests"):
            raise UnsafeContainer(
                "extra_host_config: device_requests are not allowed where this hub hands out the GPUs: somebody "
                "else may hold them; set gpu.managed to false in hub.yaml to do it yourself"
            )
        host["DeviceRequests"] = workspace.gpus.device_requests
    limits = workspace.limits
    defaults: dict[str, Any] = {
        "CapDrop": ["ALL"],
        "PidsLimit": limits.processes,
        "ShmSize": limits.shared_memory,
        # swap would let one tenant slow down all others; equal to Memory means none
        "MemorySwap": host.get("Memory") or None,
        "LogConfig": {"Type": "json-file", "Config": {"max-size": str(limits.log_size), "max-file": "2"}},
        "RestartPolicy": {"Name": "no"},
    }
    for key, value in defaults.items():
        if host.get(key) in (None, [], {}, 0) and value is not None:
            host[key] = value
    options = host.get("SecurityOpt") or []
    host["SecurityOpt"] = [*options, *({"no-new-privileges"} - set(options))]
    # the container must outlive its death, or why it died is lost with it; the spawner removes it
    host["AutoRemove"] = False
    host["Mounts"] = [*(host.get("Mounts") or []), *_mounts(host, workspace)]
    environment = {**workspace.environment, **_as_dict(create_kwargs.get("environment"))}
    environment.update(workspace.gpus.environment if workspace.gpus else {})
    labels = {**_as_dict(create_kwargs.get("labels")), **workspace.labels}
    return {**create_kwargs, "host_config": host, "environment": environment, "labels": labels}


def cpu_environment(cpus: float) -> dict[str, str]:
    """Thread counts that fit the quota: TensorFlow and BLAS would start one for each CPU of the machine."""
    threads = str(max(1, math.ceil(cpus)))
    return {
        "OMP_NUM_THREADS": threads,
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": str(min(2, int(threads))),
        # no GPU was granted: without this an image's own NVIDIA_VISIBLE_DEVICES=all would leak every one
        "NVIDIA_VISIBLE_DEVICES": "void",
    }


def language_environment(language: str) -> dict[str, str]:
    """Lab speaks the language of who pressed Start; the image has the locales and Lab's language pack."""
    return {"LANG": "zh_CN.UTF-8"} if language == "zh" else {}


def _mounts(host: dict[str, Any], workspace: Workspace) -> list[dict[str, Any]]:
    """Ours, but for targets at which the admin's own `volumes` or `mounts` put something else."""
    taken = {bind.split(":")[1] for bind in host.get("Binds") or [] if bind.count(":") >= 1}
    taken |= {mount.get("Target") for mount in host.get("Mounts") or []}
    mounts = [place.as_docker_mount() for place in workspace.places]
    if workspace.notices_dir:
        notices = Place(workspace.notices_dir, workspace.mount_notices_at, read_only=True)
        mounts.append(notices.as_docker_mount())
    return [mount for mount in mounts if mount["Target"] not in taken]


def _as_dict(value: Any) -> dict[str, str]:
    """Environment and labels as docker-py takes them: a dict, or a list of `KEY=value`."""
    if isinstance(value, dict):
        return value
    return dict(item.partition("=")[::2] for item in value or [])
