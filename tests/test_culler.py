import pytest
from jupyterhub_idle_culler import IdleCuller
from traitlets.config import Config

from jupyterhub_tf29.arbiter import GpuArbiter
from jupyterhub_tf29.culler import NEVER, culler_arguments, culler_service, make_culler
from jupyterhub_tf29.secretfiles import ensure_secrets, read_secret
from jupyterhub_tf29.settings import Paths, Settings


def culler_with(idle: dict) -> IdleCuller:
    """The culler as our command line sets it up."""
    culler = IdleCuller()
    culler.parse_command_line(culler_arguments(Settings.model_validate({"idle": idle})))
    return culler


@pytest.mark.parametrize(
    ("idle", "timeout", "max_age"),
    [
        ({}, 7200, 0),
        ({"stop_after": "30m", "max_age": "1d"}, 1800, 86400),
        ({"stop_after": 0}, NEVER, 0),
        ({"stop_after": "0s", "max_age": "8h"}, NEVER, 28800),
    ],
    ids=["default", "both limits", "never idle", "by age only"],
)
def test_culler_understands_what_hub_yaml_says(idle, timeout, max_age):
    culler = culler_with(idle)
    assert (culler.timeout, culler.max_age) == (timeout, max_age)


def test_it_asks_the_hub_where_the_hub_listens():
    settings = Settings.model_validate({"network": {"subnet": "10.9.8.0/24"}, "ports": {"hub": 9081}})
    culler = IdleCuller()
    culler.parse_command_line(culler_arguments(settings))
    assert culler.url == "http://10.9.8.1:9081/hub/api"


@pytest.mark.parametrize(("check_every", "expected"), [("5m", 300), (0, 1)])
def test_it_looks_as_often_as_told_and_never_without_a_pause(check_every, expected):
    assert culler_with({"check_every": check_every}).cull_every == expected


def test_it_runs_no_file_of_the_folder_it_is_started_in(tmp_path, monkeypatch):
    (tmp_path / "idle_culler_config.py").write_text("c.IdleCuller.timeout = 1\n")
    monkeypatch.chdir(tmp_path)
    culler = culler_with({})
    assert not culler.config_file
    assert culler.timeout == 7200


def test_its_token_is_not_on_the_command_line_and_its_rights_are_few(tmp_path):
    paths = Paths(config=tmp_path, state=tmp_path / "state", logs=tmp_path)
    ensure_secrets(paths)
    c = Config()
    culler_service(c, Settings(), paths)
    token = read_secret(paths, "culler-token")
    config = c.JupyterHub
    assert config.services.get_value([]) == [{"name": "idle-culler", "api_token": token}]
    (role,) = config.load_roles.get_value([])
    assert role["services"] == ["idle-culler"]
    assert set(role["scopes"]) == {"list:users", "read:users:activity", "read:servers", "delete:servers"}
    assert not any(token in word for word in culler_arguments(Settings()))


@pytest.mark.parametrize(("managed", "asked"), [("auto", True), (True, True), (False, False)])
def test_where_gpus_are_handed_out_the_broker_has_a_say(tmp_path, managed, asked):
    (tmp_path / "profiles.yaml").write_text("profiles:\n- {slug: cpu, display_name: CPU}\n")
    paths = Paths(config=tmp_path, state=tmp_path, logs=tmp_path)
    culler = make_culler(Settings.model_validate({"gpu": {"managed": managed}}), paths)
    assert isinstance(culler.cull_arbiter_hook, GpuArbiter) is asked
    assert culler.timeout == 7200
