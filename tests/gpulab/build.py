"""Compile the stand-in for the driver: `libnvidia-ml.so.1`, and an `nvidia-smi` on top of the same calls."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
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

    Compiled once for the same sources, in the user's cache. Raises RuntimeError with the compiler's own words.
    """
    digest = _digest(without)
    library, mark = folder / "libnvidia-ml.so.1", folder / "built-from"
    if mark.exists() and mark.read_text() == digest:
        return library
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tf29hub" / "gpulab"
    built = cache / digest
    if not built.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as temporary:
            fresh = Path(temporary) / "lib"
            _build(fresh, without)
            (fresh / mark.name).write_text(digest)
            with contextlib.suppress(OSError):  # somebody else's was finished first
                fresh.rename(built)
    folder.mkdir(parents=True, exist_ok=True)
    for file in (built / library.name, built / "nvidia-smi", built / mark.name):
        # by rename: programs that run have the old one in their memory
        fresh = Path(shutil.copy2(file, folder / f"{file.name}.new"))
        fresh.rename(folder / file.name)
    return library


def _build(folder: Path, without: Sequence[str]) -> None:
    if not shutil.which("gcc"):
        raise RuntimeError("gpulab needs a C compiler: apt-get install gcc libc6-dev")
    folder.mkdir()
    library, exports = folder / "libnvidia-ml.so.1", folder / "exports"
    hidden = "".join(f"{name};" for name in without)
    exports.write_text(f"{{ global: nvml*; local: {hidden} *; }};\n")
    headers = f"-I{header_folder()}"
    sources = [str(DRIVER / name) for name in ("nvml.c", "state.c")]
    shared = ("-shared", "-fPIC", f"-Wl,--version-script={exports}", "-Wl,-soname,libnvidia-ml.so.1")
    _compile(*FLAGS, *shared, headers, *sources, "-o", str(library))
    # static: it has to run in images with another C library, too
    _compile(*FLAGS, "-static", headers, *sources, str(DRIVER / "smi.c"), "-o", str(folder / "nvidia-smi"))


def _compile(*words: str) -> None:
    done = subprocess.run(["gcc", *words], capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(f"gpulab cannot be compiled:\n{done.stderr}")


def _digest(without: Sequence[str]) -> str:
    digest = hashlib.sha256(repr(sorted(without)).encode())
    for source in sorted(DRIVER.iterdir()):
        digest.update(source.read_bytes())
    return digest.hexdigest()
