"""What `tf29hub doctor` says about GPUs."""

from __future__ import annotations

import pytest

from jupyterhub_tf29.gpu.devices import Device, Inventory, Trouble
from jupyterhub_tf29.gpu.findings import HOOK, driver_findings, engine_findings, look
from jupyterhub_tf29.gpu.nvml.driver import NO_DRIVER

CARD = Device("GPU-1", "NVIDIA A100", 40960, 39000, "00000000:10:00.0", 0)
SLICE = Device("MIG-1", "NVIDIA A100", 4864, 4608, "00000000:11:00.0", 1, "GPU-2", "1g.5gb", 1)


def told(findings) -> list[tuple[str, str]]:
    return [(finding.level, finding.text) for finding in findings]


@pytest.fixture
def toolkit(monkeypatch, tmp_path):
    """`toolkit(there)`: NVIDIA's hook is in PATH, or is not."""

    def put(there: bool) -> None:
        if there:
            (tmp_path / HOOK).touch(mode=0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return put


@pytest.mark.parametrize(("managed", "level"), [("auto", "ok"), (True, "failed")])
def test_no_driver_is_amiss_only_where_gpus_were_promised(managed, level):
    assert told(driver_findings(Inventory(problem=NO_DRIVER), managed)) == [(level, f"GPUs: {NO_DRIVER}")]


def test_an_old_driver_is_amiss_in_any_case():
    ((level, _),) = told(driver_findings(Inventory("440.33", "10.2", problem="too old"), "auto"))
    assert level == "failed"


def test_cards_and_their_troubles():
    troubles = (
        Trouble("GPU-9", "nvml", 15, "NVML: GPU is lost", True),
        Trouble("GPU-1", "remap", 1, "soon", False),
    )
    inventory = Inventory("535.104.05", "12.2", (CARD, CARD, SLICE), troubles=troubles)
    assert told(driver_findings(inventory, "auto")) == [
        ("ok", "GPUs: 2 × NVIDIA A100, 1 × NVIDIA A100 MIG 1g.5gb; driver 535.104.05, CUDA up to 12.2"),
        ("failed", "GPU GPU-9: NVML: GPU is lost"),
        ("warn", "GPU GPU-1: soon"),
    ]


def test_the_hook_is_missed_and_a_daemon_reload_foreseen(toolkit):
    toolkit(False)
    info = {"ServerVersion": "20.10.24", "CgroupDriver": "systemd"}
    levels = [level for level, _ in told(engine_findings(info, Inventory(devices=(CARD,)), "auto"))]
    assert levels == ["ok", "warn", "warn"]


def test_a_hook_with_cgroupfs_has_nothing_amiss(toolkit):
    toolkit(True)
    info = {"ServerVersion": "20.10.24", "CgroupDriver": "cgroupfs"}
    (found,) = told(engine_findings(info, Inventory(devices=(CARD,)), "auto"))
    assert found[0] == "ok"
    assert "hook" in found[1]


def test_cdi_needs_neither(toolkit):
    toolkit(False)
    known = [{"Source": "cdi", "ID": "nvidia.com/gpu=GPU-1"}]
    info = {
        "ServerVersion": "28.2.2",
        "CgroupDriver": "systemd",
        "CDISpecDirs": ["/etc/cdi"],
        "DiscoveredDevices": known,
    }
    assert told(engine_findings(info, Inventory(devices=(CARD,)), "auto")) == [
        ("ok", "GPUs in containers: through CDI")
    ]


def test_a_way_that_the_engine_does_not_have_fails(toolkit):
    toolkit(True)
    ((level, text),) = told(engine_findings({"ServerVersion": "20.10.24"}, Inventory(devices=(CARD,)), "cdi"))
    assert level == "failed"
    assert "25.0" in text


def test_the_driver_is_asked_for_real(gpu_lab, monkeypatch):
    for key, value in gpu_lab.environment.items():
        monkeypatch.setenv(key, value)
    assert [device.uuid for device in look().devices] == gpu_lab.uuids
