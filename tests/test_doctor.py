from pathlib import Path

import docker
import pytest

from jupyterhub_tf29.doctor import (
    Finding,
    audit_finding,
    disk_findings,
    engine_findings,
    front_findings,
    network_findings,
    reach_findings,
    secret_findings,
)
from jupyterhub_tf29.front.findings import tls_findings
from jupyterhub_tf29.probe import Reach
from jupyterhub_tf29.secretfiles import ensure_secrets
from jupyterhub_tf29.settings import Paths, Settings
from tests.ours import new_name, remove_all

ALL_WELL = {
    "hub_api": True,
    "other_ports": False,
    "metadata": False,
    "neighbour": False,
    "neighbour_from_host": True,
}


def levels(findings) -> list[str]:
    return [finding.level for finding in findings]


def test_a_finding_reads_as_one_line_and_its_advice():
    assert str(Finding("ok", "disk: much")) == "ok      disk: much"
    assert str(Finding("failed", "disk: full", "make room")) == "failed  disk: full\n        → make room"


@pytest.mark.parametrize(("live_restore", "level"), [(True, "ok"), (False, "warn"), (None, "warn")])
def test_live_restore(live_restore, level):
    info = {"ServerVersion": "20.10", "LiveRestoreEnabled": live_restore}
    assert levels(engine_findings(info)) == ["ok", level]


@pytest.mark.parametrize(
    "wrong",
    ["hub_api", "other_ports", "metadata", "neighbour", "neighbour_from_host"],
)
def test_each_thing_that_containers_reach_wrongly_is_a_failure_of_its_own(wrong):
    assert levels(reach_findings(Reach(**ALL_WELL))) == ["ok"] * 4
    ill = reach_findings(Reach(**ALL_WELL | {wrong: not ALL_WELL[wrong]}))
    assert levels(ill).count("failed") == 1


def test_secrets_that_others_can_read(tmp_path):
    paths = Paths(config=tmp_path, state=tmp_path / "state", logs=tmp_path)
    ensure_secrets(paths)
    assert levels(secret_findings(paths)) == ["ok"]
    (paths.secrets / "crypt-key").chmod(0o644)
    (finding,) = secret_findings(paths)
    assert finding.level == "failed"
    assert "crypt-key" in finding.text


def test_disk(tmp_path):
    (finding,) = disk_findings(tmp_path)
    assert str(tmp_path) in finding.text
    full = Path("/proc")  # its file system has no room, ever
    assert levels(disk_findings(full)) == ["failed"]


def test_a_front_that_does_not_answer(free_port, tmp_path):
    settings = Settings.model_validate({"listen": {"port": free_port()}})
    (finding,) = front_findings(settings, Paths(tmp_path, tmp_path, tmp_path))
    assert finding.level == "failed"
    assert "no answer" in finding.text
    assert "deploy/up" in finding.advice


def test_the_trail_has_to_be_writable_and_its_owners(tmp_path):
    paths = Paths(tmp_path, tmp_path, tmp_path)
    assert audit_finding(paths).level == "ok"
    paths.audit.chmod(0o644)
    assert "chmod 600" in audit_finding(paths).advice
    nowhere = Paths(tmp_path, tmp_path, tmp_path / "missing")
    assert audit_finding(nowhere).level == "failed"


def test_open_to_a_network_without_tls_is_said(tmp_path, free_port):
    paths, ports = Paths(tmp_path, tmp_path, tmp_path), {"hub": free_port()}
    here = Settings.model_validate({"ports": ports})
    assert levels(tls_findings(here, paths)) == ["ok", "ok"]
    there = Settings.model_validate({"listen": {"address": "0.0.0.0"}, "ports": ports})
    first = next(tls_findings(there, paths))
    assert first.level == "failed"
    assert "--tls self-signed" in first.advice


@pytest.mark.docker
@pytest.mark.parametrize(
    ("icc", "subnet", "says"),
    [
        ("false", "10.199.201.0/28", "containers apart"),
        ("true", "10.199.201.0/28", "lets containers talk to one another"),
        ("false", "10.199.202.0/28", "hub.yaml says 10.199.201.0/28"),
    ],
    ids=["right", "icc", "subnet"],
)
def test_network(engine, icc, subnet, says):
    settings = Settings.model_validate({"name": new_name(), "network": {"subnet": "10.199.201.0/28"}})
    (missing,) = network_findings(engine, settings)
    assert missing.level == "failed"
    try:
        engine.networks.create(
            settings.name,
            ipam=docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet=subnet)]),
            options={"com.docker.network.bridge.enable_icc": icc},
            labels={"tf29hub.name": settings.name},
        )
        (finding,) = network_findings(engine, settings)
    finally:
        remove_all(engine, settings.name)
    assert says in finding.text
    assert (finding.level == "ok") == (says == "containers apart")
