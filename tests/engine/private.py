"""A Docker Engine of our own, in namespaces of its own, that a test may kill.

The machine's engine is left alone: the private one has its own mount table (its own /run, so no shared pid
file, no shared containerd), its own network (a second dockerd in the same one would delete the first one's
docker0), and its own process tree, which dies with the test run. Only its socket and its data lie in a
folder that both sides see.

A hub that uses it runs in its network (`enter`), where containers' addresses are; `Relay` brings a port of
that network to this machine's loopback.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import docker
import docker.errors
import requests

from ..waiting import wait_until

_NAMESPACE_INIT = """
import os, signal, subprocess
for command in (["mount", "-t", "tmpfs", "tmpfs", "/run"], ["ip", "link", "set", "lo", "up"]):
    subprocess.run(command, check=True)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # as process 1 it inherits orphans: the kernel reaps them
print("ready", flush=True)
while True:
    signal.pause()
"""


class PrivateEngine:
    """`start()`, `kill9()`, `stop()`, `restart()`, and `close()` at the end, which leaves nothing."""

    def __init__(self, folder: Path, *, live_restore: bool, path: Sequence[Path] = ()) -> None:
        """`path`: folders before those of dockerd's own PATH, such as one with a hook."""
        self.folder = folder
        self._path = [*map(str, path), os.environ["PATH"]]
        self.socket = folder / "docker.sock"
        self.log = folder / "dockerd.log"
        self._cgroup = f"tf29engine-{secrets.token_hex(3)}"
        self._daemon: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        configuration = {
            "live-restore": live_restore,
            "data-root": str(folder / "data"),
            "exec-root": "/run/docker",
            "pidfile": "/run/docker.pid",
            "hosts": [f"unix://{self.socket}"],
            "cgroup-parent": f"/{self._cgroup}",
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
        }
        (folder / "daemon.json").write_text(json.dumps(configuration))
        self._namespaces = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL"),  # a killed test run leaves nothing behind
                *("unshare", "-m", "-n", "-p", "-f", "--mount-proc", "--kill-child=KILL"),
                *(sys.executable, "-c", _NAMESPACE_INIT),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._namespaces.stdout is not None
        if self._namespaces.stdout.readline().strip() != "ready":
            raise RuntimeError("namespaces of its own cannot be made here: the tests of dockerd's death need root")
        children = Path(f"/proc/{self._namespaces.pid}/task/{self._namespaces.pid}/children").read_text()
        self.namespace_pid = int(children.split()[0])

    @property
    def url(self) -> str:
        """For `DOCKER_HOST`."""
        return f"unix://{self.socket}"

    @property
    def enter(self) -> list[str]:
        """Words before a command that run it in the engine's network, and otherwise on this machine."""
        return ["nsenter", f"--target={self.namespace_pid}", "--net", "--"]

    def client(self, timeout: float = 60) -> docker.DockerClient:
        return docker.DockerClient(base_url=self.url, timeout=timeout)

    def start(self, timeout: float = 60) -> None:
        """Start dockerd and wait until it answers. Raises with the end of its log when it does not."""
        # A killed dockerd leaves its pid file; the next one believes it as soon as that number is in use
        # again.
        self._inside("rm", "-f", "/run/docker.pid")
        with self.log.open("ab") as log:
            self._daemon = subprocess.Popen(
                [*self._enter_all, "dockerd", "--config-file", str(self.folder / "daemon.json")],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "PATH": ":".join(self._path)},
            )
        try:
            wait_until(self._comes_up, "the private dockerd answers", timeout)
        except AssertionError:
            raise RuntimeError(f"the private dockerd did not start:\n{self.log.read_text()[-3000:]}") from None

    def _comes_up(self) -> bool:
        if self._daemon is not None and self._daemon.poll() is not None:
            raise RuntimeError(f"dockerd ended with {self._daemon.poll()}:\n{self.log.read_text()[-3000:]}")
        return self.answers_now()

    def answers_now(self) -> bool:
        try:
            with contextlib.closing(self.client(timeout=5)) as client:
                return bool(client.ping())
        except (docker.errors.DockerException, requests.RequestException, OSError):
            return False

    def kill9(self) -> None:
        """What an out-of-memory kill or a crash does to dockerd."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """What `systemctl stop docker` does; without live-restore it stops every container."""
        self._signal(signal.SIGTERM)

    def restart(self) -> None:
        self.stop()
        self.start()

    def copy_image(self, source: docker.DockerClient, image_id: str) -> None:
        """Bring an image here from another engine; its id stays the same."""
        with contextlib.closing(self.client(timeout=300)) as client:
            client.images.load(b"".join(source.images.get(image_id).save(named=False)))

    def close(self, *, keep_data: bool = False) -> None:
        """End everything: the processes with their namespaces, the cgroups, and the data unless they are kept."""
        with contextlib.suppress(RuntimeError):
            if self._daemon is not None and self._daemon.poll() is None:
                self._remove_containers()
                if keep_data:
                    self.stop()
        self._namespaces.kill()
        self._namespaces.wait(timeout=30)
        if self._daemon is not None:
            self._daemon.wait(timeout=30)
        wait_until(self._remove_cgroups, "the private engine's cgroups are gone", 20)
        if not keep_data:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _enter_all(self) -> list[str]:
        return ["nsenter", f"--target={self.namespace_pid}", "--mount", "--net", "--pid", "--"]

    def _inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self._enter_all, *command], check=True, capture_output=True, text=True, timeout=60)

    def _signal(self, number: signal.Signals) -> None:
        if self._daemon is None:
            raise RuntimeError("the private dockerd was not started")
        pid = self._inside("cat", "/run/docker.pid").stdout.strip()
        self._inside("kill", f"-{int(number)}", pid)
        self._daemon.wait(timeout=60)

    def _remove_containers(self) -> None:
        try:
            with contextlib.closing(self.client()) as client:
                for container in client.containers.list(all=True, ignore_removed=True):
                    container.remove(force=True)
        except (docker.errors.DockerException, requests.RequestException) as error:
            print(f"the private engine's containers die with its namespaces ({error})")

    def _remove_cgroups(self) -> bool:
        left = [path for top in Path("/sys/fs/cgroup").glob(f"*/{self._cgroup}") for path in top.rglob("*")]
        folders = sorted((path for path in left if path.is_dir()), key=lambda path: -len(path.parts))
        tops = list(Path("/sys/fs/cgroup").glob(f"*/{self._cgroup}")) + list(
            Path("/sys/fs/cgroup").glob(self._cgroup)
        )
        for folder in [*folders, *tops]:
            with contextlib.suppress(OSError):  # a dying process keeps it a moment longer
                folder.rmdir()
        return not any(top.exists() for top in tops)
