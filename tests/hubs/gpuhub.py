"""A whole hub on GPUs that are not real: RunningHub on the gpulab's engine, with the broker beside it.

hub = GpuHub(folder, gpu_engine, stub_image)
hub.start()                      # proxy, broker, Hub
hub.api.start("ada", options={"profile": "gpu"})
hub.inside("ada", "nvidia-smi", "-L")
"""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import Any

import requests

from jupyterhub_tf29.gpu.client import BrokerAtTerminal, BrokerUnavailable

from ..gpulab.engine import GpuEngine
from ..waiting import wait_until
from .running import RunningHub, _merged

QUICK: dict[str, Any] = {
    "managed": "auto",
    "sample_every": "1s",
    "free_within": "30s",
    "hold": "60s",
    "lease": {"default": "1h", "shortest": "10s", "protected": "0s"},
}
"""The GPU policy of the tests: as the default one, but it looks every second."""

PROFILES = Path(__file__).parent / "gpu_profiles.yaml"


class GpuHub(RunningHub):
    """See the module's text. `gpu` is laid over QUICK."""

    def __init__(
        self,
        folder: Path,
        engine: GpuEngine,
        image_id: str,
        *,
        gpu: dict[str, Any] | None = None,
        settings: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.lab = engine.lab
        self._client = engine.client()
        self._broker: subprocess.Popen[bytes] | None = None
        kwargs.setdefault("profiles", PROFILES.read_text(encoding="utf-8"))
        super().__init__(
            folder,
            self._client,
            image_id,
            private=engine,
            settings=_merged(settings or {}, {"gpu": _merged(QUICK, gpu or {})}),
            **kwargs,
        )
        self.broker = BrokerAtTerminal(self.paths.broker_socket)

    def start(self) -> None:
        """Start proxy, broker and Hub, and wait until they answer."""
        self.start_broker()
        super().start()

    def start_broker(self, timeout: float = 30) -> None:
        """Start the broker, and wait until it has seen the GPUs."""
        self._broker = self._run("broker", **self.lab.environment)
        wait_until(self._broker_answers, f"the broker answers; {self.paths.logs}/broker.log", timeout)

    def kill9_broker(self) -> None:
        """What an out-of-memory kill does; `start_broker()` starts it again."""
        assert self._broker is not None
        self._broker.kill()
        self._broker.wait(timeout=10)
        self._broker = None

    def close(self) -> None:
        """As RunningHub."""
        if self._broker is not None:
            self._broker.terminate()
            self._broker.wait(timeout=15)
            self._broker = None
        super().close()
        self._client.close()

    # -- what a test looks at ----------------------------------------------------------------------------------

    def inside(self, user: str, *command: str, server: str = "") -> str:
        """What a program in that server's container prints."""
        _, output = self.container(user, server).exec_run(list(command))
        return output.decode()

    def gpus_inside(self, user: str, server: str = "") -> list[str]:
        """UUIDs of the GPUs that NVML shows in that server's container."""
        listed = self.inside(user, "nvidia-smi", "-L", server=server)
        return [uuid for uuid in [*self.lab.uuids, *self.lab.slices] if uuid in listed]

    def claims(self, user: str | None = None) -> list[dict[str, Any]]:
        """What the broker says that servers hold."""
        return self.broker.get("/v1/claims", user=user)["claims"]

    def held(self, user: str, server: str = "") -> list[str]:
        """UUIDs that this server holds."""
        mine = [claim for claim in self.claims(user) if claim["server"] == server and claim["state"] != "draining"]
        return [device["uuid"] for claim in mine for device in claim["devices"]]

    def ticket(self, user: str, server: str = "") -> dict[str, Any] | None:
        """That server's place in the line."""
        found = [one for one in self.broker.get("/v1/tickets", user=user)["tickets"] if one["server"] == server]
        return found[0] if found else None

    def wait_free(self, free: int, timeout: float = 30) -> None:
        """Wait until so many GPUs can be had."""
        wait_until(lambda: self._free() == free, f"{free} GPUs are free; now: {self._states()}", timeout)

    def broker_log(self) -> str:
        return (self.paths.logs / "broker.log").read_text(encoding="utf-8", errors="replace")

    def culler_log(self) -> str:
        return (self.paths.logs / "culler.log").read_text(encoding="utf-8", errors="replace")

    def _free(self) -> int:
        return list(self._states().values()).count("free")

    def _states(self) -> dict[str, str]:
        return {one["uuid"]: one["state"] for one in self.broker.get("/v1/devices")["devices"]}

    def _broker_answers(self) -> bool:
        if self._broker is not None and self._broker.poll() is not None:
            raise RuntimeError(f"the broker ended with {self._broker.poll()}:\n{self.broker_log()[-3000:]}")
        with contextlib.suppress(BrokerUnavailable, requests.RequestException):
            return bool(self._states())
        return False
