"""Which driver there must be, and what an admin reads where there is none. Pure."""

from __future__ import annotations

FLOOR = "450.80.02"
"""CUDA 11.2, which TensorFlow 2.9 was built for, runs on no older driver (minor-version compatibility)."""

NO_DRIVER = "no NVIDIA driver on this machine: workspaces run on the CPU"
SILENT = "the NVIDIA driver does not answer: the kernel's log (dmesg) may say why; a reboot is the usual cure"

UNINITIALISED, NO_PERMISSION, NOT_LOADED, LIBRARY_NOT_FOUND, MISMATCH = 1, 4, 9, 12, 18
"""NVML's return codes of a start that failed."""


def version_key(version: str) -> tuple[int, ...]:
    """`535.104.05` → (535, 104, 5), so that versions compare as numbers."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def too_old(version: str) -> str | None:
    """Why this driver cannot run TensorFlow 2.9, or None."""
    if version_key(version) >= version_key(FLOOR):
        return None
    return f"NVIDIA driver {version} is older than {FLOOR}, the oldest that runs CUDA 11.2: update the driver"


def start_problem(code: int, text: str) -> str:
    """Why NVML did not start, in an admin's words. `code` is NVML's, `text` its own word for it."""
    if code in (LIBRARY_NOT_FOUND, NOT_LOADED):
        return NO_DRIVER
    if code == MISMATCH:
        return "the NVIDIA driver was updated while the old one is still loaded: reboot the machine"
    if code == NO_PERMISSION:
        return "this account may not talk to the NVIDIA driver: look at the modes of /dev/nvidia*"
    return f"NVML does not start: {text} ({code})"


def cuda_version(number: int) -> str:
    """NVML's 12020 → `12.2`."""
    return f"{number // 1000}.{number % 1000 // 10}"
