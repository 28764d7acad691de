"""What a workspace may do to its machine and to its neighbours: seen from the engine and from inside."""

from __future__ import annotations

import pytest

from tests.docker.inside import run_python, try_python

pytestmark = [pytest.mark.docker, pytest.mark.hub]
MiB = 2**20


@pytest.fixture(scope="module")
def container(stub_hub):
    stub_hub.api.start("rosa", options={"profile": "small"})
    yield stub_hub.container("rosa")
    stub_hub.api.stop("rosa")


def test_the_engine_was_asked_for_a_hardened_container(container):
    config, host = container.attrs["Config"], container.attrs["HostConfig"]
    assert host["Privileged"] is False
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert "no-new-privileges" in host["SecurityOpt"]
    assert host["PidsLimit"] == 128
    assert host["ShmSize"] == 64 * MiB
    assert host["Memory"] == host["MemorySwap"] == 256 * MiB
    assert host["CpuQuota"] / host["CpuPeriod"] == 1.0
    assert host["RestartPolicy"]["Name"] in ("", "no")
    assert host["AutoRemove"] is False, "the evidence of a death outlives it"
    assert host["LogConfig"]["Type"] == "json-file"
    assert host["LogConfig"]["Config"]["max-size"]
    assert not host["PortBindings"], "only the Hub reaches it"
    assert not host["Devices"]
    assert not host["DeviceRequests"]
    assert host["PidMode"] == ""
    assert host["NetworkMode"] == container.labels["tf29hub.name"]
    assert config["User"] == "1000:1000"
    assert "NVIDIA_VISIBLE_DEVICES=void" in config["Env"]
    assert "/var/run/docker.sock" not in str(container.attrs["Mounts"])


def test_it_is_somebody_without_any_capability(container):
    status = run_python(container, "print(open('/proc/1/status').read())")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["1000"] * 4
    for sets in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(fields[sets], 16) == 0, sets
    assert fields["NoNewPrivs"] == "1"
    assert fields["Seccomp"] == "2"


def test_what_an_exec_starts_is_no_stronger(container):
    status = run_python(container, "print(open('/proc/self/status').read())")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(fields["CapEff"], 16) == 0
    assert fields["NoNewPrivs"] == "1"


def test_the_number_of_processes_is_limited(container):
    code = """
import os, time
children = []
try:
    for _ in range(400):
        pid = os.fork()
        if pid == 0:
            time.sleep(60); os._exit(0)
        children.append(pid)
except BlockingIOError:
    print("refused after", len(children))
finally:
    for pid in children:
        os.kill(pid, 9)
"""
    said = run_python(container, code)
    assert said.startswith("refused after"), said
    assert 50 < int(said.split()[-1]) < 128


def test_shared_memory_is_as_big_as_was_said(container):
    code = "import os; s = os.statvfs('/dev/shm'); print(s.f_blocks * s.f_frsize)"
    assert int(run_python(container, code)) == 64 * MiB


@pytest.mark.parametrize("folder", ["/datasets", "/run/tf29hub"])
def test_shared_places_are_read_only(container, folder):
    code, output = try_python(container, f"open('{folder}/mine', 'w')")
    assert code != 0
    assert "Read-only file system" in output


def test_a_cpu_quota_beyond_the_machine_is_no_error(make_hub):
    profiles = "profiles:\n  - {slug: wide, display_name: Wide, override: {cpu_limit: 16}}\n"
    hub = make_hub(profiles=profiles, settings={"limits": {"max_cpus": 32}})
    hub.api.start("ruth")
    host = hub.container("ruth").attrs["HostConfig"]
    assert host["CpuQuota"] / host["CpuPeriod"] == 16


def test_users_cannot_reach_one_another_but_reach_the_hub(stub_hub, container):
    stub_hub.api.start("sara")
    other = stub_hub.container("sara")
    address = other.attrs["NetworkSettings"]["Networks"][stub_hub.name]["IPAddress"]
    assert stub_hub.answers("sara"), "it answers those who may ask"
    connect = "import socket; socket.create_connection(('{0}', {1}), timeout=4); print('connected')"
    code, output = try_python(container, connect.format(address, 8888))
    assert code != 0, output
    assert "timed out" in output or "No route" in output or "refused" in output or "unreachable" in output, output
    # the same words in the same container work where they should
    gateway = other.attrs["NetworkSettings"]["Networks"][stub_hub.name]["Gateway"]
    hub_port = stub_hub.settings["ports"]["hub"]
    assert run_python(container, connect.format(gateway, hub_port)) == "connected"
    code, output = try_python(container, f"import socket; print(socket.gethostbyname('{other.name}'))")
    if code == 0:  # Docker's own name service tells the address; it leads nowhere
        code, output = try_python(container, connect.format(other.name, 8888))
        assert code != 0, output
    stub_hub.api.stop("sara")
