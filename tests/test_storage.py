"""Where files are: independent places, and no two users in one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_tf29.settings import Settings
from jupyterhub_tf29.spawner.storage import home_choices, home_of, places

SETTINGS = Settings()
NAMES = st.text(min_size=1, max_size=200)
SERVERS = st.from_regex(r"[a-z0-9]{1,10}", fullmatch=True)


def sources(user, server="", home="shared", settings=SETTINGS):
    return {place.target: place.source for place in places(settings, user, server, home)}


def test_three_independent_places():
    assert sources("ada") == {
        "/home/jovyan": "tf29hub-home-ada",
        "/models": "tf29hub-models-ada",
        "/datasets": "tf29hub-datasets",
    }
    read_only = {place.target: place.read_only for place in places(SETTINGS, "ada", "", "shared")}
    assert read_only == {"/home/jovyan": False, "/models": False, "/datasets": True}


def test_a_named_server_shares_the_home_or_has_its_own():
    assert sources("ada", "exam") == sources("ada")
    assert sources("ada", "exam", "own")["/home/jovyan"] == "tf29hub-home-ada_exam"
    assert sources("ada", "exam", "own")["/models"] == sources("ada")["/models"]


def test_the_owner_is_on_the_label_as_the_hub_has_the_name():
    home, models, datasets = places(SETTINGS, "张伟", "exam", "own")
    assert home.labels == {
        "tf29hub.name": "tf29hub", "tf29hub.kind": "home", "tf29hub.user": "张伟", "tf29hub.server": "exam",
    }  # fmt: skip
    assert models.labels["tf29hub.user"] == "张伟"
    assert "tf29hub.user" not in datasets.labels


@pytest.mark.parametrize(
    ("policy", "server", "chosen", "home"),
    [
        ("shared", "exam", "own", "shared"),
        ("own", "exam", None, "own"),
        ("ask", "exam", "own", "own"),
        ("ask", "exam", None, "shared"),
        ("own", "", "own", "shared"),
    ],
    ids=["policy shared", "policy own", "asked, own", "asked, nothing said", "default server"],
)
def test_the_policy_then_the_user_says_which_home(policy, server, chosen, home):
    settings = Settings.model_validate({"storage": {"named_server_home": policy}})
    assert home_of(settings, server, chosen) == home
    assert bool(home_choices(settings, server)) == (policy == "ask" and bool(server))


@given(NAMES, NAMES, SERVERS, SERVERS, st.sampled_from(["shared", "own"]), st.sampled_from(["shared", "own"]))
def test_two_users_never_share_a_home_or_models(user, other, server, other_server, home, other_home):
    if user != other:
        mine, theirs = sources(user, server, home), sources(other, other_server, other_home)
        assert mine["/home/jovyan"] != theirs["/home/jovyan"]
        assert mine["/models"] != theirs["/models"]


def test_a_folder_of_the_machine_is_mounted_as_it_is():
    settings = Settings.model_validate({"storage": {"home": "/srv/homes/{user}"}})
    home = places(settings, "Ada@x", "", "shared")[0]
    assert home.as_docker_mount()["Type"] == "bind"
    assert home.source.startswith("/srv/homes/ada-x--")
