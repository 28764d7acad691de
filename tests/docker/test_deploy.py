"""deploy/up and deploy/down for real: an installation below a folder of its own, with the hub's own account."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
import requests

from jupyterhub_tf29.image.pin import Pin
from tests.docker.deployed import REPOSITORY, Deployed
from tests.ours import remove_all
from tests.waiting import wait_until

pytestmark = pytest.mark.hub


@pytest.fixture(scope="module")
def first_run(engine: docker.DockerClient, notebook_image: Pin) -> Iterator[tuple[Deployed, str]]:
    """An installation, and what its first deploy/up printed."""
    deployed = Deployed(engine)
    try:
        run = deployed.up("--skip-image", *deployed.first_options)
        assert run.returncode == 0, run.stderr
        deployed.pin(notebook_image)
        yield deployed, run.stderr
    finally:
        deployed.remove()
        remove_all(engine, deployed.name)


@pytest.fixture
def hub(first_run: tuple[Deployed, str]) -> Deployed:
    return first_run[0]


def test_first_run_says_where_and_how_to_sign_in(first_run):
    deployed, said = first_run
    assert f"Ready: {deployed.front}\n" in said
    assert re.search(r"Sign in as: +admin +password: +\S{12,}", said)
    assert f"ssh -N -L {deployed.port}:127.0.0.1:{deployed.port}" in said
    assert deployed.answers()


def test_everything_runs_as_an_account_without_log_in(hub):
    owners = {program: Path(f"/proc/{pid}").stat().st_uid for program, pid in hub.pids().items()}
    entry = subprocess.run(["getent", "passwd", "tf29hub"], capture_output=True, text=True, check=True).stdout
    name, _, uid, *_, shell = entry.strip().split(":")
    assert name == "tf29hub"
    assert owners == dict.fromkeys(["proxy", "hub", "culler", "broker", "console"], int(uid))
    assert shell.endswith("nologin")
    code = hub.root / "program" / "venv" / "bin" / "tf29hub"
    assert code.stat().st_uid == 0, "the hub cannot change its own code"


def test_the_whole_main_job(hub, engine):
    run = hub.up("--check")
    assert run.returncode == 0, run.stdout + run.stderr
    for words in (
        "signs in",
        "starts the workspace",
        "trains a model",
        "stops",
        "finds the file",
        "everything works",
    ):
        assert re.search(rf"^ *\d+\.\d s  .*{words}", run.stdout, re.M), f"no timed line for: {words}"
    left = engine.volumes.list(filters={"label": f"tf29hub.name={hub.name}"})
    assert [volume.name for volume in left] == [f"{hub.name}-datasets"]
    assert "check-" not in hub.tf29hub("user", "list").stdout


def test_the_check_fails_with_the_reason(hub):
    run = hub.tf29hub("check", "--profile", "gpu")
    assert run.returncode == 1
    assert "NOT: starts the workspace 'gpu' from the menu" in run.stdout
    assert "failed: the menu does not offer 'gpu'" in run.stderr
    assert "check-" not in hub.tf29hub("user", "list").stdout


def test_second_run_changes_nothing(hub):
    pids = hub.pids()
    run = hub.up("--skip-image")
    assert run.returncode == 0, run.stderr
    assert "Programs of the hub: up to date" in run.stderr
    assert "all running, nothing to restart" in run.stderr
    assert "password:" not in run.stderr
    assert hub.pids() == pids


def test_a_changed_setting_restarts_only_what_reads_it(hub):
    before = hub.pids()
    run = hub.up("--skip-image", "--set", "idle.stop_after=3h")
    assert run.returncode == 0, run.stderr
    assert "idle.stop_after is 3h now, was 2h" in run.stderr
    assert "restarted: hub culler" in run.stderr
    after = hub.pids()
    assert after["proxy"] == before["proxy"]
    assert after["hub"] != before["hub"]


def test_the_admins_files_are_not_overwritten(hub):
    menu = hub.root / "config" / "profiles.yaml"
    text = menu.read_text() + "# the admin's own line\n"
    menu.write_text(text)
    assert hub.up("--skip-image").returncode == 0
    assert menu.read_text() == text


@pytest.mark.parametrize(
    ("program", "ready"),
    [
        ("hub", "JupyterHub is now running"),
        ("proxy", None),
        ("culler", "The culler looks"),
        ("broker", "The broker listens"),
        ("console", "The console answers"),
    ],
)
def test_each_program_comes_back_alone(hub, program, ready):
    before, log = hub.pids(), hub.log(program)
    os.kill(before[program], signal.SIGKILL)
    after = wait_until(
        lambda: (now := hub.pids()) and now.keys() == before.keys() and now[program] != before[program] and now,
        f"{program} is back",
        60,
    )
    others = set(before) - {program}
    assert {other: after[other] for other in others} == {other: before[other] for other in others}
    # running, for the supervisor, is who is busy with imports and has not read its configuration yet
    wait_until(lambda: not ready or hub.log(program).count(ready) > log.count(ready), f"{program} is ready", 60)
    wait_until(hub.answers, "the hub answers through the front", 60)


def test_a_second_run_at_the_same_time_is_refused(hub):
    with Path(hub.environment["TF29HUB_LOCK"]).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run = hub.up("--skip-image")
    assert run.returncode == 1
    assert "another deploy/up or deploy/down is running on this machine" in run.stderr


@pytest.mark.parametrize(
    ("file", "broken", "sentence"),
    [
        ("hub.yaml", "limits: {memory: lots}\n", r"hub\.yaml:\d+: limits\.memory: expected a size such as 512M"),
        ("hub.yaml", "listen: [\n", r"hub\.yaml:\d+: this is not valid YAML"),
        ("profiles.yaml", "profiles:\n- slug: Big One\n", r"profiles\.yaml:2: profiles\[0\]\.slug"),
        ("jupyterhub_config.py", "c.JupyterHub.port = no\n", r"jupyterhub_config\.py:1: NameError"),
    ],
    ids=["value", "YAML", "menu", "python"],
)
def test_a_broken_file_is_told_and_the_hub_runs_on(hub, file, broken, sentence):
    path = hub.root / "config" / file
    before, pids = path.read_text(), hub.pids()
    try:
        path.write_text(broken)
        run = hub.up("--skip-image")
    finally:
        path.write_text(before)
    assert run.returncode == 1
    assert re.search(sentence, run.stderr), run.stderr
    assert "Traceback" not in run.stderr
    assert hub.pids() == pids


def test_an_instance_keeps_its_name(hub):
    run = hub.up("--name", "another")
    assert run.returncode == 1
    assert f"this instance is called '{hub.name}'" in run.stderr


def test_doctor_sees_the_firewall_and_its_absence(hub):
    firewall = [hub.root / "program" / "deploy" / "firewall"]
    environment = {**os.environ, "TF29HUB_CONFIG": f"{hub.root}/config", "TF29HUB_PROGRAM": f"{hub.root}/program"}
    well = hub.tf29hub("doctor")
    assert well.returncode == 0, well.stdout + well.stderr
    assert "containers: cannot reach other ports of this machine" in well.stdout
    subprocess.run([*firewall, "remove"], env=environment, check=True)
    ill = hub.tf29hub("doctor")
    assert ill.returncode == 1
    assert "failed  containers: can reach other ports of this machine" in ill.stdout
    assert hub.up("--skip-image").returncode == 0
    assert hub.tf29hub("doctor").returncode == 0


def test_down_deletes_nothing_of_anybodys_and_up_brings_it_back(hub, engine):
    keep = engine.volumes.create(f"{hub.name}-home-somebody", labels={"tf29hub.name": hub.name})
    pids = hub.pids()
    said = hub.deploy("down").stderr
    assert "Docker volumes named" in said
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids.values())
    assert engine.networks.list(names=[f"^{hub.name}$"]) == []
    rules = subprocess.run(["iptables", "-w", "-S"], capture_output=True, text=True, check=True).stdout
    assert hub.name not in rules
    engine.volumes.get(keep.name)
    again = hub.deploy("down")
    assert again.returncode == 0
    assert "nothing was running" in again.stderr
    back = hub.up("--skip-image")
    assert back.returncode == 0, back.stderr
    assert "there are accounts already" in back.stderr
    assert hub.answers()


# on an empty folder, where nothing may be half-made


@pytest.fixture
def fresh(engine: docker.DockerClient) -> Iterator[Deployed]:
    deployed = Deployed(engine)
    yield deployed
    deployed.remove()
    remove_all(engine, deployed.name)


def test_a_taken_port_is_told_with_its_holder_before_anything_is_made(fresh):
    with socket.create_server(("127.0.0.1", fresh.port)):
        run = fresh.up(*fresh.first_options)
    assert run.returncode == 1
    assert f"port {fresh.port} on 127.0.0.1" in run.stderr
    assert f"pid {os.getpid()}" in run.stderr
    assert not fresh.root.exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--port", "many"], "a port is a number from 1 to 65535, found 'many'"),
        (["--set", "listen"], "--set takes KEY=VALUE"),
        (["--set", "$(id)=1"], "'$(id)' is no setting of hub.yaml"),
    ],
    ids=["port", "no value", "no key"],
)
def test_a_wrong_option_is_told_before_anything_is_made(fresh, options, sentence):
    run = fresh.up("--skip-image", *options)
    assert run.returncode == 1
    assert sentence in run.stderr
    assert not fresh.root.exists()


def test_a_setting_that_is_none_changes_nothing(hub):
    path = hub.root / "config" / "hub.yaml"
    before, pids = path.read_text(), hub.pids()
    run = hub.up("--skip-image", "--set", "listen.prot=1")
    assert run.returncode == 1
    assert "listen.prot: there is no such setting" in run.stderr
    assert path.read_text() == before
    assert hub.pids() == pids


def test_an_account_without_permission_on_the_socket_is_told(fresh):
    lock = fresh.folder / "lock"
    lock.touch()  # as on a machine where root has run it before
    run = subprocess.run(
        [
            "setpriv",
            "--reuid=nobody",
            "--regid=nogroup",
            "--clear-groups",
            fresh.project / "deploy" / "up",
            "--root",
            fresh.root,
        ],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TF29HUB_LOCK": str(lock)},
    )
    assert run.returncode == 1
    assert "no permission on the Docker Engine's socket /var/run/docker.sock" in run.stderr
    assert not fresh.root.exists()


def test_an_unknown_option_is_told():
    run = subprocess.run([REPOSITORY / "deploy" / "up", "--prot", "1"], capture_output=True, text=True)
    assert run.returncode == 2
    assert "there is no option --prot" in run.stderr


def test_tls_by_an_authority_of_its_own_and_back(hub):
    run = hub.up("--skip-image", "--tls", "self-signed")
    assert run.returncode == 0, run.stderr
    assert f"Ready: https://127.0.0.1:{hub.port}\n" in run.stderr
    assert "TLS: self-signed, until " in run.stderr
    authority = hub.tf29hub("certificate", "--authority").stdout
    (hub.folder / "authority.pem").write_text(authority)
    with requests.Session() as browser:
        browser.trust_env = False
        browser.verify = str(hub.folder / "authority.pem")
        assert browser.get(f"https://127.0.0.1:{hub.port}/hub/login", timeout=10).status_code == 200
    said = hub.tf29hub("doctor", "--no-containers").stdout
    assert re.search(r"^ok +TLS: 127\.0\.0\.1, TLSv1\.3, the chain is good", said, re.M)
    assert re.search(r"^ok +audit trail: ", said, re.M)
    run = hub.up("--skip-image", "--tls", "off")
    assert run.returncode == 0, run.stderr
    assert hub.answers()


def test_a_certificate_that_is_not_there_is_told(hub):
    run = hub.up("--skip-image", "--tls", "/nowhere/chain.pem", "/nowhere/key.pem")
    assert run.returncode == 1
    assert "there is no file /nowhere/chain.pem" in run.stderr
    assert hub.answers()
