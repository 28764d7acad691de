import pytest
from traitlets.config import Config

from jupyterhub_tf29.console.command import hub_sign_in
from jupyterhub_tf29.console.people import SCOPES
from jupyterhub_tf29.console.registration import console_service
from jupyterhub_tf29.secretfiles import SecretError, ensure_secrets, read_secret
from jupyterhub_tf29.settings import Paths, Settings


@pytest.fixture
def paths(tmp_path):
    paths = Paths(config=tmp_path, state=tmp_path / "state", logs=tmp_path)
    ensure_secrets(paths)
    return paths


def registered(settings, paths):
    c = Config()
    c.JupyterHub.template_vars = {"hub_title": "Here"}
    console_service(c, Settings.model_validate(settings), paths)
    return c.JupyterHub


def test_the_hub_finds_it_where_it_listens_and_lets_every_user_in(paths):
    hub = registered({"ports": {"console": 9082}}, paths)
    (service,) = hub.services.get_value([])
    assert service["url"] == "http://127.0.0.1:9082"
    assert service["api_token"] == read_secret(paths, "console-token")
    assert hub.custom_scopes.get_value({}) == SCOPES
    assert hub.extra_user_scopes.get_value(set()) == {"access:services!service=gpus", "custom:gpus:own"}
    assert hub.template_vars == {"hub_title": "Here", "gpus_url": "/services/gpus/"}


def test_its_browsers_tokens_can_do_nothing_at_the_hub(paths):
    (service,) = registered({}, paths).services.get_value([])
    assert [scope for scope in service["oauth_client_allowed_scopes"] if not scope.startswith("custom:gpus")] == []


def test_a_hub_that_hands_out_no_gpus_has_no_page(paths):
    hub = registered({"gpu": {"managed": False}}, paths)
    assert "services" not in hub
    assert hub.template_vars == {"hub_title": "Here"}


def test_without_its_token_it_does_not_start(paths):
    (paths.secrets / "console-token").unlink()
    with pytest.raises(SecretError, match="console-token"):
        hub_sign_in(Settings(), paths)


def test_it_asks_the_hub_where_the_hub_listens(paths, monkeypatch):
    settings = Settings.model_validate({"network": {"subnet": "10.9.8.0/24"}, "ports": {"hub": 9081}})
    sign_in = hub_sign_in(settings, paths)
    assert sign_in.api_url == "http://10.9.8.1:9081/hub/api"
    assert sign_in.base_url == "/services/gpus/"
    monkeypatch.setenv("JUPYTERHUB_BASE_URL", "/lab/")
    below = hub_sign_in(settings, paths)
    assert (below.base_url, below.hub_prefix) == ("/lab/services/gpus/", "/lab/hub/")
    assert below.api_url == "http://10.9.8.1:9081/lab/hub/api"
