"""A Docker Engine of our own that gives containers the lab's GPUs, as a real one gives NVIDIA's."""

from __future__ import annotations

import sys
from pathlib import Path

from ..engine.private import PrivateEngine
from .lab import GpuLab, host_pids

HOOK = Path(__file__).parent / "hook.py"


def install_hook(lab: GpuLab) -> Path:
    """A folder with the executable that dockerd looks for in its PATH when it starts."""
    folder = lab.folder / "bin"
    folder.mkdir(exist_ok=True)
    program = folder / "nvidia-container-runtime-hook"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I {HOOK} {lab.folder} "$@"\n')
    program.chmod(0o755)
    return folder


class GpuEngine(PrivateEngine):
    """A private engine on which `--gpus` and DeviceRequests work, with the GPUs of `lab`."""

    def __init__(self, folder: Path, lab: GpuLab, *, live_restore: bool = True) -> None:
        super().__init__(folder, live_restore=live_restore, path=[install_hook(lab)])
        self.lab = lab


def lose_devices(container_id: str) -> None:
    """What `systemctl daemon-reload` does to a running container: its device cgroup forgets NVIDIA's nodes.

    Where cgroups are v2, the nodes themselves go, which a program inside cannot tell apart.
    """
    lost = 0
    for folder in Path("/sys/fs/cgroup/devices").rglob(container_id):
        for rule in (folder / "devices.list").read_text().splitlines():
            if rule.startswith(("c 195:", "c 234:")):  # only the very same rule takes one back
                (folder / "devices.deny").write_text(rule)
                lost += 1
    if not lost:
        remove_nodes(container_id)


def remove_nodes(container_id: str) -> None:
    """The nodes vanish from the container's /dev."""
    pids = host_pids(container_id)
    if not pids:
        raise RuntimeError(f"container {container_id} has no process")
    for node in Path(f"/proc/{pids[0]}/root/dev").glob("nvidia*"):
        if not node.is_dir():
            node.unlink()
