"""What the engine is asked for, by what the engine says of itself; and whether a container still has its
devices."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jupyterhub_tf29.gpu.inject import CannotInject, chosen, discovered, engine_version, injection, without_gpu
from jupyterhub_tf29.gpu.presence import Look, judge_exec, look

CDI_DIRS = ["/etc/cdi", "/var/run/cdi"]


def engine(version: str, *found: str, cdi: bool = False) -> dict:
    devices = [{"Source": "cdi", "ID": f"nvidia.com/gpu={name}"} for name in found]
    folders = CDI_DIRS if cdi else None
    return {"ServerVersion": version, "CDISpecDirs": folders, "DiscoveredDevices": devices or None}


@pytest.mark.parametrize(
    ("info", "way", "driver"),
    [
        pytest.param(engine("19.03.15"), "hook", "nvidia", id="the oldest with GPUs"),
        pytest.param(engine("20.10.24+dfsg1"), "hook", "nvidia", id="Debian 12's"),
        pytest.param(engine("26.1.5", cdi=True), "hook", "nvidia", id="CDI on, but it does not say what it knows"),
        pytest.param(engine("28.2.2", "GPU-1", "GPU-2", cdi=True), "cdi", "cdi", id="it knows both by CDI"),
        pytest.param(
            engine("28.2.2", "0", "1", "all", cdi=True), "hook", "nvidia", id="it knows them by index only"
        ),
        pytest.param(engine("28.2.2", "GPU-1", cdi=True), "hook", "nvidia", id="it knows one of two"),
        pytest.param(
            engine("29.2.0", cdi=True), "hook", "nvidia.runtime-hook", id="which would prefer CDI itself"
        ),
        pytest.param(engine("29.2.0", "GPU-1", "GPU-2", cdi=True), "cdi", "cdi", id="29.2 with CDI by UUID"),
    ],
)
def test_the_way_follows_from_what_the_engine_says(info, way, driver):
    assert chosen(info, ["GPU-1", "GPU-2"]) == way
    (request,) = injection(info, ["GPU-1", "GPU-2"]).device_requests
    assert request["Driver"] == driver


def test_the_hook_is_asked_by_uuid_and_the_environment_says_the_same():
    asked = injection(engine("20.10.24"), ["GPU-2", "GPU-1"])
    assert asked.device_requests == (
        {
            "Driver": "nvidia",
            "Count": 0,
            "DeviceIDs": ["GPU-2", "GPU-1"],
            "Capabilities": [["gpu", "compute", "utility"]],
            "Options": {},
        },
    )
    assert asked.environment == {"NVIDIA_VISIBLE_DEVICES": "GPU-2,GPU-1"}


def test_cdi_is_asked_by_qualified_name_and_the_hook_for_nothing():
    asked = injection(engine("28.3.0", "MIG-1", cdi=True), ["MIG-1"])
    assert asked.device_requests[0]["DeviceIDs"] == ["nvidia.com/gpu=MIG-1"]
    assert asked.device_requests[0]["Capabilities"] == []
    assert asked.environment == {"NVIDIA_VISIBLE_DEVICES": "void"}


@pytest.mark.parametrize("asked", [without_gpu(), injection(engine("20.10.24"), [])])
def test_without_a_claim_nothing_leaks(asked):
    assert asked.device_requests == ()
    assert asked.environment == {"NVIDIA_VISIBLE_DEVICES": "void"}


def test_a_share_tells_every_program_how_much():
    environment = injection(engine("20.10.24"), ["GPU-1"], share_mib=8192, memory_mib=40960).environment
    assert environment["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert environment["TF29HUB_GPU_SHARE_MIB"] == "8192"
    assert environment["TF29HUB_GPU_MEMORY_MIB"] == "40960"
    assert environment["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] == "0=8192M"
    with pytest.raises(ValueError, match="of one device"):
        injection(engine("20.10.24"), ["GPU-1", "GPU-2"], share_mib=8192)


@pytest.mark.parametrize(
    ("info", "how", "said"),
    [
        pytest.param(engine("18.9.1"), "auto", "19.03 is the oldest", id="before GPUs"),
        pytest.param(engine("20.10.24"), "cdi", "which came with 25.0", id="before CDI"),
        pytest.param(engine("26.1.5"), "cdi", "daemon.json", id="CDI switched off"),
        pytest.param({"ServerVersion": "dev"}, "hook", "19.03", id="no version"),
    ],
)
def test_what_an_engine_cannot_do_is_said_with_what_to_do(info, how, said):
    with pytest.raises(CannotInject, match=said):
        injection(info, ["GPU-1"], how=how)


def test_an_admins_choice_wins():
    assert chosen(engine("28.2.2", "GPU-1", cdi=True), ["GPU-1"], "hook") == "hook"
    assert chosen(engine("26.1.5", cdi=True), ["GPU-1"], "cdi") == "cdi"


def test_reading_info():
    info = engine("28.2.2", "GPU-1", cdi=True)
    info["DiscoveredDevices"].append({"Source": "cdi", "ID": "vendor.com/fpga=0"})
    assert discovered(info) == {"GPU-1"}
    assert [engine_version({"ServerVersion": one}) for one in ("19.03.15", "29.2.0-rc.1", "")] == [
        (19, 3),
        (29, 2),
        (0, 0),
    ]


# -- devices that were lost
# ----------------------------------------------------------------------------------------

ID = "ab" * 32
ALLOWED = "c 1:3 rwm\nc 195:0 rw\nc 195:255 rw\n"


@pytest.fixture
def running(tmp_path):
    """`running(rules, nodes)`: a container's process as /proc and the cgroups show it; rules None is cgroup v2."""

    def make(rules: str | None, nodes: list[str] | None):
        process = tmp_path / "proc" / "77"
        process.mkdir(parents=True)
        v1 = "" if rules is None else f"5:devices:/docker/{ID}\n"
        (process / "cgroup").write_text(f"{v1}0::/docker/{ID}\n")
        if rules is not None:
            folder = tmp_path / "cgroup" / "devices" / "docker" / ID
            folder.mkdir(parents=True)
            (folder / "devices.list").write_text(rules)
        if nodes is not None:
            (process / "root" / "dev").mkdir(parents=True)
            for node in nodes:
                (process / "root" / "dev" / node).touch()
        return look({ID: [0]}, proc=tmp_path / "proc", cgroups=tmp_path / "cgroup")[ID]

    return make


@pytest.mark.parametrize(
    ("rules", "nodes", "seen"),
    [
        pytest.param(ALLOWED, ["nvidia0", "nvidiactl"], Look.THERE, id="all there"),
        pytest.param("a *:* rwm\n", ["nvidia0", "nvidiactl"], Look.THERE, id="everything is allowed"),
        pytest.param("c 1:3 rwm\n", ["nvidia0", "nvidiactl"], Look.LOST, id="after a daemon-reload"),
        pytest.param(
            "c *:* m\nc 195:1 rw\nc 195:255 rw\n", ["nvidia0", "nvidiactl"], Look.LOST, id="another's only"
        ),
        pytest.param(ALLOWED, ["nvidiactl"], Look.LOST, id="the node is gone"),
        pytest.param(ALLOWED, None, Look.UNKNOWN, id="an account that may not look inside"),
        pytest.param("c 1:3 rwm\n", None, Look.LOST, id="which sees the rules all the same"),
        pytest.param(None, ["nvidia0", "nvidiactl"], Look.UNKNOWN, id="cgroup v2 shows no rules"),
        pytest.param(None, ["nvidiactl"], Look.LOST, id="but the nodes"),
    ],
)
def test_what_is_seen_from_outside(running, rules, nodes, seen):
    assert running(rules, nodes) is seen


def test_a_container_without_a_process_is_unknown(tmp_path):
    (tmp_path / "proc").mkdir()
    assert look({ID: [0]}, proc=tmp_path / "proc", cgroups=tmp_path) == {ID: Look.UNKNOWN}


@pytest.mark.parametrize(
    ("code", "output", "seen"),
    [
        (0, "GPU 0: NVIDIA A100 (UUID: GPU-1)\n", Look.THERE),
        (0, "GPU 0: NVIDIA A100 (UUID: GPU-1)\n  MIG 1g.5gb Device 0: (UUID: MIG-1)\n", Look.THERE),
        (255, "Failed to initialize NVML: Unknown Error\n", Look.LOST),
        (0, "No devices were found\n", Look.LOST),
        (126, 'OCI runtime exec failed: exec: "nvidia-smi": executable file not found in $PATH', Look.UNKNOWN),
    ],
)
def test_what_is_seen_from_inside(code, output, seen):
    assert judge_exec(code, output, devices=1) is seen


# -- the share, as Python in the image finds it
# --------------------------------------------------------------------

KERNEL = Path(__file__).parent.parent / "images" / "notebook" / "kernel"


def loaded_modules(folder: Path, **environment: str) -> set[str]:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); "
        "import site; site.addsitedir(sys.argv[1]); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", program, str(folder)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_the_limit_costs_nothing_where_no_share_is_set():
    assert "tf29_gpu_share" not in loaded_modules(KERNEL)
    assert "tf29_gpu_share" in loaded_modules(KERNEL, TF29HUB_GPU_SHARE_MIB="4096")


@pytest.mark.parametrize("limits", [("", ""), ("x", "40960"), ("0", "40960"), ("4096", "x")])
def test_a_limit_that_is_none_does_nothing(monkeypatch, limits):
    monkeypatch.syspath_prepend(str(KERNEL))
    import tf29_gpu_share

    before = list(sys.meta_path)
    tf29_gpu_share.install({"TF29HUB_GPU_SHARE_MIB": limits[0], "TF29HUB_GPU_MEMORY_MIB": limits[1]})
    assert sys.meta_path == before


@pytest.mark.parametrize(("share", "limit"), [(8192, 7592), (1000, 500), (1200, 600)])
def test_cudas_own_part_is_left_out_of_what_tensorflow_may_take(monkeypatch, share, limit):
    monkeypatch.syspath_prepend(str(KERNEL))
    import tf29_gpu_share

    assert tf29_gpu_share.limit_mib(share) == limit


@pytest.mark.parametrize(("share", "memory"), [(8192, 0), (50000, 40960)])
def test_without_a_device_or_below_a_share_nothing_is_limited(monkeypatch, share, memory):
    monkeypatch.syspath_prepend(str(KERNEL))
    import tf29_gpu_share

    untouched = object()
    tf29_gpu_share.keep_within(untouched, share, memory)


def test_the_memory_of_the_device_is_asked_of_nvml(gpu_lab):
    gpu_lab.start(gpus=1, memory_mib=24576)
    done = subprocess.run(
        [sys.executable, "-c", "import tf29_gpu_share; print(tf29_gpu_share.device_memory_mib())"],
        env={**os.environ, **gpu_lab.environment, "PYTHONPATH": str(KERNEL)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "24576"
