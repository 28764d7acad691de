"""How full the home is, measured so that nobody waits for it.

A home may have a million files, or lie on a server that does not answer. So each measurement runs in a thread,
at most one at a time, and whoever asks gets the last result. The threads are daemons: a walk never delays the
server's stop.
"""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
import threading
import time

# A walk of a home is bounded, so that a huge one does not keep a disk busy for ever.
WALK_TIMEOUT_S = 120
# Enough to need a block of its own on every file system: an inode may have room for a few bytes.
PROBE_BYTES = 16384
FULL = (errno.ENOSPC, errno.EDQUOT)


class Remembered:
    """The last result of `measure()`, renewed in the background when asked for and older than `max_age_s`."""

    def __init__(self, measure, max_age_s, log):
        self._measure, self._max_age_s, self._log = measure, max_age_s, log
        self._value, self._due, self._thread = None, 0.0, None

    def get(self):
        """The last result at once, None before there is one."""
        running = self._thread is not None and self._thread.is_alive()
        if not running and time.monotonic() >= self._due:
            self._thread = threading.Thread(target=self._renew, name="tf29-home", daemon=True)
            self._thread.start()
        return self._value

    def _renew(self):
        try:
            self._value = self._measure()
        except Exception as error:
            self._value = None
            self._log.warning("tf29_workspace: cannot measure the home: %s", error)
        self._due = time.monotonic() + self._max_age_s


def measure_used(home, timeout_s=WALK_TIMEOUT_S):
    """Bytes on disk below `home`, on its own file system, links counted once.

    Raises TimeoutError when the walk took longer than `timeout_s`. `du` does the walk: in a process of its own
    and with the lowest priority it takes nothing from the server. `timeout` ends it even without the server.
    """
    command = ["timeout", "-s", "KILL", str(timeout_s), "nice", "-n", "19", "du", "-sx", "-B1", "--", home]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    size = result.stdout.split(b"\t", 1)[0]
    if not size.isdigit():  # a folder that it may not read is left out, and not a failure
        raise TimeoutError(f"no size of {home} within {timeout_s} s (exit code {result.returncode})")
    return int(size)


def measure_space(home):
    """`{"free_bytes", "total_bytes", "full"}`: what a normal user has left; full when a write fails for space.

    The write is tried, because no number tells of a quota.
    """
    space = os.statvfs(home)
    free = space.f_bavail * space.f_frsize
    used = (space.f_blocks - space.f_bfree) * space.f_frsize
    # As df reckons: blocks that are kept for root are nobody's.
    return {"free_bytes": free, "total_bytes": used + free, "full": not can_write(home)}


def can_write(home):
    """False when a file in `home` cannot be written for want of space or quota; it leaves no file behind."""
    try:
        with tempfile.TemporaryFile(dir=home, prefix=".tf29-") as file:
            file.write(b"\0" * PROBE_BYTES)
    except OSError as error:
        return error.errno not in FULL  # a read-only home, say, is another story than a full one
    return True
