"""Whether one more server fits into the machine's memory. Every running server holds its guarantee."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..units import format_size

_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True)
class HostMemory:
    """The machine's memory in bytes: all of it, and what can be had without swapping."""

    total: int
    available: int


class DoesNotFit(Exception):
    """The server cannot have its guarantee. `needed`, `free` and `total` are in bytes."""

    def __init__(self, needed: int, free: int, total: int) -> None:
        self.needed, self.free, self.total = needed, free, total
        super().__init__(
            f"needs {format_size(needed)}, {format_size(free)} of {format_size(total)} can be promised"
        )


def read_host_memory(meminfo: Path = _MEMINFO) -> HostMemory:
    """Read `/proc/meminfo`; touches the kernel only, but is a file: call it in a thread."""
    fields = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines() if ":" in line)
    return HostMemory(*(int(fields[key].split()[0]) * 1024 for key in ("MemTotal", "MemAvailable")))


class Admission:
    """The guarantees that are promised, by server. Not thread-safe: it belongs to the Hub's event loop."""

    def __init__(self) -> None:
        self._promised: dict[object, int] = {}

    @property
    def promised(self) -> int:
        """Bytes promised to all servers."""
        return sum(self._promised.values())

    def admit(self, server: object, guarantee: int, memory: HostMemory, reserve: int) -> None:
        """Promise `guarantee` bytes to `server`, or raise DoesNotFit and promise nothing.

        What counts is the smaller of two: what is not promised yet (of the total less `reserve`), and what
        the machine has available right now (others than this hub's servers use memory, too).
        """
        others = self.promised - self._promised.get(server, 0)
        free = max(0, min(memory.total - reserve - others, memory.available))
        if guarantee > free:
            raise DoesNotFit(guarantee, free, memory.total)
        self._promised[server] = guarantee

    def record(self, server: object, guarantee: int) -> None:
        """Note a server that runs already, as the Hub finds it after a restart."""
        self._promised[server] = guarantee

    def release(self, server: object) -> None:
        """The server is gone; releasing twice is harmless."""
        self._promised.pop(server, None)
