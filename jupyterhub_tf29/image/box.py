"""A container of the image as the spawner would start one, for `tf29hub image verify`."""

from __future__ import annotations

import io
import secrets
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from typing import Any

from docker.errors import APIError, DockerException

from .engine import INSTALLATION_LABEL, ImageError

PREFIX = "/user/verify/"
_MEMORY_BYTES = 4 * 2**30
_PROCESSES = 4096
_SERVER_WAIT_S = 120
_ENVIRONMENT = {
    # What a hub gives a server; the hub is probes/hub.py, in the container.
    "JUPYTERHUB_API_URL": "http://127.0.0.1:8081/hub/api",
    "JUPYTERHUB_BASE_URL": "/",
    "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-verify",
    "JUPYTERHUB_HOST": "",
    "JUPYTERHUB_SERVICE_PREFIX": PREFIX,
    "JUPYTERHUB_SERVICE_URL": f"http://0.0.0.0:8888{PREFIX}",
    "JUPYTERHUB_USER": "verify",
}


class CheckFailed(Exception):
    """What was found instead of what should be."""


class Box:
    """A running container and its home volume."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def run(self, script: str, environment: dict[str, str] | None = None) -> str:
        """Run `script` in a login shell, as Lab's terminal is one; what it printed. Raises CheckFailed."""
        try:
            done = self._container.exec_run(["bash", "-lc", script], environment=environment or {}, demux=True)
        except APIError as error:
            if "is not running" not in str(error):
                raise
            raise CheckFailed(f"the container ended: {self.log()}") from error  # between two looks at it
        output, errors = ((part or b"").decode(errors="replace").strip() for part in done.output)
        if done.exit_code != 0:
            raise CheckFailed(_last_lines(errors or output) or f"exit code {done.exit_code}")
        return output

    def in_kernel(self, probe: str) -> str:
        """Run a probe in the server's default kernel; what it printed. Raises CheckFailed."""
        return self.run(f"/opt/jupyter/bin/python /tmp/verify/run_in_kernel.py /tmp/verify/{probe}")

    def wait_for_server(self) -> float:
        """Wait until the Jupyter server answers; seconds since now. Raises CheckFailed with its log."""
        started = time.monotonic()
        while time.monotonic() - started < _SERVER_WAIT_S:
            self._container.reload()
            if self._container.status != "running":
                raise CheckFailed(f"the container ended: {self.log()}")
            with suppress(CheckFailed):
                self.run(f"curl -sf --max-time 5 http://127.0.0.1:8888{PREFIX}api")
                return time.monotonic() - started
            time.sleep(0.1)
        raise CheckFailed(f"no answer within {_SERVER_WAIT_S} s: {self.log()}")

    def restart(self) -> None:
        """Stop the container and start it again, with the home it had."""
        self._container.restart(timeout=5)

    def log(self) -> str:
        """The end of what the server wrote."""
        return _last_lines(self._container.logs(tail=20).decode(errors="replace"))


@contextmanager
def opened(
    client: Any, image: Any, installation: str, home_options: dict[str, str] | None = None
) -> Iterator[Box]:
    """A box that is removed afterwards with its volume, whatever happened. Raises ImageError.

    `home_options`: of Docker's local volume driver, for the home.
    """
    name = f"{installation}-verify-{secrets.token_hex(4)}"
    labels = {INSTALLATION_LABEL: installation, "tf29hub.role": "verify"}
    volume = container = None
    try:
        volume = client.volumes.create(name, labels=labels, driver="local", driver_opts=home_options or {})
        container = client.containers.create(
            image.id,
            # The stand-in for the hub runs beside the server, under the same limits.
            ["sh", "-c", "python3.9 -I /tmp/verify/hub.py & exec start-server"],
            name=name,
            labels=labels,
            environment={**_ENVIRONMENT, "JUPYTERHUB_API_TOKEN": secrets.token_hex(16)},
            volumes={name: {"bind": "/home/jovyan", "mode": "rw"}},
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            mem_limit=_MEMORY_BYTES,
            memswap_limit=_MEMORY_BYTES,
            pids_limit=_PROCESSES,
        )
        container.put_archive("/tmp", _probes())  # noqa: S108 - the container's own
        container.start()
        yield Box(container)
    except DockerException as error:
        raise ImageError(f"a container of the image could not be used: {error}") from error
    finally:
        for made in (container, volume):
            if made is not None:
                with suppress(DockerException):
                    made.remove(force=True)


def _probes() -> bytes:
    """The probes as a tar file with the folder `verify`, owned by the image's user."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        folder = tarfile.TarInfo("verify")
        folder.type, folder.mode, folder.uid, folder.gid = tarfile.DIRTYPE, 0o755, 1000, 1000
        tar.addfile(folder)
        for probe in resources.files(f"{__package__}.probes").iterdir():
            if probe.name.endswith(".py"):
                text = probe.read_bytes()
                entry = tarfile.TarInfo(f"verify/{probe.name}")
                entry.size, entry.uid, entry.gid = len(text), 1000, 1000
                tar.addfile(entry, io.BytesIO(text))
    return data.getvalue()


def _last_lines(text: str, count: int = 4) -> str:
    return " | ".join(line.strip() for line in text.strip().splitlines()[-count:])
