"""The file of the trail: one process appends to it after the other, in order, and each line is on the disk.

A thread of its own writes, so that nobody waits for the disk. Several processes write the same file (the hub,
`tf29hub user`): a lock on the file for each batch makes a batch whole and a rotated file final.

Where the disk is full, events wait in memory and the hub goes on: who would rather have nobody sign in makes a
full disk a way to lock everybody out, the admin included. It is told at once instead: in the log, to admins on
every page, and by `tf29hub doctor`. Once there is room they are written, in order; what did not fit into the
memory is counted in an event of its own, `trail-gap`.
"""

from __future__ import annotations

import atexit
import errno
import fcntl
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .event import as_line

MAX_WAITING = 10_000
"""Events that wait for the disk, some 5 MB."""
TRY_AGAIN_AFTER_S = 5.0
FLUSH_AT_EXIT_WITHIN_S = 5.0

log = logging.getLogger("tf29hub.audit")


class TrailWriter:
    """Appends events to `path`; `put` never raises and never waits."""

    def __init__(
        self,
        path: Path,
        *,
        rotate_size: int = 0,
        rotate_every_s: float = 0,
        keep_s: float = 0,
        make_gap: Callable[[int], dict[str, Any]] | None = None,
    ) -> None:
        """Rotated at `rotate_size` bytes or at that age; rotated files go after `keep_s` seconds. 0: never."""
        self.path = path
        self.problem: str | None = None
        """Why events wait; None where the file has them all."""
        self._rotate_size, self._rotate_every_s, self._keep_s = rotate_size, rotate_every_s, keep_s
        self._make_gap = make_gap
        self._waiting: deque[dict[str, Any]] = deque()
        self._lost = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = self._busy = False

    def put(self, event: dict[str, Any]) -> None:
        """Hand one event over; what was handed over first is written first."""
        with self._changed:
            if len(self._waiting) >= MAX_WAITING:
                self._lost += 1
                return
            self._waiting.append(event)
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name="audit-trail", daemon=True)
                self._thread.start()
                atexit.register(self.close)
            self._changed.notify_all()

    def flush(self, within_s: float) -> bool:
        """Wait until everything is on the disk; False where that did not come about."""
        deadline = time.monotonic() + within_s
        with self._changed:
            while self._waiting or self._busy:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
            return True

    def close(self) -> None:
        """Write what waits, for a moment, and end the thread."""
        if self._thread is None:
            return
        self.flush(FLUSH_AT_EXIT_WITHIN_S)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(FLUSH_AT_EXIT_WITHIN_S)
        self._thread = None
        if self._waiting:
            log.error("The audit trail ends with %d events that could not be written", len(self._waiting))

    # -- the thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                if self._closing:
                    return
                batch, lost, self._busy = list(self._waiting), self._lost, True
            done = self._try(batch, lost)
            with self._changed:
                self._busy = False
                if done:
                    for _ in batch:
                        self._waiting.popleft()
                    self._lost -= lost
                self._changed.notify_all()
                if not done and not self._closing:
                    self._changed.wait(TRY_AGAIN_AFTER_S)

    def _try(self, batch: list[dict[str, Any]], lost: int) -> bool:
        lines = [as_line(event) for event in batch]
        if lost and self._make_gap:
            lines.append(as_line(self._make_gap(lost)))
        try:
            append(self.path, b"".join(lines), self._rotate)
        except OSError as error:
            if self.problem is None:
                log.error("AUDIT TRAIL: events wait in memory, %s cannot be written: %s", self.path, error)
            self.problem = f"{self.path}: {error.strerror or error}"
            return False
        except Exception:
            log.exception("AUDIT TRAIL: %d events are lost", len(batch))
            return True
        if self.problem is not None:
            log.warning("The audit trail is written again; %d events were lost", lost)
            self.problem = None
        return True

    # -- rotation ----------------------------------------------------------------------------------------------

    def _rotate(self, descriptor: int) -> bool:
        """Called with the file locked, before a batch: whether the file was moved away."""
        status = os.fstat(descriptor)
        too_large = self._rotate_size and status.st_size >= self._rotate_size
        too_old = self._rotate_every_s and status.st_size and self._age_s(descriptor) >= self._rotate_every_s
        if not (too_large or too_old):
            return False
        self.path.rename(rotated_name(self.path))
        self._remove_old()
        return True

    def _age_s(self, descriptor: int) -> float:
        """Of the first event; Linux keeps no time of birth that Python would tell."""
        with self.path.open("rb") as file:
            head = file.read(100)
        start = head.find(b'"time":"') + 8
        try:
            first = datetime.fromisoformat(head[start : start + 19].decode("ascii") + "+00:00")
        except ValueError:
            return 0
        return (datetime.now(timezone.utc) - first).total_seconds()

    def _remove_old(self) -> None:
        if not self._keep_s:
            return
        for path in rotated_files(self.path):
            if time.time() - path.stat().st_mtime > self._keep_s:
                path.unlink(missing_ok=True)
                log.info("%s is older than audit.keep and was removed", path)


def append(path: Path, data: bytes, rotate: Callable[[int], bool] | None = None) -> None:
    """Append `data`, whole or not at all, and see it on the disk. Raises OSError."""
    while True:
        descriptor = _open(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not _is_still(path, descriptor) or (rotate and rotate(descriptor)):
                continue  # someone moved it away meanwhile, or we did: the next one is at its place
            _write_whole(descriptor, data)
            os.fdatasync(descriptor)
            return
        finally:
            os.close(descriptor)


def rotated_name(path: Path) -> Path:
    """`audit.jsonl` → `audit-20261123T141500.123456Z.jsonl`, so that names sort by time."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
    return path.with_name(f"{path.stem}-{stamp}{path.suffix}")


def rotated_files(path: Path) -> list[Path]:
    """Those that were moved away, oldest first; also what logrotate made of them."""
    found = {*path.parent.glob(f"{path.stem}-*{path.suffix}*"), *path.parent.glob(f"{path.name}[.-]*")}
    return sorted(found, key=lambda file: (file.stat().st_mtime_ns, file.name))


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    folder, file = path.parent.stat(), os.fstat(descriptor)
    if os.geteuid() == 0 and file.st_size == 0 and file.st_uid != folder.st_uid:
        os.fchown(descriptor, folder.st_uid, folder.st_gid)  # made by root, but it is the hub's
    return descriptor


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _write_whole(descriptor: int, data: bytes) -> None:
    """Write all of it; where the disk fills up halfway, take back what was written and raise OSError."""
    before = os.fstat(descriptor).st_size
    written = 0
    try:
        if before and os.pread(descriptor, 1, before - 1) != b"\n":
            data = b"\n" + data  # half a line of someone who was killed
        while written < len(data):
            written += os.write(descriptor, data[written:])
    except OSError:
        if written:
            try:
                os.ftruncate(descriptor, before)
            except OSError as error:  # `chattr +a`: half a line stays, and the next batch begins a new one
                if error.errno not in (errno.EPERM, errno.EACCES):
                    raise
        raise
