"""Reading GPUs through NVIDIA's real bindings, against the stand-in for the driver (tests/gpulab)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from jupyterhub_tf29.gpu.devices import pair, usable_mib
from jupyterhub_tf29.gpu.nvml import driver
from jupyterhub_tf29.gpu.nvml.containers import ContainerFinder, container_in
from jupyterhub_tf29.gpu.nvml.pauses import Pauses
from jupyterhub_tf29.gpu.nvml.reader import NvmlReader
from jupyterhub_tf29.gpu.nvml.xids import XidJudge
from tests.gpulab.lab import GpuLab
from tests.waiting import wait_until

ID = "0123456789abcdef" * 4
OTHER = "f" * 64


@pytest.fixture
def on(monkeypatch) -> Callable[[GpuLab], None]:
    """`on(lab)`: this process' children see the lab's GPUs."""

    def use(lab: GpuLab) -> None:
        for key, value in lab.environment.items():
            monkeypatch.setenv(key, value)

    return use


@pytest.fixture
async def reader(gpu_lab, on) -> AsyncIterator[NvmlReader]:
    on(gpu_lab)
    made = NvmlReader(answer_within_s=1.5, retry_s=60)
    yield made
    await made.close()


@pytest.fixture
def sleeper() -> Iterator[Callable[[], int]]:
    """`sleeper()`: the pid of a process that does nothing until the test ends."""
    with contextlib.ExitStack() as stack:

        def start() -> int:
            process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process.pid

        yield start


# -- what there is -----------------------------------------------------------------------------------------------


async def test_whole_gpus_are_found_by_uuid(gpu_lab, reader):
    found = await reader.inventory()
    assert [device.uuid for device in found.devices] == gpu_lab.uuids
    assert (found.driver_version, found.cuda_version, found.problem) == ("535.104.05", "12.2", None)
    first = found.devices[0]
    assert (first.model, first.minor, first.bus_id) == ("NVIDIA A100-SXM4-40GB", 0, "00000000:10:00.0")
    assert (first.memory_mib, first.usable_mib) == (40960, usable_mib(40960, 600))
    assert (first.parent, first.mig_profile, first.slices) == (None, None, 7)


async def test_a_gpu_that_is_cut_is_found_as_its_slices(gpu_lab, reader):
    slices = gpu_lab.cut(1, ["3g.20gb", "1g.5gb"])
    found = await reader.inventory()
    assert gpu_lab.uuids[1] not in [device.uuid for device in found.devices]
    big, small = (found.device(uuid) for uuid in slices)
    assert (big.mig_profile, big.slices, big.memory_mib) == ("3g.20gb", 3, 19968)
    assert (small.mig_profile, small.slices, small.parent) == ("1g.5gb", 1, gpu_lab.uuids[1])
    assert small.model == "NVIDIA A100-SXM4-40GB"
    assert all(gpu_lab.uuids[1] not in uuids for uuids in found.links)


async def test_links_are_scored_by_the_path_and_the_nvlinks(gpu_lab, reader):
    a, b, c, d = gpu_lab.uuids
    gpu_lab.link(a, b, "one switch", nvlinks=4)
    gpu_lab.link(c, d, "host bridge")
    links = (await reader.inventory()).links
    assert links[pair(a, b)] == 450
    assert links[pair(c, d)] == 30
    assert links[pair(a, c)] == 10


async def test_a_card_that_is_gone_is_no_longer_among_the_devices(gpu_lab, reader):
    await reader.inventory()
    gone = gpu_lab.uuids[2]
    gpu_lab.remove(2)
    found = await reader.inventory()
    assert found.device(gone) is None
    assert len(found.devices) == 3


@pytest.mark.parametrize("missing", [1, 2])
async def test_older_drivers_with_fewer_calls(tmp_path, on, sleeper, missing):
    hidden = [
        f"nvmlDeviceGet{kind}RunningProcesses_v{v}" for kind in ("Compute", "Graphics") for v in (3, 2)[:missing]
    ]
    lab = GpuLab(tmp_path / "old", without=[*hidden, "nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetRemappedRows"])
    lab.start(gpus=1, driver="450.80.02", cuda=11000)
    on(lab)
    pids = [sleeper() for _ in range(3)]
    for pid in pids:
        lab.process(0, pid, mib=700)
    async with contextlib.AsyncExitStack() as stack:
        reader = NvmlReader()
        stack.push_async_callback(reader.close)
        assert (await reader.inventory()).problem is None
        (sample,) = (await reader.reading()).samples
    assert sorted(process.pid for process in sample.processes) == sorted(pids)
    assert {process.used_mib for process in sample.processes} == {700}


async def test_more_processes_than_the_first_guess_on_the_oldest_driver(tmp_path, on, sleeper):
    hidden = [f"nvmlDeviceGet{kind}RunningProcesses_v{v}" for kind in ("Compute", "Graphics") for v in (3, 2)]
    lab = GpuLab(tmp_path / "old", without=hidden)
    lab.start(gpus=1)
    on(lab)
    for pid in range(900_000_000, 900_000_040):
        lab.process(0, pid, mib=1, ghost=True)
    reader = NvmlReader()
    await reader.reading()
    (sample,) = (await reader.reading()).samples  # the second time: a dead process is told when it stays
    await reader.close()
    assert len(sample.processes) == 40


# -- no driver, or none that will do -----------------------------------------------------------------------------


async def test_no_driver_is_a_normal_state_and_said_once(monkeypatch, tmp_path, caplog):
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    reader = NvmlReader(log=logging.getLogger("no-driver"))
    with caplog.at_level(logging.INFO, "no-driver"):
        for _ in range(3):
            found = await reader.inventory()
            assert found.devices == ()
            assert found.problem == driver.NO_DRIVER
            assert (await reader.reading()).samples == ()
    assert [record.getMessage() for record in caplog.records] == [f"GPUs: {driver.NO_DRIVER}"]
    assert caplog.records[0].levelno == logging.INFO


async def test_a_driver_that_is_loaded_later_is_found(gpu_lab, reader):
    gpu_lab.break_driver(9)
    assert (await reader.inventory()).problem == driver.NO_DRIVER
    gpu_lab.heal()
    assert len((await reader.inventory()).devices) == 4


async def test_an_updated_driver_wants_a_reboot(gpu_lab, reader):
    gpu_lab.break_driver(18)
    assert "reboot" in (await reader.inventory()).problem


async def test_a_driver_below_the_floor_hands_out_nothing(gpu_lab, reader):
    gpu_lab.start(gpus=2, driver="450.51.06")
    found = await reader.inventory()
    assert found.devices == ()
    assert (
        found.problem
        == "NVIDIA driver 450.51.06 is older than 450.80.02, the oldest that runs CUDA 11.2: update the driver"
    )


@pytest.mark.parametrize(
    ("version", "fine"), [("450.80.02", True), ("450.80.01", False), ("1000.1", True), ("418.9", False)]
)
def test_driver_versions_compare_as_numbers(version, fine):
    assert (driver.too_old(version) is None) == fine


# -- how they do -------------------------------------------------------------------------------------------------


async def test_a_sample_of_every_device(gpu_lab, reader, sleeper):
    pid = sleeper()
    gpu_lab.process(0, pid, mib=5000, util=80)
    gpu_lab.set(1, temp=71, base=300)
    samples = {sample.uuid: sample for sample in (await reader.reading()).samples}
    assert list(samples) == gpu_lab.uuids
    busy, warm = samples[gpu_lab.uuids[0]], samples[gpu_lab.uuids[1]]
    assert (busy.used_mib, busy.utilisation) == (5000, 80)
    assert [(process.pid, process.used_mib, process.container_id) for process in busy.processes] == [
        (pid, 5000, None)
    ]
    assert (warm.used_mib, warm.utilisation, warm.temperature, warm.processes) == (300, 0, 71, ())


async def test_a_slice_has_no_utilisation_but_memory_and_processes(gpu_lab, reader, sleeper):
    one, other = gpu_lab.cut(0, ["3g.20gb", "3g.20gb"])
    pid = sleeper()
    gpu_lab.process(other, pid, mib=2000, util=90)
    samples = {sample.uuid: sample for sample in (await reader.reading()).samples}
    assert (samples[one].utilisation, samples[one].used_mib, samples[one].processes) == (None, 0, ())
    assert (samples[other].utilisation, samples[other].used_mib) == (None, 2000)
    assert samples[other].temperature == 35


async def test_memory_of_a_process_may_be_unknown(gpu_lab, reader, sleeper):
    pid = sleeper()
    gpu_lab.process(0, pid, mib=-1)
    (process,) = (await reader.reading()).samples[0].processes
    assert process.used_mib is None


# -- whose processes they are ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cgroup", "container"),
    [
        pytest.param(f"5:devices:/docker/{ID}\n0::/\n", ID, id="cgroup v1"),
        pytest.param(f"0::/system.slice/docker-{ID}.scope\n", ID, id="cgroup v2 with systemd"),
        pytest.param(f"0::/docker/{ID}\n", ID, id="cgroup v2 with cgroupfs"),
        pytest.param(f"3:memory:/ours/{ID}/user.slice\n", ID, id="a parent of its own"),
        pytest.param(f"0::/docker/{ID}/docker/{OTHER}\n", ID, id="docker in docker: the outer one"),
        pytest.param("0::/user.slice/user-1000.slice/session-3.scope\n", None, id="somebody's session"),
        pytest.param(f"0::/x{'a' * 65}\n", None, id="not an id"),
    ],
)
def test_the_container_is_read_from_the_cgroup(cgroup, container):
    assert container_in(cgroup) == container


def test_a_process_keeps_its_owner_as_long_as_the_driver_lists_it(tmp_path):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(f"0::/docker/{ID}\n")
    finder = ContainerFinder(tmp_path)
    assert finder.find([7]) == {7: ID}
    (tmp_path / "7" / "cgroup").unlink()
    assert finder.find([7]) == {7: ID}
    assert finder.find([]) == {}
    assert finder.find([7]) == {}  # a new process of that number, which has ended already
    assert finder.find([7]) == {7: None}  # and holds on


# -- what goes wrong ---------------------------------------------------------------------------------------------


async def test_xids_are_told_once(gpu_lab, reader):
    await reader.inventory()
    gpu_lab.xid(1, 79)
    gpu_lab.xid(1, 31)
    bad, harmless = (await reader.reading()).troubles
    assert (bad.uuid, bad.kind, bad.code, bad.quarantine) == (gpu_lab.uuids[1], "xid", 79, True)
    assert "fallen off the bus" in bad.text
    assert (harmless.code, harmless.quarantine) == (31, False)
    assert (await reader.reading()).troubles == ()


async def test_an_xid_of_a_cut_card_troubles_every_slice(gpu_lab, reader):
    slices = gpu_lab.cut(0, ["3g.20gb", "3g.20gb"])
    await reader.inventory()
    gpu_lab.xid(0, 48)
    assert [trouble.uuid for trouble in (await reader.reading()).troubles] == slices


def test_xid_109_counts_when_it_comes_again():
    judge = XidJudge()
    assert not judge.judge("GPU-a", 109, 0).quarantine
    assert not judge.judge("GPU-b", 109, 10).quarantine
    assert judge.judge("GPU-a", 109, 3600).quarantine
    assert not judge.judge("GPU-b", 109, 10 + 25 * 3600).quarantine


@pytest.mark.parametrize(("error", "bad"), [(15, True), (16, True), (999, False)])
async def test_an_error_of_one_card_costs_only_its_own_sample(gpu_lab, reader, error, bad):
    await reader.inventory()
    gpu_lab.set(2, error=error)
    reading = await reader.reading()
    assert [sample.uuid for sample in reading.samples] == [*gpu_lab.uuids[:2], gpu_lab.uuids[3]]
    (trouble,) = reading.troubles
    assert (trouble.uuid, trouble.kind, trouble.code, trouble.quarantine) == (gpu_lab.uuids[2], "nvml", error, bad)


async def test_a_lost_card_is_told_by_an_inventory_too(gpu_lab, reader):
    await reader.inventory()
    gpu_lab.set(2, error=15)
    found = await reader.inventory()
    assert [(trouble.uuid, trouble.code) for trouble in found.troubles] == [(gpu_lab.uuids[2], 15)]


async def test_failed_row_remapping_is_quarantine_a_pending_one_is_not(gpu_lab, reader):
    gpu_lab.set(0, remap_failed=1)
    gpu_lab.set(1, remap_pending=1)
    troubles = (await reader.reading()).troubles
    assert [(trouble.uuid, trouble.kind, trouble.quarantine) for trouble in troubles] == [
        (gpu_lab.uuids[0], "remap", True),
        (gpu_lab.uuids[1], "remap", False),
    ]


# -- hangs -------------------------------------------------------------------------------------------------------


async def test_a_card_that_hangs_is_left_out_and_the_others_are_read(gpu_lab, reader):
    await reader.inventory()
    gpu_lab.hang(1)
    reading = await reader.reading()
    others = [uuid for uuid in gpu_lab.uuids if uuid != gpu_lab.uuids[1]]
    assert [sample.uuid for sample in reading.samples] == others
    (trouble,) = reading.troubles
    assert (trouble.uuid, trouble.kind, trouble.quarantine) == (gpu_lab.uuids[1], "hung", True)
    found = await reader.inventory()
    assert {device.uuid for device in found.devices} == set(gpu_lab.uuids), "it is still in the machine"
    assert [trouble.kind for trouble in found.troubles] == ["hung"]


async def test_a_card_that_answers_again_is_forgiven_after_its_pause(gpu_lab, on):
    on(gpu_lab)
    time = 0.0
    reader = NvmlReader(answer_within_s=1.5, retry_s=60, clock=lambda: time)
    await reader.inventory()
    gpu_lab.hang(3)
    assert len((await reader.reading()).samples) == 3
    gpu_lab.heal()
    assert len((await reader.reading()).samples) == 3
    time = 61.0
    reading = await reader.reading()
    await reader.close()
    assert len(reading.samples) == 4
    assert reading.troubles == ()


async def test_a_driver_that_hangs_as_a_whole(gpu_lab, reader):
    await reader.inventory()
    gpu_lab.fault("*", hang=True)
    reading = await reader.reading()
    assert reading.samples == ()
    assert {trouble.uuid for trouble in reading.troubles} == set(gpu_lab.uuids)
    assert (await reader.inventory()).problem == driver.SILENT


async def test_the_loop_goes_on_while_nvml_hangs(gpu_lab, reader):
    await reader.inventory()
    gpu_lab.hang(0)
    asked = asyncio.create_task(reader.reading())
    turns = 0
    while not asked.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 20


async def test_a_killed_worker_is_replaced(gpu_lab, reader):
    await reader.inventory()
    os.kill(reader._worker.pid, 9)
    assert len((await reader.reading()).samples) == 4


async def test_an_interrupted_question_does_not_answer_the_next(gpu_lab, reader):
    await reader.inventory()
    gpu_lab.fault("nvmlDeviceGetTemperature", hang=True)
    asked = asyncio.create_task(reader.reading())
    await asyncio.sleep(0.2)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    gpu_lab.heal()
    assert len((await reader.inventory()).devices) == 4


def test_the_worker_dies_with_whoever_asks_it(gpu_lab, on, tmp_path):
    on(gpu_lab)
    gpu_lab.hang(0)
    pid_file = tmp_path / "pid"
    program = (
        "import asyncio, pathlib, sys\n"
        "from jupyterhub_tf29.gpu.nvml.reader import NvmlReader\n"
        "async def main():\n"
        "    reader = NvmlReader(answer_within_s=600)\n"
        "    asked = asyncio.create_task(reader.inventory())\n"
        "    while not reader._worker.asked: await asyncio.sleep(0.01)\n"
        "    pathlib.Path(sys.argv[1]).write_text(str(reader._worker.pid))\n"
        "    await asked\n"
        "asyncio.run(main())\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(pid_file)])
    wait_until(lambda: pid_file.exists() and pid_file.read_text(), "the worker hangs at a card", 20)
    worker = Path("/proc", pid_file.read_text())
    assert b"nvml.worker" in (worker / "cmdline").read_bytes()
    process.kill()
    process.wait()
    wait_until(lambda: not worker.exists(), "the worker has died", 10)


def test_pauses_grow_and_end():
    pauses = Pauses(first_s=60, last_s=200)
    pauses.blame(2, ["GPU-c"], 0)
    assert (pauses.skip(59), pauses.skip(60), pauses.ended(60)) == ([2], [], True)
    pauses.blame(2, ["GPU-c"], 60)
    assert pauses.skip(179) == [2]
    pauses.blame(2, ["GPU-c"], 180)
    assert (pauses.skip(379), pauses.skip(380)) == ([2], [])
    pauses.forgive([2])
    assert (pauses.troubles(), pauses.uuids) == ([], set())
