"""What DockerSpawner's users configure works on TF29Spawner too, or is refused with the reason."""

from __future__ import annotations

import pytest

from tests.docker.inside import run_python

pytestmark = [pytest.mark.docker, pytest.mark.hub]
MiB = 2**20

CONFIG = """
c.TF29Spawner.extra_host_config = {
    "extra_hosts": {"license-server": "192.0.2.7"},
    "oom_score_adj": 100,
    "shm_size": 32 * 2**20,
}
c.TF29Spawner.extra_create_kwargs = {"hostname": "{username}-box", "labels": {"site.room": "B12"}}
c.TF29Spawner.volumes = {"NAME-scratch-{username}": "/scratch"}
c.TF29Spawner.read_only_volumes = {"NAME-lib": {"bind": "/lib-shared", "mode": "ro"}}
c.TF29Spawner.environment = {"SITE": "lab", "WHO": lambda spawner: spawner.user.name}
c.TF29Spawner.cmd = ["start-server", "--admins-own-argument"]
c.TF29Spawner.args = ["--more"]


def before(spawner):
    spawner.environment = {**spawner.environment, "HOOKED": "before"}


async def after(spawner):
    with open(os.path.join(os.environ["TF29HUB_STATE"], "after-stop"), "a") as file:
        file.write(spawner.user.name + chr(10))


import os

c.TF29Spawner.pre_spawn_hook = before
c.TF29Spawner.post_stop_hook = after
"""


@pytest.fixture(scope="module")
def hub(engine, stub_image, tmp_path_factory):
    from tests.hubs.running import RunningHub

    made = RunningHub(tmp_path_factory.mktemp("configured") / "hub", engine, stub_image, extra="NAMEPLATE")
    config = made.paths.config / "jupyterhub_config.py"
    config.write_text(config.read_text().replace("NAMEPLATE", CONFIG.replace("NAME-", f"{made.name}-")))
    try:
        made.start()
        made.api.start("ada")
        yield made
    finally:
        made.close()
        for volume in ("scratch-ada", "lib"):
            engine.api.remove_volume(f"{made.name}-{volume}", force=True)


@pytest.fixture(scope="module")
def attributes(hub):
    return hub.container("ada").attrs


def test_extra_host_config_wins_over_our_defaults(attributes):
    host = attributes["HostConfig"]
    assert host["ExtraHosts"] == ["license-server:192.0.2.7"]
    assert host["OomScoreAdj"] == 100
    assert host["ShmSize"] == 32 * MiB


def test_extra_create_kwargs(attributes):
    assert attributes["Config"]["Hostname"] == "ada-box"
    assert attributes["Config"]["Labels"]["site.room"] == "B12"
    assert attributes["Config"]["Labels"]["tf29hub.user"] == "ada", "ours are still there"


def test_volumes_beside_ours(hub, attributes):
    mounts = {mount["Destination"]: mount for mount in attributes["Mounts"]}
    assert mounts["/scratch"]["Name"] == f"{hub.name}-scratch-ada"
    assert mounts["/lib-shared"]["RW"] is False
    assert {"/home/jovyan", "/models", "/datasets"} <= set(mounts)


def test_environment_with_callables_and_hooks(hub):
    read = "import os; print(os.environ['SITE'], os.environ['WHO'], os.environ['HOOKED'])"
    assert run_python(hub.container("ada"), read) == "lab ada before"


def test_cmd_and_args(attributes):
    assert attributes["Config"]["Cmd"] == ["start-server", "--admins-own-argument", "--more"]


def test_the_hook_after_a_stop_runs(hub):
    hub.api.start("bea")
    hub.api.stop("bea")
    assert (hub.paths.state / "after-stop").read_text().splitlines() == ["bea"]
    hub.engine.api.remove_volume(f"{hub.name}-scratch-bea", force=True)


MENULESS = """
c.TF29Spawner.profiles = None
c.TF29Spawner.use_pinned_image = False
c.TF29Spawner.pull_policy = "never"
c.TF29Spawner.allowed_images = {"plain": "IMAGE", "other": "OTHER"}
c.TF29Spawner.mem_limit = "96M"
c.TF29Spawner.cpu_limit = 0.5
c.TF29Spawner.name_template = "{prefix}-mine-{username}-{servername}"
"""


def test_without_the_menu_it_is_a_dockerspawner(make_hub, engine, stub_image):
    """allowed_images, mem_limit, cpu_limit, name_template: where an admin puts the menu aside."""
    other = engine.images.get(stub_image)
    hub = make_hub(extra=MENULESS.replace("IMAGE", stub_image).replace("OTHER", other.tags[0]))
    hub.api.start("cleo", options={"image": "other"})
    attributes = hub.container("cleo").attrs
    assert attributes["Config"]["Image"] == other.tags[0]
    assert attributes["HostConfig"]["Memory"] == 96 * MiB
    assert attributes["HostConfig"]["CpuQuota"] / attributes["HostConfig"]["CpuPeriod"] == 0.5
    assert attributes["Name"].startswith(f"/{hub.name}-mine-cleo")
    assert attributes["HostConfig"]["CapDrop"] == ["ALL"]
    hub.api.stop("cleo")
    assert hub.api.ask_start("cleo", options={"image": "evil"}).status_code >= 400
    assert hub.containers() == []
    with hub.browser("dora") as browser:
        page = browser.menu().text
        assert "plain" in page
        assert "other" in page


REFUSED = {
    "remove": ("c.TF29Spawner.remove = False", "remove"),
    "remove by its own class": ("c.DockerSpawner.remove = False", "remove"),
}


@pytest.mark.parametrize(("line", "said"), REFUSED.values(), ids=REFUSED)
def test_what_would_break_promises_is_refused_before_anybody_signs_in(make_hub, line, said):
    hub = make_hub(extra=line, start=False)
    result = hub.run_command("hub", "--check-config")
    assert result.returncode == 1, result.stdout
    assert said in result.stderr
    assert "Traceback" not in result.stderr


UNSAFE = {
    "privileged": ('{"privileged": True}', "Privileged"),
    "host's processes": ('{"pid_mode": "host"}', "PidMode"),
    "host's network": ('{"network_mode": "host"}', "host"),
}


@pytest.mark.parametrize(("extra", "said"), UNSAFE.values(), ids=UNSAFE)
def test_what_would_undo_isolation_is_refused(make_hub, extra, said):
    hub = make_hub(extra=f"c.TF29Spawner.extra_host_config = {extra}", start=False)
    early = hub.run_command("hub", "--check-config")
    if early.returncode == 0:
        hub.start()
        answer = hub.api.ask_start("eva")
        assert answer.status_code >= 500
        assert "tell the admin" in answer.json()["message"]
        assert said in hub.log()
        assert hub.containers() == []
    else:
        assert said in early.stderr
