"""What cannot fit is not started, and nothing is promised twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_tf29.spawner.admission import Admission, DoesNotFit, HostMemory, read_host_memory

GiB = 2**30
ROOMY = HostMemory(total=16 * GiB, available=16 * GiB)


def test_servers_fit_until_the_machine_is_promised():
    admission = Admission()
    for server in range(7):
        admission.admit(server, 2 * GiB, ROOMY, reserve=2 * GiB)
    with pytest.raises(DoesNotFit) as error:
        admission.admit("eighth", 2 * GiB, ROOMY, reserve=2 * GiB)
    assert (error.value.needed, error.value.free, error.value.total) == (2 * GiB, 0, 16 * GiB)
    admission.release(3)
    admission.admit("eighth", 2 * GiB, ROOMY, reserve=2 * GiB)


def test_what_others_use_on_the_machine_counts_too():
    with pytest.raises(DoesNotFit):
        Admission().admit("a", 2 * GiB, HostMemory(total=16 * GiB, available=1 * GiB), reserve=0)


def test_a_server_that_is_admitted_again_replaces_its_own_promise():
    admission = Admission()
    admission.admit("a", 8 * GiB, ROOMY, reserve=2 * GiB)
    admission.admit("a", 10 * GiB, ROOMY, reserve=2 * GiB)
    assert admission.promised == 10 * GiB


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8 * GiB), st.booleans())))
def test_promises_never_exceed_the_machine(history):
    admission = Admission()
    for server, guarantee, leaves in history:
        before = admission.promised
        if leaves:
            admission.release(server)
            continue
        try:
            admission.admit(server, guarantee, ROOMY, reserve=2 * GiB)
        except DoesNotFit:
            assert admission.promised == before
        assert admission.promised <= 14 * GiB


def test_the_machines_memory_is_read(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       16384 kB\nMemFree: 1 kB\nMemAvailable:    8192 kB\n")
    assert read_host_memory(meminfo) == HostMemory(total=16384 * 1024, available=8192 * 1024)
    real = read_host_memory()
    assert 0 < real.available <= real.total
