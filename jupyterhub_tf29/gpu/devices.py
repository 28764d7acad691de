"""What a machine's GPUs are and how they do: plain values, whatever read them. Standard library only.

Everything is known by its UUID: a whole GPU as `GPU-…`, a MIG slice as `MIG-…`. Indices and `/dev/nvidiaN`
numbers change with a reboot or a lost card. Memory is in whole MiB (2^20 bytes), rounded down where it is room
and up where it is use; times are UTC epoch seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

MIB = 2**20
WHOLE_SLICES = 7
"""A GPU that can be cut has seven compute slices; a whole one, cut or not, weighs as much."""

MARGIN_SHARE = 0.03
MARGIN_MIN_MIB = 256
"""Never handed out: CUDA contexts and fragmentation eat a little of every card (as KAI-Scheduler found, #2212)."""

Pair = tuple[str, str]
"""Two UUIDs, sorted."""


@dataclass(frozen=True)
class Device:
    """One thing that can be given to somebody: a whole GPU, or a static MIG slice of one."""

    uuid: str
    model: str
    memory_mib: int
    usable_mib: int
    """What shares may add up to; see `usable_mib()`."""
    bus_id: str
    """PCI address of the (parent) card, such as `00000000:3B:00.0`."""
    minor: int
    """N of the (parent) card's `/dev/nvidiaN`."""
    parent: str | None = None
    """UUID of the GPU that a MIG slice is cut from; None for a whole GPU."""
    mig_profile: str | None = None
    """`1g.5gb` and its like; None for a whole GPU."""
    slices: int = WHOLE_SLICES
    """Compute slices, of `WHOLE_SLICES`."""


@dataclass(frozen=True)
class Process:
    """Somebody's process that uses a device, by its number on the host."""

    pid: int
    used_mib: int | None
    """None where the driver does not say."""
    container_id: str | None
    """The full id of the Docker container that it runs in; None for a process of the machine itself."""


@dataclass(frozen=True)
class Sample:
    """How one device did at `time`."""

    uuid: str
    time: float
    used_mib: int
    utilisation: int | None = None
    """Percent of the last sampling period in which a kernel ran; None for MIG slices, where drivers say none."""
    temperature: int | None = None
    """Degrees Celsius, of the (parent) card."""
    processes: tuple[Process, ...] = ()


@dataclass(frozen=True)
class Trouble:
    """Something that a device said or did which its holder or an admin must know."""

    uuid: str
    kind: Literal["xid", "nvml", "remap", "hung", "missing"]
    code: int
    """The XID, the NVML return code, or 0."""
    text: str
    """For an admin: what it means."""
    quarantine: bool
    """Whether nobody should be given the device until an admin has looked."""


@dataclass(frozen=True)
class Inventory:
    """What there is on the machine, as one look found it."""

    driver_version: str | None = None
    cuda_version: str | None = None
    """The newest CUDA that the driver speaks, such as `11.4`."""
    devices: tuple[Device, ...] = ()
    """What can be handed out. A GPU in MIG mode is not among them: its slices are."""
    links: Mapping[Pair, int] = field(default_factory=dict)
    """How well two whole GPUs are connected: 10 (across CPUs) to 60 (one board), and 100 more for each NVLink."""
    problem: str | None = None
    """Why there is nothing to hand out, where that is so; no driver at all is a normal state."""
    troubles: tuple[Trouble, ...] = ()
    """Of devices that did not answer or must not be used; one that cannot be read at all is not in `devices`."""

    def device(self, uuid: str) -> Device | None:
        return next((device for device in self.devices if device.uuid == uuid), None)

    def link(self, one: str, other: str) -> int:
        """The score of a pair in any order; 0 where it is not known."""
        return self.links.get(pair(one, other), 0)


def pair(one: str, other: str) -> Pair:
    """The key of two devices in `Inventory.links`."""
    return (one, other) if one < other else (other, one)


def usable_mib(total_mib: int, reserved_mib: int = 0) -> int:
    """What of a device's memory shares may add up to: total − reserved by the driver − max(3 %, 256 MiB)."""
    margin = max(-int(-total_mib * MARGIN_SHARE // 1), MARGIN_MIN_MIB)
    return max(0, total_mib - reserved_mib - margin)


def used_by_container(samples: Iterable[Sample], container_id: str) -> dict[str, int]:
    """UUID → MiB that this container's processes hold; devices on which it has none are not there."""
    held: dict[str, int] = {}
    for sample in samples:
        mine = [one for one in sample.processes if one.container_id == container_id]
        if mine:
            held[sample.uuid] = sum(one.used_mib or 0 for one in mine)
    return held
