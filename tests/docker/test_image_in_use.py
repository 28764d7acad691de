"""Which image runs: the pinned one, by its id; and what is said when it cannot."""

from __future__ import annotations

import pytest

from tests.stub.image import ensure_foreign_image

pytestmark = [pytest.mark.docker, pytest.mark.hub]


@pytest.fixture(scope="module")
def hub(engine, stub_image, tmp_path_factory):
    from tests.hubs.running import RunningHub

    made = RunningHub(tmp_path_factory.mktemp("image") / "hub", engine, stub_image)
    try:
        made.start()
        yield made
    finally:
        made.close()


def test_everybody_runs_the_pinned_image_by_its_id(hub, stub_image):
    for name in ("ada", "bea"):
        hub.api.start(name)
        attributes = hub.container(name).attrs
        assert attributes["Image"] == stub_image
        assert attributes["Config"]["Image"] == stub_image, "not by a tag, which can move"
        hub.api.stop(name)


def refused(hub, name: str) -> str:
    answer = hub.api.ask_start(name)
    assert answer.status_code == 503, answer.text
    assert hub.containers(name) == []
    line = next(line for line in hub.log().splitlines() if name in line and "did not start" in line)
    assert f"{hub.name}-{name}" in line
    return answer.json()["message"]


def test_an_image_that_is_missing(hub, stub_image):
    hub.pin_image("sha256:" + "0" * 64)
    assert "image is not on this machine" in refused(hub, "cleo")
    assert "No such image" in hub.log()
    hub.pin_image(stub_image)


def test_no_image_was_ever_built(hub, stub_image):
    hub.paths.image_pin.unlink()
    assert "image is not on this machine" in refused(hub, "dora")
    assert "tf29hub image build" in hub.log(), "the admin learns what to do"
    hub.pin_image(stub_image)


def test_an_image_for_another_kind_of_machine(hub, engine, stub_image):
    foreign = ensure_foreign_image(engine, stub_image)
    hub.pin_image(foreign)
    message = refused(hub, "eva")
    assert engine.images.get(foreign).attrs["Architecture"] in message
    hub.pin_image(stub_image)
    hub.api.start("eva")
    hub.api.stop("eva")


def test_the_network_is_missing(make_hub):
    hub = make_hub(extra='c.TF29Spawner.network_name = "absent"')
    assert "network of the workspaces is missing" in refused(hub, "fay")


def test_the_hub_does_not_start_without_its_network_and_says_so(make_hub):
    hub = make_hub(start=False, settings={"network": {"subnet": "10.255.255.0/28"}})
    other = hub.run_command("hub")
    (network,) = hub.engine.networks.list(names=[hub.name])
    network.remove()
    none = hub.run_command("hub")
    for result, said in ((other, "10.255.255.0/28"), (none, "there is no Docker network")):
        assert result.returncode == 1
        assert said in result.stderr
        assert hub.name in result.stderr
        assert "deploy/up" in result.stderr
        assert "Traceback" not in result.stderr


def test_a_container_of_somebody_else_with_our_name_is_not_taken(hub, engine, stub_image):
    bystander = engine.containers.create(
        stub_image, name=f"{hub.name}-gus", labels={"tf29hub.name": f"{hub.name}x"}
    )
    try:
        answer = hub.api.ask_start("gus")
        assert answer.status_code >= 500
        assert "name is taken" in answer.json()["message"]
        bystander.reload()
        assert bystander.status == "created"
    finally:
        bystander.remove(force=True)
