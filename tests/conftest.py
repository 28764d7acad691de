"""Fixtures for every test: the machine's engine, names of our own, images, whole hubs.

Whatever a test makes on the engine carries the label `tf29hub.name=<made>`; what carries it is removed at
the end, and nothing else is touched.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import docker.errors
import pytest

from tests.ours import find_free_port, new_name, remove_all
from tests.second_try import SECOND_TRY, FirstFailures
from tests.stub.image import ensure_stub_image

if TYPE_CHECKING:
    from jupyterhub_tf29.image.pin import Pin
    from tests.gpulab.engine import GpuEngine
    from tests.gpulab.lab import GpuLab
    from tests.hubs.running import RunningHub


COSTS = ("docker", "hub", "image", "browser")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order by the dearest marker of each test; within one price as pytest has them, file by file.

    Alone, cheap tests come first: what is broken is told early. Of several workers none must be left with a long
    file when the others have nothing more to do, so there the dear ones come first.
    """
    items.sort(key=_price, reverse=not _has_the_terminal(config))
    for item in items:
        if _price(item):
            item.add_marker(SECOND_TRY)


def pytest_configure(config: pytest.Config) -> None:
    """Failures that are tried again are told, by the process that has the terminal."""
    if _has_the_terminal(config):
        config.pluginmanager.register(FirstFailures(config))


def _has_the_terminal(config: pytest.Config) -> bool:
    return not hasattr(config, "workerinput")


def _price(item: pytest.Item) -> int:
    return max((COSTS.index(mark.name) + 1 for mark in _priced(item)), default=0)


def _priced(item: pytest.Item) -> list[pytest.Mark]:
    return [mark for mark in item.iter_markers() if mark.name in COSTS]


@pytest.fixture(autouse=True)
def no_trail_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """The audit trail is one for a process: what a test opens must not get the events of those after it."""
    monkeypatch.setattr("jupyterhub_tf29.audit.trail._trail", None)


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """The machine's own Docker Engine. Where none answers the test fails; `tests/run` starts one."""
    client = docker.from_env(timeout=120)
    client.ping()
    yield client
    client.close()


@pytest.fixture(scope="session")
def made(engine: docker.DockerClient) -> Iterator[str]:
    """A name that is ours alone: for `name` of hub.yaml, prefixes, and the label `tf29hub.name`.

    Containers, networks and volumes with that label go at the end.
    """
    name = new_name()
    yield name
    remove_all(engine, name)


@pytest.fixture
def free_port() -> Callable[[], int]:
    """`free_port()` is a TCP port of 127.0.0.1 that nobody has now."""
    return find_free_port


@pytest.fixture(scope="session")
def stub_image(engine: docker.DockerClient) -> str:
    """The id of a tiny image that the hub takes for the notebook image; its knobs: tests/stub/server.py."""
    return ensure_stub_image(engine)


@pytest.fixture(scope="session")
def notebook_image() -> Pin:
    """The notebook image that `tests/run` built or found."""
    folder = os.environ.get("TF29HUB_TEST_IMAGE_STATE")
    if not folder:
        raise RuntimeError("which notebook image? Run tests/run, or name its state in TF29HUB_TEST_IMAGE_STATE")
    from jupyterhub_tf29.image.pin import read_pin

    return read_pin(Path(folder) / "image.json")


HubMaker = Callable[..., "RunningHub"]


@pytest.fixture
def make_hub(engine: docker.DockerClient, stub_image: str, tmp_path: Path) -> Iterator[HubMaker]:
    """`make_hub(settings=…, profiles=…, extra=…, …)`: a hub of your own, started, on the stub image.

    Its arguments are RunningHub's; `start=False` leaves the starting to you. It takes about six seconds: use
    `stub_hub` where any hub will do.
    """
    from tests.hubs.running import RunningHub

    with contextlib.ExitStack() as stack:

        def make(*, image_id: str | None = None, start: bool = True, **kwargs: object) -> RunningHub:
            kwargs.setdefault("engine", engine)
            folder = tmp_path / f"hub{len(list(tmp_path.glob('hub*')))}"
            hub = RunningHub(folder, image_id=image_id or stub_image, **kwargs)  # type: ignore[arg-type]
            stack.callback(hub.close)
            if start:
                hub.start()
            return hub

        yield make


@pytest.fixture(scope="session")
def stub_hub(
    engine: docker.DockerClient, stub_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHub]:
    """One hub on the stub image for all tests that only need users of their own in it."""
    from tests.hubs.running import RunningHub

    with contextlib.closing(RunningHub(tmp_path_factory.mktemp("hub") / "stub", engine, stub_image)) as hub:
        hub.start()
        yield hub


@pytest.fixture(scope="session")
def notebook_hub(
    engine: docker.DockerClient, notebook_image: Pin, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHub]:
    """One hub on the real notebook image, with the menu and the limits that an admin gets."""
    from tests.hubs.running import RunningHub

    profiles = Path(__file__).parent.parent / "config" / "profiles.yaml"
    with contextlib.closing(
        RunningHub(
            tmp_path_factory.mktemp("hub") / "notebook",
            engine,
            notebook_image.image_id,
            profiles=profiles.read_text(encoding="utf-8"),
            settings={
                "limits": {
                    "memory": "4G",
                    "memory_guarantee": "512M",
                    "cpus": 2,
                    "processes": 4096,
                    "shared_memory": "1G",
                },
                "start": {"timeout": 120, "queue_timeout": 300},
            },
        )
    ) as hub:
        hub.start()
        yield hub


@pytest.fixture
def gpu_lab(tmp_path: Path) -> GpuLab:
    """Four idle GPUs that are not real, for programs run with `gpu_lab.environment` (tests/gpulab/lab.py)."""
    from tests.gpulab.lab import GpuLab

    lab = GpuLab(tmp_path / "gpulab")
    lab.start(gpus=4)
    return lab


@pytest.fixture(scope="module")
def gpu_engine(
    engine: docker.DockerClient, stub_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GpuEngine]:
    """A private engine with the stub image that gives containers the GPUs of `gpu_engine.lab`, one for a module.

    `gpu_engine.lab.start(gpus=4)` at the start of a test forgets what another did.
    """
    from tests.gpulab.engine import GpuEngine
    from tests.gpulab.lab import GpuLab

    folder = tmp_path_factory.mktemp("gpus")
    lab = GpuLab(folder / "gpulab")
    lab.start(gpus=4)
    with contextlib.closing(GpuEngine(folder / "engine", lab)) as private:
        private.start()
        private.copy_image(engine, stub_image)
        yield private
