"""Whether running containers still have the GPUs that they were given.

`systemctl daemon-reload` makes systemd write its own rules of a container's device cgroup, which do not know what
NVIDIA's hook allowed: every program inside then gets "Failed to initialize NVML: Unknown Error". With cgroup v1
the rules can be read from outside; with v2 they are a program in the kernel, and only somebody inside can tell.

    looks = look({container.id: [0, 1]})
    if looks[container.id] is Look.UNKNOWN:     # then, where that is worth an exec:
        code, output = container.exec_run(EXEC_COMMAND)
        found = judge_exec(code, output.decode(), devices=2)

Standard library only; reads files, so not for an event loop.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .nvml.containers import container_in

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
NVIDIA_MAJOR, CONTROL_MINOR = 195, 255
"""Of `/dev/nvidiaN` and `/dev/nvidiactl`, without which NVML does not start (Linux: devices.txt)."""

EXEC_COMMAND = ["nvidia-smi", "-L"]
"""The toolkit puts it into every container with GPUs; it fails as the user's programs do."""

_NOT_RUN = (126, 127)
"""Exit codes of `docker exec` where there is no such program inside."""


class Look(enum.Enum):
    THERE = "there"
    LOST = "lost"
    UNKNOWN = "unknown"


def look(
    containers: Mapping[str, Sequence[int]], *, proc: Path = PROC, cgroups: Path = CGROUPS
) -> dict[str, Look]:
    """Container id → what can be seen from outside of its devices, given as minors N of `/dev/nvidiaN`.

    UNKNOWN for one without a process, and where this account or this kernel does not let us see.
    """
    pids = first_pids(containers, proc)
    return {
        container: _look(pids[container], [*minors, CONTROL_MINOR], proc, cgroups)
        if container in pids
        else Look.UNKNOWN
        for container, minors in containers.items()
    }


def first_pids(containers: Iterable[str], proc: Path = PROC) -> dict[str, int]:
    """Container id → one of its processes, by its number here; those without any are left out."""
    wanted, found = set(containers), dict[str, int]()
    for folder in proc.iterdir():
        if folder.name.isdigit() and len(found) < len(wanted):
            try:
                container = container_in((folder / "cgroup").read_text())
            except OSError:  # it has ended
                continue
            if container in wanted:
                found.setdefault(str(container), int(folder.name))
    return found


def judge_exec(exit_code: int, output: str, devices: int) -> Look:
    """What EXEC_COMMAND's end means in a container that was given `devices` whole GPUs or slices."""
    if exit_code in _NOT_RUN or "executable file not found" in output:
        return Look.UNKNOWN
    seen = sum(line.lstrip().startswith(("GPU ", "MIG ")) for line in output.splitlines())
    return Look.THERE if exit_code == 0 and seen >= devices else Look.LOST


def _look(pid: int, minors: Sequence[int], proc: Path, cgroups: Path) -> Look:
    rules = _device_rules(pid, proc, cgroups)
    if rules is not None and not all(_allows(rules, minor) for minor in minors):
        return Look.LOST
    nodes = _nodes(pid, minors, proc)
    if nodes is False:
        return Look.LOST
    return Look.THERE if rules is not None and nodes else Look.UNKNOWN


def _device_rules(pid: int, proc: Path, cgroups: Path) -> list[str] | None:
    """The lines of its `devices.list`; None with cgroup v2."""
    try:
        for line in (proc / str(pid) / "cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if "devices" in controllers.split(","):
                return (cgroups / "devices" / path.lstrip("/") / "devices.list").read_text().splitlines()
    except OSError:
        return None
    return None


def _allows(rules: list[str], minor: int) -> bool:
    for rule in rules:
        kind, numbers, access = rule.split()
        major, _, allowed = numbers.partition(":")
        if kind in "ac" and major in ("*", str(NVIDIA_MAJOR)) and allowed in ("*", str(minor)) and "rw" in access:
            return True
    return False


def _nodes(pid: int, minors: Sequence[int], proc: Path) -> bool | None:
    """Whether the nodes are in its `/dev`; None where this account may not look into it (only root may)."""
    dev = proc / str(pid) / "root" / "dev"
    try:
        present = {node.name for node in dev.iterdir()}
    except OSError:
        return None
    return all(("nvidiactl" if minor == CONTROL_MINOR else f"nvidia{minor}") in present for minor in minors)
