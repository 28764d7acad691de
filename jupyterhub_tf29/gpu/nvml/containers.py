"""Which container a process of this machine runs in, by `/proc/<pid>/cgroup` (cgroup v1, v2 and both).

Only in the machine's own PID namespace do NVML's process numbers mean anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")
_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


def container_in(cgroup: str) -> str | None:
    """The id of a container in the text of a cgroup file: `…/docker/<id>`, `…/docker-<id>.scope`.

    Of nested ones the outermost, which is the one that this machine's engine knows.
    """
    found = _ID.search(cgroup)
    return found.group() if found else None


class ContainerFinder:
    """Remembers whose a process was as long as the driver lists it, since it may be listed after its death."""

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc
        self._known: dict[int, str | None] = {}
        self._unknown: set[int] = set()

    def find(self, pids: Iterable[int]) -> dict[int, str | None]:
        """pid → container id, or None for a process of the machine itself; `pids` are all that are listed now.

        One that has ended before we could look is left out the first time: it is most likely gone by the next
        sample. Where it is listed again it holds memory without being anybody's, and is told as the machine's.
        """
        listed = set(pids)
        self._known = {pid: owner for pid, owner in self._known.items() if pid in listed}
        ended = set()
        for pid in listed:
            try:
                self._known[pid] = container_in((self._proc / str(pid) / "cgroup").read_text())
            except OSError:
                if pid not in self._known:
                    ended.add(pid)
        found = dict(self._known) | dict.fromkeys(ended & self._unknown)
        self._unknown = ended
        return found
