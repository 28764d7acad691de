"""The notebook image for real: everything that `tf29hub image verify` proves, and what users do to it."""

from __future__ import annotations

import secrets

import pytest

from jupyterhub_tf29.image.box import CheckFailed, opened
from jupyterhub_tf29.image.verify import verify

pytestmark = [pytest.mark.docker, pytest.mark.image]


@pytest.fixture(scope="module")
def image(engine, notebook_image):
    return engine.images.get(notebook_image.image_id)


@pytest.fixture(scope="module")
def box(engine, image, made):
    """One running container for the tests that leave it as it was."""
    with opened(engine, image, made) as box:
        box.wait_for_server()
        yield box


@pytest.fixture
def spoiled(engine, image, made):
    """`spoiled(*changes)`: the image with some of its Dockerfile's instructions changed."""
    tag = f"{made}-spoiled:{secrets.token_hex(4)}"

    def make(*changes: str):
        container = engine.containers.create(image.id, labels={"tf29hub.name": made})
        try:
            container.commit(*tag.split(":"), changes=list(changes))
        finally:
            container.remove()
        return engine.images.get(tag)

    yield make
    engine.images.remove(tag, force=True)


def test_the_image_is_what_the_readme_says(engine, image, made, capsys):
    assert verify(engine, image, made), capsys.readouterr().out
    told = capsys.readouterr().out
    assert "TensorFlow 2.9.3" in told
    assert "everything that was tried holds" in told


def test_verify_leaves_nothing_behind(engine, image, made):
    verify(engine, image, made, only=frozenset({"init"}))
    ours = {"label": ["tf29hub.role=verify", f"tf29hub.name={made}"]}
    with opened(engine, image, made):
        during = engine.containers.list(filters=ours)
    assert {one.name for one in during} - {one.name for one in engine.containers.list(all=True, filters=ours)}


def test_verify_fails_an_image_that_runs_as_root(engine, made, capsys, spoiled):
    assert not verify(engine, spoiled("USER root"), made, only=frozenset({"account", "init"}))
    told = capsys.readouterr().out
    assert "FAILED  account: processes of the users 0" in told
    assert "ok      init" in told


def test_verify_fails_a_server_that_does_not_start(engine, made, capsys, spoiled):
    broken = spoiled("ENV JUPYTER_CONFIG_PATH=/nowhere", "ENV PATH=/usr/bin:/bin")
    assert not verify(engine, broken, made, only=frozenset({"server"}))
    assert "FAILED  server: the container ended" in capsys.readouterr().out


def test_nothing_of_the_image_can_be_written_by_users(box):
    found = box.run("find /opt /usr /etc -xdev -not -type l -writable 2>/dev/null | head -3")
    assert found == ""


def test_the_server_has_no_pip_and_no_kernel_of_its_own(box):
    with pytest.raises(CheckFailed, match="No module named pip"):
        box.run("/opt/jupyter/bin/python -m pip --version")
    with pytest.raises(CheckFailed, match="No module named"):
        box.run("/opt/jupyter/bin/python -c 'import ipykernel'")


def test_the_servers_environment_does_not_see_users_packages(box):
    box.run('mkdir -p "$PYTHONUSERBASE/lib/python3.9/site-packages"')
    box.run('echo "raise SystemExit(7)" > "$PYTHONUSERBASE/lib/python3.9/site-packages/traitlets.py"')
    try:
        with pytest.raises(CheckFailed):
            box.run("python -c 'import traitlets'")
        box.run("/opt/jupyter/bin/python -c 'import traitlets, jupyter_server.serverapp'")
    finally:
        box.run("tf29-packages reset --yes")
    box.run("python -c 'import traitlets'")


def test_packages_of_earlier_images_are_named_and_removed(box):
    info = "~/.tf29/0ld1mage/lib/python3.9/site-packages/fake-1.0.dist-info"
    box.run(f"mkdir -p {info} && printf 'Name: fake\nVersion: 1.0\n' > {info}/METADATA")
    assert "0ld1mage: 1 package(s)" in box.run("tf29-packages old")
    box.run("tf29-packages old --remove")
    assert box.run("tf29-packages old") == "There are no folders of earlier images."


def test_the_command_for_packages_explains_itself(box):
    assert "tf29-packages reset" in box.run("tf29-packages --help")
    with pytest.raises(CheckFailed):
        box.run("tf29-packages everything")


def test_a_login_shell_has_the_kernels_python_first(box):
    assert box.run("command -v python pip tensorboard tflite_convert").split() == [
        f"/opt/tf29/bin/{name}" for name in ("python", "pip", "tensorboard", "tflite_convert")
    ]


def test_tensorboard_is_reached_through_the_servers_proxy(box):
    environment = box.run("tr '\\0' '\\n' < /proc/$(pgrep -o tf29-singleuser)/environ")
    assert "TENSORBOARD_PROXY_URL=/user/verify/proxy/%PORT%/" in environment.splitlines()


def test_the_home_has_links_to_data_sets_and_models(box):
    assert box.run("readlink ~/datasets ~/models").split() == ["/datasets", "/models"]


def test_a_full_home_does_not_stop_a_start(engine, image, made):
    size = {"type": "tmpfs", "device": "tmpfs", "o": "size=1m,uid=1000"}
    with opened(engine, image, made, home_options=size) as box:
        box.wait_for_server()
        # A temporary file system forgets when it is unmounted, so the server is started beside the first one.
        box.run("cat /dev/zero > ~/filling 2>/dev/null || true")
        box.run(
            "JUPYTERHUB_SERVICE_URL=http://0.0.0.0:8889/user/verify/ start-server > /tmp/second.log 2>&1 & "
            "for i in $(seq 300); do curl -sf http://127.0.0.1:8889/user/verify/api && exit; sleep 0.1; done; "
            "exit 1"
        )
        assert "cannot be written" in box.run("cat /tmp/second.log")
        environment = box.run("tr '\\0' '\\n' < /proc/$(pgrep -n tf29-singleuser)/environ").splitlines()
        assert "TF29_HOME_FULL=1" in environment
