"""`tf29hub image` on the real engine, with images so small that they cost nothing."""

from __future__ import annotations

import io
import json
import subprocess

import pytest

from jupyterhub_tf29 import cli
from jupyterhub_tf29.image.build import Plan, build
from jupyterhub_tf29.image.engine import ImageError, building_client
from jupyterhub_tf29.image.store import find

pytestmark = [pytest.mark.docker]


@pytest.fixture
def installation(engine, made, tmp_path, monkeypatch):
    """A configured hub without images; its images are removed at the end. The value is its name."""
    (tmp_path / "config").mkdir()
    text = f"name: {made}\nimage: {{repository: {made}/notebook}}\n"
    (tmp_path / "config/hub.yaml").write_text(text)
    monkeypatch.setenv("TF29HUB_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("TF29HUB_STATE", str(tmp_path / "state"))
    yield made
    for image in engine.images.list(all=True, filters={"label": f"tf29hub.name={made}"}):
        engine.images.remove(image.id, force=True)


@pytest.fixture
def small_image(engine, installation):
    """`small_image(tag)`: an image with a notebook image's labels and nothing in it; its ID."""

    def make(tag: str, kind: str = "notebook", name: str = installation) -> str:
        dockerfile = f'FROM scratch\nLABEL tf29hub.image={kind} tf29hub.name={name} made="{tag}"\n'
        image, _ = engine.images.build(
            fileobj=io.BytesIO(dockerfile.encode()), tag=f"{installation}/notebook:{tag}", rm=True
        )
        return image.id

    return make


@pytest.fixture
def context(tmp_path):
    """A build context that is ready in a second."""
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nARG KERNEL_ID\nCOPY kernel.lock /\n")
    (folder / "kernel.lock").write_text("one\n")
    (folder / ".dockerignore").write_text("*.md\n")
    return folder


@pytest.fixture
def plan(context, installation, engine, stub_image):
    base = engine.images.get(stub_image).tags[0]
    return Plan(context=context, repository=f"{installation}/notebook", installation=installation, base=base)


def test_an_unchanged_image_is_found_and_a_changed_one_built(engine, plan, context, capfd):
    first = build(engine, plan)
    assert "built " in capfd.readouterr().out
    assert build(engine, plan) == first
    assert "nothing to do" in capfd.readouterr().out
    (context / "kernel.lock").write_text("two\n")
    second = build(engine, plan)
    assert second.image_id != first.image_id
    assert second.tag != first.tag


def test_a_build_says_what_it_was_made_of(engine, plan, capfd):
    pin = build(engine, plan)
    assert f"base: image ({plan.base}): asked for with --base" in capfd.readouterr().out
    assert pin.base == plan.base
    labels = engine.images.get(pin.image_id).labels
    assert labels["tf29hub.image"] == "notebook"
    assert labels["tf29hub.name"] == plan.installation


def test_a_failed_build_pins_nothing(plan, context, tmp_path, capfd):
    (context / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nCOPY missing /\n")
    assert cli.main(["image", "build", "--base", plan.base or "", "--context", str(context)]) == 1
    assert "the image could not be built, see above" in capfd.readouterr().err
    assert not (tmp_path / "state/image.json").exists()


def test_build_pins_what_it_built(plan, context, tmp_path, capfd):
    assert cli.main(["image", "build", "--base", plan.base or "", "--context", str(context)]) == 0
    pin = json.loads((tmp_path / "state/image.json").read_text())
    assert pin["reference"] == pin["image_id"]
    assert cli.main(["image", "pin"]) == 0
    assert pin["image_id"][7:19] in capfd.readouterr().out


def test_a_base_that_cannot_be_had_is_named(plan, capfd):
    assert cli.main(["image", "build", "--base", "tf29hub.invalid/none:1", "--context", str(plan.context)]) == 1
    assert "the base tf29hub.invalid/none:1 could not be pulled" in capfd.readouterr().err


def test_prune_keeps_what_is_pinned_used_or_not_ours(engine, small_image, installation, capsys):
    pinned, used, unused = (small_image(tag) for tag in ("pinned", "used", "unused"))
    foreign = small_image("foreign", name="somebodyelse")
    assert cli.main(["image", "pin", f"{installation}/notebook:pinned"]) == 0
    container = engine.containers.create(used, ["x"], labels={"tf29hub.name": installation})
    try:
        assert cli.main(["image", "prune", "--dry-run"]) == 0
        assert f"would remove {unused[7:19]}" in capsys.readouterr().out
        assert engine.images.get(unused)
        assert cli.main(["image", "prune"]) == 0
        left = {image.id for image in engine.images.list()}
        assert {pinned, used, foreign} <= left
        assert unused not in left
        assert cli.main(["image", "list"]) == 0
        told = capsys.readouterr().out.splitlines()
        assert any(pinned[7:19] in line and line.endswith("pinned") for line in told)
        assert any(used[7:19] in line and f"used by {container.name}" in line for line in told)
        assert not any(foreign[7:19] in line for line in told)
    finally:
        container.remove()
        engine.images.remove(foreign, force=True)


def test_without_a_pin_nothing_is_pruned(engine, small_image, capsys):
    image = small_image("alone")
    assert cli.main(["image", "prune"]) == 1
    assert "no image is pinned" in capsys.readouterr().err
    assert engine.images.get(image)


def test_an_image_of_another_architecture_is_refused(engine, installation, tmp_path):
    (tmp_path / "Dockerfile").write_text(
        f"FROM scratch\nLABEL tf29hub.image=notebook tf29hub.name={installation}\n"
    )
    tag = f"{installation}/notebook:arm"
    subprocess.run(
        [building_client(), "build", "--quiet", "--platform", "linux/arm64", "--tag", tag, str(tmp_path)],
        env={"DOCKER_BUILDKIT": "1", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        check=True,
        capture_output=True,
    )
    with pytest.raises(ImageError, match="was built for arm64, and this machine is amd64"):
        find(engine, tag)


def test_an_image_that_is_not_ours_cannot_be_pinned(small_image, installation, capsys, tmp_path):
    small_image("base", kind="base")
    assert cli.main(["image", "pin", f"{installation}/notebook:base"]) == 1
    assert "is not a notebook image of this project" in capsys.readouterr().err
    assert cli.main(["image", "pin", f"{installation}/notebook:none"]) == 1
    assert "the engine has no image" in capsys.readouterr().err
    assert not (tmp_path / "state/image.json").exists()


def test_verify_without_a_pin_says_what_to_run(installation, capsys):
    assert cli.main(["image", "verify"]) == 1
    assert "no image is pinned yet; run: tf29hub image build" in capsys.readouterr().err


def test_no_engine_is_a_sentence(monkeypatch, installation, capsys, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    assert cli.main(["image", "list"]) == 1
    assert "the Docker Engine does not answer" in capsys.readouterr().err
