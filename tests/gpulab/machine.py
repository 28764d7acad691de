"""A machine with GPUs that are not real, for a whole hub: an engine in namespaces of its own, kept by one process.

    python -m tests.gpulab.machine FOLDER PORT

runs until SIGTERM: dockerd with the hook's stand-in, its socket at the usual place of those namespaces, and PORT
of this machine's loopback brought to theirs. FOLDER/inside holds the process number to enter the namespaces by.
The engine's data stay for the next time. `deploy/up --gpulab N` starts it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from ..engine.relay import Relay
from .engine import GpuEngine
from .lab import GpuLab


def main(folder: Path, port: int) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.ExitStack() as stack:
        # last of all: whoever stops us waits for this file to go
        stack.callback((folder / "inside").unlink, missing_ok=True)
        engine = GpuEngine(folder / "engine", GpuLab(folder))
        stack.callback(engine.close, keep_data=True)
        enter = ["nsenter", f"--target={engine.namespace_pid}", "--mount", "--net", "--pid", "--"]
        engine.start()
        for command in (["ln", "-s", engine.socket, "/run/docker.sock"], ["mkdir", "/run/lock"]):
            subprocess.run([*enter, *command], check=True)
        stack.callback(Relay(engine.namespace_pid, "127.0.0.1", port, here=port).close)
        (folder / "keeper").write_text(str(os.getpid()))
        (folder / "inside").write_text(str(engine.namespace_pid))
        while True:
            signal.pause()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]))
