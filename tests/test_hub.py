"""configure() turns the three files into traitlets; what an admin sets after it wins."""

from pathlib import Path

import pytest
from traitlets.config import Config

from jupyterhub_tf29 import configure
from jupyterhub_tf29.secretfiles import ensure_secrets
from jupyterhub_tf29.settings import Paths
from jupyterhub_tf29.yamlfile import ConfigError

EXAMPLES = Path(__file__).parent.parent / "config"


@pytest.fixture
def configured(tmp_path, monkeypatch):
    monkeypatch.setenv("TF29HUB_STATE", str(tmp_path))
    monkeypatch.setenv("TF29HUB_CONFIG", str(tmp_path / "etc"))
    monkeypatch.delenv("TF29HUB_DATABASE_URL", raising=False)
    ensure_secrets(Paths.from_environment())

    def do(hub_yaml=None):
        config_dir = tmp_path / "etc"
        config_dir.mkdir(exist_ok=True)
        for name in ("hub.yaml", "profiles.yaml"):
            (config_dir / name).write_text((EXAMPLES / name).read_text(encoding="utf-8"), encoding="utf-8")
        if hub_yaml is not None:
            (config_dir / "hub.yaml").write_text(hub_yaml, encoding="utf-8")
        c = Config()
        configure(c)
        return c

    return do


def test_the_examples_make_a_hub(configured, tmp_path):
    c = configured()
    assert c.JupyterHub.spawner_class == "jupyterhub_tf29.spawner.tf29.TF29Spawner"
    assert (c.JupyterHub.hub_ip, c.JupyterHub.hub_port) == ("172.29.0.1", 8081)
    assert c.JupyterHub.db_url == f"sqlite:///{tmp_path}/jupyterhub.sqlite"
    assert c.JupyterHub.cleanup_servers is False
    assert c.TF29Spawner.profiles.get().profiles[0].slug == "cpu-small"


def test_settings_reach_their_traits(configured):
    c = configured("name: lab\nnetwork: {subnet: 10.9.0.0/24}\nports: {hub: 9081}\nnamed_servers: 0\n")
    assert (c.JupyterHub.hub_ip, c.JupyterHub.hub_port) == ("10.9.0.1", 9081)
    assert c.JupyterHub.allow_named_servers is False
    assert c.TF29Spawner.settings.name == "lab"


def test_the_database_comes_from_the_environment_or_a_secret_and_never_from_the_files(
    configured, tmp_path, monkeypatch
):
    (tmp_path / "secrets" / "database-url").write_text("postgresql://hub:pw@db/hub\n")
    assert configured().JupyterHub.db_url == "postgresql://hub:pw@db/hub"
    monkeypatch.setenv("TF29HUB_DATABASE_URL", "postgresql://other")
    assert configured().JupyterHub.db_url == "postgresql://other"


def test_a_broken_file_stops_the_start_with_file_line_and_key(configured):
    with pytest.raises(ConfigError, match=r"hub\.yaml:1: limts: there is no such setting"):
        configured("limts: {}\n")


def test_the_shipped_configuration_file_is_short_and_lets_the_admin_win():
    lines = (EXAMPLES / "jupyterhub_config.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 30
    assert lines[-1] == "configure(c)"
