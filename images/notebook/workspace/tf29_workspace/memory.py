"""The workspace's memory as its control group counts it, in version 1 and version 2 of control groups.

A container sees its own group at the root of `/sys/fs/cgroup`. Numbers that the kernel does not give are None.
"""

from __future__ import annotations

from pathlib import Path

# Version 1 writes "no limit" as the largest multiple of a page; nothing real comes near this.
NO_LIMIT_BYTES = 1 << 60


def read_memory(cgroup_root):
    """`{"used_bytes", "limit_bytes", "oom_kills"}` of the group below the folder `cgroup_root`.

    used_bytes leaves out file pages that the kernel can drop at once, as `docker stats` does: who has read a
    large file has not "used up" their memory. oom_kills counts the processes killed at the limit so far.
    """
    root = Path(cgroup_root)
    if (root / "memory.current").exists():  # version 2
        used, limit, events = root / "memory.current", root / "memory.max", root / "memory.events"
        statistics, droppable = root / "memory.stat", "inactive_file"
    else:
        root = root / "memory"
        used, limit = root / "memory.usage_in_bytes", root / "memory.limit_in_bytes"
        events, statistics, droppable = root / "memory.oom_control", root / "memory.stat", "total_inactive_file"
    used_bytes = _number(_text(used))
    limit_bytes = _number(_text(limit))
    if used_bytes is not None:
        used_bytes = max(0, used_bytes - (_field(statistics, droppable) or 0))
    if limit_bytes is not None and limit_bytes >= NO_LIMIT_BYTES:
        limit_bytes = None
    return {"used_bytes": used_bytes, "limit_bytes": limit_bytes, "oom_kills": _field(events, "oom_kill")}


def _field(path, name):
    """The number beside `name` in a file of lines such as `oom_kill 3`; None when it is not there."""
    for line in _text(path).splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return _number(value)
    return None


def _number(text):
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() else None  # "max" is no limit


def _text(path):
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
