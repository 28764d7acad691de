"""Compile the stand-in for the driver: `libnvidia-ml.so.1`, and an `nvidia-smi` on top of the same calls."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

DRIVER = Path(__file__).parent / "driver"
FLAGS = ("-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror")


def header_folder() -> Path:
    """Where NVIDIA's own nvml.h lies: in the package nvidia-nvml-dev-cu11. Raises RuntimeError without it."""
    named = os.environ.get("GPULAB_HEADERS")
    spec = importlib.util.find_spec("nvidia")
    places = (
        [Path(named)] if named else [Path(one) for one in (spec.submodule_search_locations or [])] if spec else []
    )
    for place in places:
        for header in place.rglob("nvml.h"):
            return header.parent
    raise RuntimeError("gpulab needs NVIDIA's nvml.h: pip install nvidia-nvml-dev-cu11")


def build(folder: Path, without: Sequence[str] = ()) -> Path:
    """Put both into `folder`; returns the library. `without`: symbols that an old driver does not have.

    What was built from the same sources stays. Raises RuntimeError with the compiler's own words.
    """
    folder.mkdir(parents=True, exist_ok=True)
    library, mark = folder / "libnvidia-ml.so.1", folder / "built-from"
    digest = _digest(without)
    if mark.exists() and mark.read_text() == digest:
        return library
    if not shutil.which("gcc"):
        raise RuntimeError("gpulab needs a C compiler: apt-get install gcc libc6-dev")
    exports = folder / "exports"
    hidden = "".join(f"{name};" for name in without)
    exports.write_text(f"{{ global: nvml*; local: {hidden} *; }};\n")
    headers = f"-I{header_folder()}"
    sources = [str(DRIVER / name) for name in ("nvml.c", "state.c")]
    shared = ("-shared", "-fPIC", f"-Wl,--version-script={exports}", "-Wl,-soname,libnvidia-ml.so.1")
    _compile(*FLAGS, *shared, headers, *sources, "-o", str(library))
    # static: it has to run in images with another C library, too
    _compile(*FLAGS, "-static", headers, *sources, str(DRIVER / "smi.c"), "-o", str(folder / "nvidia-smi"))
    mark.write_text(digest)
    return library


def _compile(*words: str) -> None:
    done = subprocess.run(["gcc", *words], capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(f"gpulab cannot be compiled:\n{done.stderr}")


def _digest(without: Sequence[str]) -> str:
    digest = hashlib.sha256(repr(sorted(without)).encode())
    for source in sorted(DRIVER.iterdir()):
        digest.update(source.read_bytes())
    return digest.hexdigest()
