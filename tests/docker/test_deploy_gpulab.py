"""deploy/up --gpulab for real: a whole hub on GPUs that are not real, beside the machine's own engine."""

from __future__ import annotations

import datetime
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
import requests

from jupyterhub_tf29.image.pin import Pin, write_pin
from tests.docker.deployed import REPOSITORY, Deployed
from tests.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.hub]


@pytest.fixture(scope="module")
def lab_hub(engine: docker.DockerClient, stub_image: str) -> Iterator[tuple[Deployed, str]]:
    """The installation with two GPUs and the stub image, and what deploy/up printed."""
    deployed = Deployed(engine)
    shutil.copytree(REPOSITORY / "tests", deployed.project / "tests", ignore=shutil.ignore_patterns("output"))
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    (deployed.root / "state").mkdir(parents=True)
    pin = Pin(reference=stub_image, image_id=stub_image, base="test", built=now, tag="test:image")
    write_pin(deployed.root / "state" / "image.json", pin)
    try:
        run = deployed.up("--gpulab", "2", "--skip-image", *deployed.first_options)
        assert run.returncode == 0, run.stderr
        yield deployed, run.stderr
    finally:
        deployed.remove()


def test_a_hub_whose_pages_say_that_its_gpus_are_not_real(lab_hub):
    deployed, said = lab_hub
    assert f"Ready: {deployed.front}\n" in said
    with requests.Session() as session:
        session.trust_env = False
        page = session.get(f"{deployed.front}/hub/login", timeout=30).text
    assert 'id="gpus-not-real"' in page


def test_its_broker_hands_out_the_labs_gpus(lab_hub):
    deployed, _ = lab_hub

    def cards() -> list[dict]:
        said = deployed.tf29hub("gpus", "--json")
        assert said.returncode == 0, said.stderr
        return json.loads(said.stdout)["devices"]

    wait_until(lambda: [card["state"] for card in cards()] == ["free", "free"], "both are free")
    knob = subprocess.run([deployed.root / "bin" / "gpulab", "xid", "1", "79"], capture_output=True, text=True)
    assert knob.returncode == 0, knob.stderr
    wait_until(lambda: cards()[1]["state"] == "quarantined", "the second is quarantined")


def test_the_machines_engine_knows_nothing_of_it(lab_hub, engine):
    deployed, _ = lab_hub
    assert engine.networks.list(names=[deployed.name]) == []
    assert engine.volumes.list(filters={"label": f"tf29hub.name={deployed.name}"}) == []


def test_down_leaves_no_process(lab_hub):
    deployed, _ = lab_hub
    keeper = int((deployed.root / "gpulab" / "keeper").read_text())
    done = deployed.deploy("down", "--yes")
    assert done.returncode == 0, done.stderr
    command = Path(f"/proc/{keeper}/cmdline")
    assert not command.exists() or b"gpulab" not in command.read_bytes()
    assert "nothing was running" in deployed.deploy("down", "--yes").stderr


def test_it_is_never_the_machines_own_hub():
    refused = subprocess.run(
        [REPOSITORY / "deploy" / "up", "--gpulab", "2"], capture_output=True, text=True, timeout=60
    )
    assert refused.returncode == 1
    assert "--gpulab needs --root DIR" in refused.stderr
