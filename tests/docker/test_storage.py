"""Whose files are where: no two users ever meet, named servers have a say, a full home stops nobody else."""

from __future__ import annotations

import pytest

from jupyterhub_tf29.spawner.naming import slug
from tests.docker.inside import run_python
from tests.ours import NAME_LABEL

pytestmark = [pytest.mark.docker, pytest.mark.hub]

LEGAL_NAMES = [
    "ann.lee",
    "ann-lee",
    "ann_lee",
    "annlee",
    "ann@lee.example",
    "Ann.Lee",
    "ann--lee",
    "王小明",
    "王小红",
    "müller",
    "muller",
    "x" * 200,
    "x" * 199 + "y",
    "{username}",
    "a b",
]

# Every name that JupyterHub can hold, not only those that our sign-in gives out.
ANY_NAME = """
from jupyterhub.auth import DummyAuthenticator


class AnyName(DummyAuthenticator):
    def normalize_username(self, name):
        return name


c.JupyterHub.authenticator_class = AnyName
c.Authenticator.allow_all = True
"""


def volume_at(container, target: str) -> str:
    (name,) = [mount["Name"] for mount in container.attrs["Mounts"] if mount["Destination"] == target]
    return name


def test_no_two_names_ever_meet_in_one_volume(make_hub):
    hub = make_hub(extra=ANY_NAME, settings={"limits": {"memory_guarantee": "8M"}})
    homes, models = {}, {}
    for name in LEGAL_NAMES:
        hub.api.start(name)
        container = hub.container(name)
        homes[name], models[name] = volume_at(container, "/home/jovyan"), volume_at(container, "/models")
        for folder in ("/home/jovyan", "/models"):
            write = f"import os; print(os.listdir('{folder}')); open('{folder}/whose', 'w').write({name!r})"
            assert "whose" not in run_python(container, write), f"{name} finds the files of somebody else"
    assert len({*homes.values(), *models.values()}) == 2 * len(LEGAL_NAMES)
    datasets = {volume_at(container, "/datasets") for container in hub.containers()}
    assert len(datasets) == 1, "data sets are shared by all"
    for name in LEGAL_NAMES:
        read = "print(open('/home/jovyan/whose').read())"
        assert run_python(hub.container(name), read) == name
        volume = hub.engine.volumes.get(homes[name])
        assert volume.attrs["Labels"] == {
            NAME_LABEL: hub.name,
            "tf29hub.kind": "home",
            "tf29hub.user": name,
        }


def test_a_named_server_shares_the_home_or_has_its_own(stub_hub):
    stub_hub.api.start("wanda")
    stub_hub.api.start("wanda", "together", {"home": "shared"})
    stub_hub.api.start("wanda", "apart", {"home": "own"})
    homes = {
        server: volume_at(stub_hub.container("wanda", server), "/home/jovyan")
        for server in ("", "together", "apart")
    }
    assert homes[""] == homes["together"]
    assert homes["apart"] not in (homes[""],)
    models = {volume_at(container, "/models") for container in stub_hub.containers("wanda")}
    assert len(models) == 1, "models are the user's, whichever server"
    for server in ("", "together", "apart"):
        stub_hub.api.stop("wanda", server)


def test_the_default_server_is_not_asked_about_its_home(stub_hub):
    answer = stub_hub.api.ask_start("wilma", options={"home": "own"})
    assert answer.status_code == 400
    assert "home" in answer.json()["message"]


@pytest.mark.parametrize("policy", ["shared", "own"])
def test_the_admin_decides_for_all_named_servers(make_hub, policy):
    hub = make_hub(settings={"storage": {"named_server_home": policy}})
    hub.api.start("xena")
    hub.api.start("xena", "second")
    same = volume_at(hub.container("xena", ""), "/home/jovyan") == volume_at(
        hub.container("xena", "second"), "/home/jovyan"
    )
    assert same == (policy == "shared")
    refused = hub.api.ask_start("xena", "third", {"home": "own" if policy == "shared" else "shared"})
    assert refused.status_code == 400, "what is not asked cannot be chosen"


def test_a_home_that_is_full_at_first_start_says_so_and_stops_nobody_else(stub_hub):
    stub_hub.engine.volumes.create(
        f"{stub_hub.name}-home-{slug('yara')}",
        driver_opts={"type": "tmpfs", "device": "tmpfs", "o": "size=64k"},
        labels={NAME_LABEL: stub_hub.name},
    )
    answer = stub_hub.api.ask_start("yara")
    assert answer.status_code == 507, answer.text
    assert "no space left" in answer.json()["message"]
    assert stub_hub.containers("yara") == []
    line = next(line for line in stub_hub.log().splitlines() if "yara" in line and "did not start" in line)
    assert f"{stub_hub.name}-yara" in line
    stub_hub.api.start("yvonne")
    stub_hub.api.stop("yvonne")


def test_a_shared_folder_that_is_missing_is_told_and_not_made(make_hub, tmp_path):
    missing = tmp_path / "datasets"
    hub = make_hub(settings={"storage": {"datasets": str(missing)}})
    answer = hub.api.ask_start("zoe")
    assert answer.status_code == 500
    assert "missing" in answer.json()["message"]
    assert not missing.exists()
    assert str(missing) in hub.log()
    missing.mkdir()
    (missing / "digits.csv").write_text("0,1\n")
    hub.api.start("zoe")
    assert run_python(hub.container("zoe"), "print(open('/datasets/digits.csv').read())") == "0,1"
