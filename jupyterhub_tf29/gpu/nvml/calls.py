"""NVML's calls with their versions, gaps and units evened out. Only the worker imports this: any call may hang.

A driver that lacks a function, or a device that has no such figure, gives None; every other error is raised as
`pynvml.NVMLError`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import pynvml

from ..devices import MIB

_ABSENT = {pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_FUNCTION_NOT_FOUND}
_NO_VALUE = 2**64 - 1


def or_none(call: Callable[..., Any], *arguments: Any) -> Any:
    """The call's answer, or None where this driver or device has none."""
    try:
        return call(*arguments)
    except pynvml.NVMLLibraryMismatchError:  # not an NVMLError: the bindings are newer than the driver
        return None
    except pynvml.NVMLError as error:
        if error.value in _ABSENT:
            return None
        raise


def memory_mib(handle: Any) -> tuple[int, int, int]:
    """(total, reserved by the driver, used by programs), used rounded up. Drivers before R510 say no reserved."""
    memory = or_none(pynvml.nvmlDeviceGetMemoryInfo, handle, pynvml.nvmlMemory_v2)
    if memory is None:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        reserved = 0
    else:
        reserved = memory.reserved
    # `used` has counted the reserved part in and out over the years; the difference has always meant the same
    used = max(0, memory.total - memory.free - reserved)
    return memory.total // MIB, -(-reserved // MIB), -(-used // MIB)


def processes(handle: Any) -> dict[int, int | None]:
    """pid → MiB (None where the driver does not say), of programs that compute and of those that draw."""
    found: dict[int, int | None] = {}
    for kind in ("Compute", "Graphics"):
        for pid, used in _rows(kind, handle):
            mib = None if used is None or used == _NO_VALUE else -(-used // MIB)
            # one process may be listed by both, with the same memory
            found[pid] = mib if found.get(pid) is None else max(found[pid] or 0, mib or 0)
    return found


def _rows(kind: str, handle: Any) -> list[tuple[int, int | None]]:
    """v3 needs driver 510.39, v2 455; before that there was one without a number, with shorter rows."""
    for version in ("_v3", "_v2"):
        call = getattr(pynvml, f"nvmlDeviceGet{kind}RunningProcesses{version}")
        try:
            return [(row.pid, row.usedGpuMemory) for row in call(handle)]
        except pynvml.NVMLLibraryMismatchError:
            continue
        except pynvml.NVMLError as error:
            if error.value == pynvml.NVML_ERROR_NOT_SUPPORTED:
                return []
            if error.value != pynvml.NVML_ERROR_FUNCTION_NOT_FOUND:
                raise
    return _rows_v1(f"nvmlDeviceGet{kind}RunningProcesses", handle)


class _RowV1(ctypes.Structure):
    """`nvmlProcessInfo_v1_t` of nvml.h; the bindings have no name for it any more."""

    _fields_ = (("pid", ctypes.c_uint), ("usedGpuMemory", ctypes.c_ulonglong))


def _rows_v1(name: str, handle: Any) -> list[tuple[int, int | None]]:
    function = getattr(pynvml.nvmlLib, name, None)
    if function is None:
        return []
    count, code, rows = ctypes.c_uint(32), pynvml.NVML_ERROR_INSUFFICIENT_SIZE, None
    for _ in range(5):  # the list may grow between two calls
        rows = (_RowV1 * count.value)()
        code = function(handle, ctypes.byref(count), rows)
        if code != pynvml.NVML_ERROR_INSUFFICIENT_SIZE:
            break
        count.value = count.value * 2 + 5
    if code == pynvml.NVML_ERROR_NOT_SUPPORTED:
        return []
    if code != pynvml.NVML_SUCCESS or rows is None:
        raise pynvml.NVMLError(code)
    return [(row.pid, row.usedGpuMemory) for row in rows[: count.value]]
