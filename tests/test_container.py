"""The hardening that no configuration takes away, and the admin's settings that win."""

from dataclasses import replace

import pytest

from jupyterhub_tf29.spawner.container import (
    Gpus,
    Limits,
    UnsafeContainer,
    Workspace,
    complete,
    cpu_environment,
    language_environment,
)
from jupyterhub_tf29.spawner.storage import Place

HOME = Place("tf29hub-home-ada", "/home/jovyan", labels={"tf29hub.user": "ada"})
WORKSPACE = Workspace(
    limits=Limits(processes=512, shared_memory=2**30, log_size=2**20),
    places=[HOME],
    labels={"tf29hub.name": "tf29hub"},
    notices_dir="/var/lib/tf29hub/notices/x",
    environment={"OMP_NUM_THREADS": "2"},
)


def completed(host_config=None, **create_kwargs):
    return complete({"image": "i", "host_config": host_config or {}, **create_kwargs}, WORKSPACE)


def test_every_container_is_hardened():
    host = completed({"Memory": 2**32, "AutoRemove": True})["host_config"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert (host["PidsLimit"], host["ShmSize"]) == (512, 2**30)
    assert host["MemorySwap"] == host["Memory"] == 2**32
    assert host["AutoRemove"] is False
    assert host["RestartPolicy"]["Name"] == "no"
    assert host["LogConfig"]["Config"] == {"max-size": str(2**20), "max-file": "2"}


@pytest.mark.parametrize(
    ("host_config", "says"),
    [
        ({"Privileged": True}, "Privileged=True is not allowed here: a privileged container is root"),
        ({"PidMode": "host"}, "the processes of others would be seen"),
        ({"IpcMode": "host"}, "the memory of others could be read"),
        ({"UsernsMode": "host"}, "root in the container would be root"),
        ({"NetworkMode": "host"}, "users could reach all of the machine"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_would_undo_the_isolation_is_refused_with_a_reason(host_config, says):
    with pytest.raises(UnsafeContainer, match=says):
        completed(host_config)


def test_the_admins_own_settings_win():
    host = completed({"PidsLimit": 99, "ShmSize": 7, "CapDrop": ["NET_RAW"], "SecurityOpt": ["seccomp=x"]})[
        "host_config"
    ]
    assert (host["PidsLimit"], host["ShmSize"], host["CapDrop"]) == (99, 7, ["NET_RAW"])
    assert host["SecurityOpt"] == ["seccomp=x", "no-new-privileges"]


def test_the_admins_environment_and_labels_stay_but_ours_identify():
    made = completed(environment={"OMP_NUM_THREADS": "9", "A": "b"}, labels={"tf29hub.name": "other", "team": "x"})
    assert made["environment"] == {"OMP_NUM_THREADS": "9", "A": "b"}
    assert made["labels"] == {"tf29hub.name": "tf29hub", "team": "x"}


@pytest.mark.parametrize(
    "host_config",
    [{"Binds": ["/srv/ada:/home/jovyan:rw"]}, {"Mounts": [{"Target": "/home/jovyan", "Source": "x"}]}],
    ids=["volumes", "mounts"],
)
def test_a_mount_of_the_admins_takes_the_place_of_ours(host_config):
    mounts = completed(host_config)["host_config"]["Mounts"]
    assert HOME.as_docker_mount() not in mounts
    assert [mount["Target"] for mount in mounts if mount["Target"] == "/run/tf29hub"] == ["/run/tf29hub"]


def test_the_home_is_mounted_and_labelled_and_notices_are_read_only():
    home, notices = completed()["host_config"]["Mounts"]
    assert home["Type"] == "volume"
    assert home["VolumeOptions"] == {"Labels": {"tf29hub.user": "ada"}}
    assert notices == {
        "Type": "bind",
        "Source": "/var/lib/tf29hub/notices/x",
        "Target": "/run/tf29hub",
        "ReadOnly": True,
    }


def test_lab_speaks_the_language_of_who_pressed_start():
    assert language_environment("zh") == {"LANG": "zh_CN.UTF-8"}
    assert language_environment("en") == {}


@pytest.mark.parametrize(("cpus", "threads"), [(0.5, "1"), (2, "2"), (3.5, "4")])
def test_thread_counts_fit_the_quota(cpus, threads):
    environment = cpu_environment(cpus)
    assert environment["OMP_NUM_THREADS"] == environment["TF_NUM_INTRAOP_THREADS"] == threads
    assert environment["NVIDIA_VISIBLE_DEVICES"] == "void"


GRANTED = Gpus([{"DeviceIDs": ["GPU-1"]}], {"NVIDIA_VISIBLE_DEVICES": "GPU-1"})
NONE = Gpus(environment={"NVIDIA_VISIBLE_DEVICES": "void"})


def test_granted_gpus_reach_the_container_and_nobodys_own_setting_wins():
    everything = {"NVIDIA_VISIBLE_DEVICES": "all"}
    for gpus, requests, visible in [(GRANTED, GRANTED.device_requests, "GPU-1"), (NONE, [], "void")]:
        done = complete(
            {"host_config": {}, "environment": dict(everything)},
            replace(WORKSPACE, gpus=gpus, environment=dict(everything)),
        )
        assert done["host_config"]["DeviceRequests"] == requests
        assert done["environment"]["NVIDIA_VISIBLE_DEVICES"] == visible


def test_where_gpus_are_handed_out_nobody_takes_any_by_hand():
    by_hand = {"DeviceRequests": [{"Count": -1, "Capabilities": [["gpu"]]}]}
    with pytest.raises(UnsafeContainer, match=r"gpu\.managed"):
        complete({"host_config": dict(by_hand)}, replace(WORKSPACE, gpus=NONE))
    kept = complete({"host_config": dict(by_hand)}, WORKSPACE)["host_config"]["DeviceRequests"]
    assert kept == by_hand["DeviceRequests"]
