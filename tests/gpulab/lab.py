"""A machine's GPUs as a test wants them: how many, how busy, how sick. Nothing runs: it is a file and a library.

    lab = GpuLab(folder)
    lab.start(gpus=4)
    subprocess.run(["tf29hub", "doctor"], env={**os.environ, **lab.environment})
    lab.train(container.id, lab.uuids[0], mib=9000, util=97)     # until the container's process dies
    lab.xid(0, 79)

Devices are named by UUID or, whole GPUs, by their place from 0. `GpuEngine` (engine.py) gives containers theirs.
"""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from .build import build
from .statefile import Row, Value, changed, read, write

_NAMES = uuid.UUID("6f1b3bd4-8f5e-4d57-8d65-0c2c7b6f2e11")
MIG_PROFILES = {  # of an A100 with 40 GB: MiB, compute slices
    "1g.5gb": (4864, 1),
    "2g.10gb": (9856, 2),
    "3g.20gb": (19968, 3),
    "4g.20gb": (19968, 4),
    "7g.40gb": (40192, 7),
}
LEVELS = {
    "same board": 0,
    "one switch": 10,
    "many switches": 20,
    "host bridge": 30,
    "same cpu": 40,
    "across cpus": 50,
}
"""NVML's `nvmlGpuTopologyLevel_t`."""


class GpuLab:
    """See the module's text. `without`: NVML functions that this machine's (old) driver does not have."""

    def __init__(self, folder: Path, *, without: Sequence[str] = ()) -> None:
        self.folder = folder
        self.state_folder = folder / "state"
        self.state = self.state_folder / "gpus"
        self.libraries = folder / "lib"
        self.state_folder.mkdir(parents=True, exist_ok=True)
        self.library = build(self.libraries, without)

    def start(
        self,
        gpus: int = 4,
        *,
        model: str = "NVIDIA A100-SXM4-40GB",
        memory_mib: int = 40960,
        driver: str = "535.104.05",
        cuda: int = 12020,
    ) -> None:
        """A healthy, idle machine; forgets whatever was before. Up to 64 GPUs."""
        rows = [Row("system", {"driver": driver, "cuda": cuda, "init_error": 0})]
        rows += [_gpu_row(number, model, memory_mib) for number in range(gpus)]
        write(self.state, rows)

    @property
    def environment(self) -> dict[str, str]:
        """What makes a program of this machine see these GPUs; laid over its own environment."""
        before = os.environ.get("LD_LIBRARY_PATH")
        path = f"{self.libraries}:{before}" if before else str(self.libraries)
        return {"LD_LIBRARY_PATH": path, "GPULAB_STATE": str(self.state)}

    def nvidia_smi(self, *words: str) -> str:
        """What the stand-in for `nvidia-smi` prints on this machine."""
        program = [str(self.libraries / "nvidia-smi"), *words]
        environment = {**os.environ, **self.environment}
        return subprocess.run(program, env=environment, capture_output=True, text=True, timeout=30).stdout

    @property
    def uuids(self) -> list[str]:
        """Of the whole GPUs, in the driver's order."""
        return [str(row["uuid"]) for row in read(self.state) if row.word == "gpu"]

    @property
    def slices(self) -> list[str]:
        """UUIDs of all MIG slices."""
        return [str(row["uuid"]) for row in read(self.state) if row.word == "slice"]

    # -- how they do -------------------------------------------------------------------------------------------

    def set(self, gpu: int | str, **fields: Value) -> None:
        """Fields of a `gpu` row: util, temp, power, base (MiB without a process), remap_failed, error, hang…"""
        name = self._uuid(gpu)
        with changed(self.state) as rows:
            _one(rows, "gpu", name).fields.update(fields)

    def process(
        self, device: int | str, pid: int, mib: int, *, util: int = 0, graphics: bool = False, ghost: bool = False
    ) -> None:
        """A process of this machine uses a device, as long as it lives; `ghost`: listed even when it is dead."""
        name = self._uuid(device)
        fields: dict[str, Value] = {"device": name, "pid": pid, "used": mib, "util": util}
        fields |= {"graphics": int(graphics), "ghost": int(ghost)}
        with changed(self.state) as rows:
            rows[:] = [
                row for row in rows if not (row.word == "process" and (row["pid"], row["device"]) == (pid, name))
            ]
            rows.append(Row("process", fields))

    def end_process(self, pid: int) -> None:
        """It lets go of its devices."""
        with changed(self.state) as rows:
            rows[:] = [row for row in rows if row.word != "process" or row["pid"] != pid]

    def train(self, container_id: str, device: int | str, mib: int = 8000, util: int = 95) -> int:
        """The first process of a container uses a device, until it dies or `end_process`. Returns its pid."""
        pids = host_pids(container_id)
        if not pids:
            raise RuntimeError(f"container {container_id} has no process")
        self.process(device, pids[0], mib, util=util)
        return pids[0]

    # -- what goes wrong ---------------------------------------------------------------------------------------

    def xid(self, gpu: int | str, code: int) -> None:
        """The driver reports trouble, to whoever listens at that moment or later."""
        name = self._uuid(gpu)
        with changed(self.state) as rows:
            number = 1 + max((int(row["seq"]) for row in rows if row.word == "xid"), default=0)
            old = [row for row in rows if row.word == "xid"][:-200]  # the library has room for 256
            rows[:] = [row for row in rows if row not in old]
            rows.append(Row("xid", {"seq": number, "device": name, "code": code}))

    def fault(self, function: str = "*", device: int | str = "*", *, error: int = 0, hang: bool = False) -> None:
        """That NVML function fails or hangs for that device; `heal` ends it. A hang ends when it is healed."""
        name = device if device == "*" else self._uuid(device)
        fields: dict[str, Value] = {"function": function, "device": name, "error": error, "hang": int(hang)}
        with changed(self.state) as rows:
            rows.append(Row("fault", fields))

    def hang(self, gpu: int | str) -> None:
        """Every call about this card hangs."""
        self.set(gpu, hang=1)

    def heal(self) -> None:
        """All cards answer again, without faults."""
        with changed(self.state) as rows:
            rows[:] = [row for row in rows if row.word != "fault"]
            for row in rows:
                if row.word == "gpu":
                    row.fields.update(error=0, hang=0, remap_failed=0, remap_pending=0)
                elif row.word == "system":
                    row.fields["init_error"] = 0

    def break_driver(self, error: int = 9) -> None:
        """nvmlInit fails: 9 driver not loaded, 18 driver/library version mismatch, 999 unknown."""
        with changed(self.state) as rows:
            next(row for row in rows if row.word == "system").fields["init_error"] = error

    def remove(self, gpu: int | str) -> None:
        """The card is gone, as after a reboot without it; `put_back` undoes it."""
        name = self._uuid(gpu)
        with changed(self.state) as rows:
            _one(rows, "gpu", name).word = "away"
            rows[:] = [row for row in rows if row.fields.get("parent") != name]
            _hide_away(self.state_folder, rows)

    def put_back(self) -> None:
        """All removed cards are there again."""
        away = self.state_folder / "away"
        with changed(self.state) as rows:
            rows += [Row("gpu", row.fields) for row in (read(away) if away.exists() else [])]
            away.unlink(missing_ok=True)

    # -- what they are -----------------------------------------------------------------------------------------

    def cut(self, gpu: int | str, profiles: Sequence[str]) -> list[str]:
        """Put the GPU in MIG mode with these slices (none: uncut, ordinary mode). Returns the slices' UUIDs."""
        parent = self._uuid(gpu)
        made = []
        with changed(self.state) as rows:
            card = _one(rows, "gpu", parent)
            card.fields["mig"] = int(bool(profiles))
            rows[:] = [row for row in rows if row.fields.get("parent") != parent]
            for number, profile in enumerate(profiles, 1):
                memory, slices = MIG_PROFILES[profile]
                name = f"MIG-{uuid.uuid5(_NAMES, f'{parent} {profile} {number}')}"
                fields: dict[str, Value] = {"uuid": name, "parent": parent, "profile": profile, "gi": number}
                fields |= {"ci": 0, "cap": int(card["minor"]) * 100 + number, "memory": memory, "slices": slices}
                rows.append(Row("slice", fields))
                made.append(name)
        return made

    def link(self, one: int | str, other: int | str, level: str = "across cpus", nvlinks: int = 0) -> None:
        """How two GPUs are connected: a level of LEVELS, and a number of NVLinks. Without it: across CPUs."""
        a, b = self._uuid(one), self._uuid(other)
        with changed(self.state) as rows:
            rows[:] = [row for row in rows if row.word != "link" or {row["a"], row["b"]} != {a, b}]
            rows.append(Row("link", {"a": a, "b": b, "level": LEVELS[level], "nvlinks": nvlinks}))

    def minor(self, device: int | str) -> int:
        """N of `/dev/nvidiaN` (of its card)."""
        rows = {row.fields.get("uuid"): row for row in read(self.state)}
        row = rows[self._uuid(device)]
        return int((rows[row["parent"]] if row.word == "slice" else row)["minor"])

    def _uuid(self, device: int | str) -> str:
        return self.uuids[device] if isinstance(device, int) else device


def host_pids(container_id: str) -> list[int]:
    """The processes of a container by their numbers on this machine, the oldest first."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                inside = container_id in (folder / "cgroup").read_text()
            except OSError:  # it has ended
                continue
            if inside:
                found.append(int(folder.name))
    return sorted(found)


def _gpu_row(number: int, model: str, memory_mib: int) -> Row:
    name = f"GPU-{uuid.uuid5(_NAMES, str(number))}"
    bus = f"00000000:{0x10 + number:02X}:00.0"
    return Row(
        "gpu", {"uuid": name, "name": model, "bus": bus, "minor": number, "memory": memory_mib, "reserved": 600}
    )


def _one(rows: list[Row], word: str, name: str) -> Row:
    for row in rows:
        if row.word == word and row["uuid"] == name:
            return row
    raise KeyError(f"there is no {word} {name}")


def _hide_away(folder: Path, rows: list[Row]) -> None:
    """Removed cards live in a file of their own, since the library takes every line for what is there."""
    away = folder / "away"
    kept = read(away) if away.exists() else []
    write(away, kept + [row for row in rows if row.word == "away"])
    rows[:] = [row for row in rows if row.word != "away"]
