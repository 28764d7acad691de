"""The stand-in for NVIDIA's container hook on a real engine: each container sees its own GPUs, and no other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import docker
import docker.errors
import pytest

from jupyterhub_tf29.gpu import findings, presence
from jupyterhub_tf29.gpu.devices import Device, Inventory
from jupyterhub_tf29.gpu.presence import Look
from tests.gpulab.engine import GpuEngine, lose_devices, remove_nodes
from tests.gpulab.lab import host_pids

pytestmark = pytest.mark.docker


@pytest.fixture
def lab_client(gpu_engine: GpuEngine) -> Iterator[docker.DockerClient]:
    gpu_engine.lab.start(gpus=4)
    with contextlib.closing(gpu_engine.client()) as client:
        yield client
        for container in client.containers.list(all=True):
            container.remove(force=True)


@pytest.fixture
def run_with(lab_client, stub_image):
    """`run_with(*uuids)`: a sleeping container that asked for these devices as our spawner does."""

    def run(*uuids: str, **environment: str):
        request = {
            "Driver": "",
            "Count": 0,
            "DeviceIDs": list(uuids),
            "Capabilities": [["gpu", "compute", "utility"]],
            "Options": {},
        }
        api = lab_client.api
        host = api.create_host_config(init=True)
        if uuids:
            host["DeviceRequests"] = [request]
        made = api.create_container(
            stub_image,
            ["python3", "-c", "import time; time.sleep(300)"],
            environment=environment,
            host_config=host,
            user="1000",
        )
        container = lab_client.containers.get(made["Id"])
        container.start()
        return container

    return run


def devices_inside(container) -> list[str]:
    return inside(container, "python3", "-c", "import os; print(*sorted(os.listdir('/dev')))").split()


def inside(container, *command: str) -> str:
    code, output = container.exec_run(list(command))
    return f"{output.decode()}{'' if code == 0 else f' exit {code}'}"


def test_two_containers_see_different_gpus_and_only_their_own(gpu_engine, run_with):
    first, second, *_ = gpu_engine.lab.uuids
    one, other = run_with(first), run_with(second)
    for container, mine, minor in ((one, first, 0), (other, second, 1)):
        listed = inside(container, "nvidia-smi", "-L")
        assert listed.count("GPU ") == 1, listed
        assert mine in listed
        nodes = [name for name in devices_inside(container) if name.startswith("nvidia") and name[6:].isdigit()]
        assert nodes == [f"nvidia{minor}"]


def test_a_container_without_a_request_has_neither_nodes_nor_nvml(run_with):
    bare, void = run_with(), run_with(NVIDIA_VISIBLE_DEVICES="void")
    for container in (bare, void):
        assert not [name for name in devices_inside(container) if "nvidia" in name]
        assert "not found" in inside(container, "nvidia-smi", "-L")


def test_an_unknown_gpu_is_refused_at_the_start(run_with):
    with pytest.raises(docker.errors.APIError, match="unknown device"):
        run_with("GPU-00000000-0000-0000-0000-000000000000")


def test_a_mig_slice_comes_without_its_siblings(gpu_engine, run_with):
    mine, other = gpu_engine.lab.cut(1, ["3g.20gb", "3g.20gb"])
    listed = inside(run_with(mine), "nvidia-smi", "-L")
    assert mine in listed
    assert other not in listed


def test_a_process_holds_its_gpu_until_its_container_dies(gpu_engine, run_with):
    lab = gpu_engine.lab
    container = run_with(lab.uuids[0])
    pid = lab.train(container.id, 0, mib=9000)
    assert pid in host_pids(container.id)
    assert "9600 /  40960 MiB   95 %" in inside(container, "nvidia-smi")
    assert "9600 /  40960 MiB   95 %" in lab.nvidia_smi()
    container.kill()
    container.wait()
    assert "9600 /" not in lab.nvidia_smi()


@pytest.mark.parametrize(
    ("lose", "said"),
    [
        pytest.param(lose_devices, "Unknown Error", id="as a daemon-reload does"),
        pytest.param(remove_nodes, "Driver Not Loaded", id="its nodes removed"),
    ],
)
def test_a_running_container_loses_its_devices(gpu_engine, run_with, lose, said):
    container = run_with(gpu_engine.lab.uuids[0])
    lose(container.id)
    assert f"Failed to initialize NVML: {said}" in inside(container, "nvidia-smi")


def test_a_restarted_container_has_its_devices_again(gpu_engine, run_with):
    container = run_with(gpu_engine.lab.uuids[0])
    lose_devices(container.id)
    container.restart(timeout=0)
    assert gpu_engine.lab.uuids[0] in inside(container, "nvidia-smi", "-L")


def test_doctor_tries_it_in_containers(gpu_engine, lab_client, stub_image, monkeypatch):
    for key, value in gpu_engine.lab.environment.items():
        monkeypatch.setenv(key, value)
    found = list(findings.trial_findings(lab_client, "doctor", stub_image, findings.look(), "auto"))
    assert [str(finding)[:7].strip() for finding in found] == ["ok", "ok"], found
    assert lab_client.containers.list(all=True) == []
    stranger = Inventory(devices=(Device("GPU-stranger", "NVIDIA", 1000, 700, "00000000:01:00.0", 9),))
    (refused,) = findings.trial_findings(lab_client, "doctor", stub_image, stranger, "auto")
    assert refused.level == "failed"
    assert "unknown device" in refused.text
    assert lab_client.containers.list(all=True) == []


def test_devices_that_a_running_container_lost_are_seen_from_outside(gpu_engine, run_with):
    lab = gpu_engine.lab
    well, reloaded, bare = (run_with(lab.uuids[number]) for number in range(3))
    minors = {container.id: [lab.minor(number)] for number, container in enumerate((well, reloaded, bare))}
    lose_devices(reloaded.id)
    remove_nodes(bare.id)
    looks = presence.look(minors)
    assert looks[bare.id] is Look.LOST
    # cgroup v2 shows nobody its rules: there, somebody inside has to say
    for container, expected in ((well, Look.THERE), (reloaded, Look.LOST)):
        code, output = container.exec_run(presence.EXEC_COMMAND)
        assert presence.judge_exec(code, output.decode(), devices=1) is expected
        assert looks[container.id] in (expected, Look.UNKNOWN)
    if Path("/sys/fs/cgroup/devices").is_dir():
        assert looks == {well.id: Look.THERE, reloaded.id: Look.LOST, bare.id: Look.LOST}
