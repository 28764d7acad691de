"""Stand-in for NVIDIA's container hook: gives a container the device nodes and the NVML of just its own GPUs.

The Docker Engine calls it as `nvidia-container-runtime-hook prestart` with the container's state on its stdin,
before the container's own program starts and before its root is changed. As the real one it reads which GPUs are
wanted from the last NVIDIA_VISIBLE_DEVICES in the bundle, makes their nodes, allows them in the device cgroup, and
puts libnvidia-ml.so.1 and nvidia-smi into the container. Standard library only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

NVIDIA, CAPS, NULL = 195, 234, (1, 3)
"""Majors of NVIDIA's nodes and of MIG's capabilities. Nobody drives them here: opening one gives ENXIO."""

_SCRIPT = r"""
set -eu
root=$1 state=$2 libraries=$3
shift 3
mkdir -p "$root/run/gpulab" "$root/usr/bin" "$root/dev/nvidia-caps"
mount --bind -o ro "$state" "$root/run/gpulab"
mount -o remount,bind,ro "$root/run/gpulab"
lib=$root/usr/lib
[ -d "$lib/x86_64-linux-gnu" ] && lib=$lib/x86_64-linux-gnu
for to in "$lib/libnvidia-ml.so.1" "$root/usr/bin/nvidia-smi"; do
  touch "$to"
  mount --bind "$libraries/${to##*/}" "$to"
  mount -o remount,bind,ro "$to"
done
while [ $# -gt 0 ]; do
  rm -f "$root$1"
  mknod -m 666 "$root$1" c "$2" "$3"
  shift 3
done
ldconfig -r "$root" 2>/dev/null || true
"""


class Refused(Exception):
    """The container must not start; the text is what the engine shows."""


def main(words: list[str]) -> int:
    folder, verb = Path(words[0]), words[1]
    if verb != "prestart":
        return 0
    state = json.load(sys.stdin)
    bundle = Path(state.get("bundle") or state["bundlePath"])
    config = json.loads((bundle / "config.json").read_text())
    try:
        minors, caps = wanted(_visible(config), folder / "state" / "gpus")
    except Refused as error:
        print(f"nvidia-container-cli: {error}", file=sys.stderr)
        return 1
    if minors is not None:
        root = Path(config["root"]["path"])
        _inject(state["pid"], root if root.is_absolute() else bundle / root, folder, minors, caps)
    return 0


def _visible(config: dict) -> str:
    values = [
        one.partition("=")[2] for one in config["process"]["env"] if one.startswith("NVIDIA_VISIBLE_DEVICES=")
    ]
    return values[-1] if values else ""


def wanted(visible: str, state: Path) -> tuple[list[int] | None, list[tuple[int, int]]]:
    """Minors of the GPUs and (minor, cap) of the MIG slices that `visible` names; None: nothing is asked for.

    Raises Refused for a device that is not there.
    """
    if visible in ("", "void"):
        return None, []
    if visible == "none":
        return [], []
    rows = [line.split("\t") for line in state.read_text().splitlines()]
    fields = [(word, dict(part.partition("=")[::2] for part in parts)) for word, *parts in rows]
    gpus = [row for word, row in fields if word == "gpu"]
    slices = {row["uuid"]: row for word, row in fields if word == "slice"}
    by_name = {gpu["uuid"]: gpu for gpu in gpus} | {str(number): gpu for number, gpu in enumerate(gpus)}
    minors, caps = [], []
    for name in by_name if visible == "all" else visible.split(","):
        if name in slices:
            parent = by_name[slices[name]["parent"]]
            caps.append((int(parent["minor"]), int(slices[name]["cap"])))
        elif name in by_name:
            minors.append(int(by_name[name]["minor"]))
        else:
            raise Refused(f"device error: {name}: unknown device")
    return sorted({*minors, *(minor for minor, _ in caps)}), caps


def _inject(pid: int, root: Path, folder: Path, minors: list[int], caps: list[tuple[int, int]]) -> None:
    allow = _device_cgroup(pid)
    nodes = [("/dev/nvidiactl", NVIDIA, 255), ("/dev/nvidia-uvm", NVIDIA, 254)]
    nodes += [(f"/dev/nvidia{minor}", NVIDIA, minor) for minor in minors]
    nodes += [(f"/dev/nvidia-caps/nvidia-cap{cap}", CAPS, cap) for _, cap in caps]
    if allow:
        for _, major, minor in nodes:
            allow.write_text(f"c {major}:{minor} rw")
    else:  # cgroup v2 keeps its rules in a program of the kernel; the null device is always allowed
        nodes = [(path, *NULL) for path, _, _ in nodes]
    words = [str(word) for node in nodes for word in node]
    paths = (str(root), str(folder / "state"), str(folder / "lib"))
    subprocess.run(
        ["nsenter", f"--target={pid}", "--mount", "--", "sh", "-c", _SCRIPT, "hook", *paths, *words], check=True
    )


def _device_cgroup(pid: int) -> Path | None:
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "devices" in controllers.split(","):
            return Path(f"/sys/fs/cgroup/devices{path}/devices.allow")
    return None


if __name__ == "__main__":
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/sbin:/bin"
    sys.exit(main(sys.argv[1:]))
