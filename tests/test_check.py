from pathlib import Path

import pytest
from traitlets.config import Config

from jupyterhub_tf29.check import check_service, front_url, smallest_profile
from jupyterhub_tf29.profiles import load_profiles
from jupyterhub_tf29.secretfiles import ensure_secrets
from jupyterhub_tf29.settings import Limits, Paths, Settings
from jupyterhub_tf29.yamlfile import ConfigError

MENU = Path(__file__).parent.parent / "config" / "profiles.yaml"


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"address": "0.0.0.0", "port": 80}, "http://127.0.0.1:80"),
        ({"address": "::"}, "http://[::1]:8000"),
        ({"address": "192.0.2.7"}, "http://192.0.2.7:8000"),
    ],
    ids=["default", "every address", "every address, IPv6", "one address"],
)
def test_the_front_is_asked_where_it_listens(listen, url):
    assert front_url(Settings.model_validate({"listen": listen})) == url


def test_the_smallest_workspace_without_a_gpu_is_chosen():
    menu = load_profiles(MENU, Limits()).on_menu(gpus_managed=False)
    assert smallest_profile(list(reversed(menu))).slug == "cpu-small"


def test_an_empty_menu_is_told():
    with pytest.raises(ConfigError, match="no profile without a GPU"):
        smallest_profile([])


def test_its_token_can_delete_users_and_nothing_else(tmp_path):
    paths = Paths(config=tmp_path, state=tmp_path / "state", logs=tmp_path)
    ensure_secrets(paths)
    c = Config()
    check_service(c, Settings(), paths)
    (role,) = c.JupyterHub.load_roles.get_value([])
    assert role["scopes"] == ["delete:users"]
