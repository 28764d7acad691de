"""CPU seconds and memory, read where the kernel counts them: control groups (v1 and v2) and processes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def container_cpu_s(pid: int) -> float:
    """CPU seconds that the container of process `pid` has used so far, its dead processes included."""
    group = _groups(pid)
    if "cpuacct" in group:
        return int((CGROUPS / "cpuacct" / group["cpuacct"] / "cpuacct.usage").read_text()) / 1e9
    return _fields(CGROUPS / group[""] / "cpu.stat")["usage_usec"] / 1e6


def container_memory(pid: int) -> int:
    """Bytes that the container's processes hold for themselves; files in the page cache are not counted."""
    group = _groups(pid)
    if "memory" in group:
        return _fields(CGROUPS / "memory" / group["memory"] / "memory.stat")["total_rss"]
    return _fields(CGROUPS / group[""] / "memory.stat")["anon"]


def processes_cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds of these processes and of their children, living or waited for."""
    return sum(_tree_ticks(pid) for pid in pids) / _TICKS_PER_S


def children(pid: int) -> set[int]:
    """The process IDs of the children of `pid`; none where it is gone."""
    found: set[int] = set()
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found.update(int(word) for word in listed.read_text().split())
        except OSError:
            continue  # that thread has just ended
    return found


def _tree_ticks(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    # the second field is the program's name in brackets, which may hold anything
    fields = stat.rpartition(")")[2].split()
    own = sum(int(field) for field in fields[11:15])
    return own + sum(_tree_ticks(child) for child in children(pid))


def _groups(pid: int) -> dict[str, str]:
    """The path of each controller's group; of version 2 under the empty name."""
    groups = {}
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller] = path.lstrip("/")
    return groups


def _fields(path: Path) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split() for line in path.read_text().splitlines())}
