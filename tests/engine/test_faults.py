"""The faulty socket spoils what it is told to, and nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import docker.errors
import pytest
import requests

from tests.engine.faults import FaultySocket

pytestmark = pytest.mark.docker


@pytest.fixture
def faults(engine: docker.DockerClient, tmp_path: Path) -> Iterator[FaultySocket]:
    with FaultySocket(tmp_path / "docker.sock") as faulty:
        yield faulty


@pytest.fixture
def client(faults: FaultySocket) -> Iterator[docker.DockerClient]:
    made = docker.DockerClient(base_url=faults.url, timeout=20)
    yield made
    made.close()


def test_passes_everything_on_until_told_otherwise(client, engine, faults):
    assert client.version()["ApiVersion"] == engine.version()["ApiVersion"]
    assert faults.count("GET", "^/version$") >= 1


def test_fails_the_chosen_calls_only(client, faults):
    faults.fail("GET", r"^/info", status=500, times=1)
    with pytest.raises(docker.errors.APIError, match="ordered by a test") as caught:
        client.info()
    assert caught.value.status_code == 500
    assert client.ping()
    assert client.info()["ID"], "times=1 was used up"


def test_refuses_connections_and_heals(client, faults):
    faults.refuse()
    with pytest.raises(requests.exceptions.ConnectionError):
        client.ping()
    faults.heal()
    assert client.ping()


def test_cuts_without_an_answer(client, faults):
    faults.cut("GET", "^/_ping")
    with pytest.raises(requests.exceptions.ConnectionError):
        client.ping()


def test_holds_a_request_until_released(client, faults):
    held = faults.hold("GET", "^/info")
    answers: list[dict] = []
    asking = threading.Thread(target=lambda: answers.append(client.info()))
    asking.start()
    assert held.arrived.wait(10)
    assert not answers
    held.release()
    asking.join(10)
    assert answers


def test_holds_an_answer_after_the_engine_has_acted(client, engine, faults, made, stub_image):
    held = faults.hold("POST", "^/containers/create", after_engine=True)
    asking = threading.Thread(
        target=lambda: client.containers.create(stub_image, name=f"{made}-held", labels={"tf29hub.name": made})
    )
    asking.start()
    assert held.arrived.wait(10)
    assert engine.containers.get(f"{made}-held").status == "created"
    held.release()
    asking.join(10)


def test_streams_and_exec_work_through_it(client, engine, made, stub_image):
    container = client.containers.run(stub_image, detach=True, labels={"tf29hub.name": made})
    since = int(time.time()) - 5
    code, output = container.exec_run(["python3", "-c", "print('inside')"])
    assert (code, output.strip()) == (0, b"inside")
    container.remove(force=True)
    events = client.events(
        since=since, until=int(time.time()) + 1, decode=True, filters={"container": container.id}
    )
    assert "destroy" in [event["Action"] for event in events]


def test_counts_calls_under_way(client, faults):
    held = faults.hold("GET", "^/_ping")
    asking = [threading.Thread(target=client.ping) for _ in range(3)]
    for thread in asking:
        thread.start()
    held.arrived.wait(10)
    end = time.monotonic() + 10
    while faults.most_at_once["GET /_ping"] < 3 and time.monotonic() < end:
        time.sleep(0.05)
    held.release()
    for thread in asking:
        thread.join(10)
    assert faults.most_at_once["GET /_ping"] == 3
