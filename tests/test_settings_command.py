import shlex
import subprocess
from pathlib import Path

import pytest

from jupyterhub_tf29.cli import CommandError, main
from jupyterhub_tf29.settings import Settings, load_settings
from jupyterhub_tf29.settings_command import change_settings, shell_assignment
from jupyterhub_tf29.yamlfile import ConfigError

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture
def hub_yaml(tmp_path: Path) -> Path:
    path = tmp_path / "hub.yaml"
    path.write_text((REPOSITORY / "config" / "hub.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return path


def test_a_change_keeps_every_other_line(hub_yaml):
    before = hub_yaml.read_text().splitlines()
    said = change_settings(hub_yaml, ["listen.port=8801", "network.subnet=172.30.5.0/24"])
    after = hub_yaml.read_text().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [
        ("  port: 8000", "  port: 8801"),
        ("  subnet: 172.29.0.0/16", "  subnet: 172.30.5.0/24"),
    ]
    assert said[0] == "hub.yaml: listen.port is 8801 now, was 8000"


def test_what_is_so_already_is_not_told_and_nothing_is_written(hub_yaml):
    stamp = hub_yaml.stat().st_mtime_ns
    assert change_settings(hub_yaml, ["listen.port=8000"]) == []
    assert hub_yaml.stat().st_mtime_ns == stamp


def test_a_key_that_was_not_in_the_file_is_added(hub_yaml):
    hub_yaml.write_text("name: here\n")
    change_settings(hub_yaml, ["idle.stop_after=3h"])
    assert load_settings(hub_yaml.parent).idle.stop_after == 3 * 3600


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("listen.port=abc", "hub.yaml:14: listen.port: input should be a valid integer"),
        ("listen.prot=1", "listen.prot: there is no such setting"),
        ("name=../x", "name: string should match pattern"),
    ],
)
def test_a_wrong_value_is_told_with_its_place_and_changes_nothing(hub_yaml, change, sentence):
    before = hub_yaml.read_text()
    with pytest.raises(ConfigError) as caught:
        change_settings(hub_yaml, ["title=Changed", change])
    assert sentence in str(caught.value)
    assert str(hub_yaml) in str(caught.value)
    assert hub_yaml.read_text() == before
    assert [path.name for path in hub_yaml.parent.iterdir()] == ["hub.yaml"], "no draft is left behind"


def test_a_word_without_equals_is_told(hub_yaml):
    with pytest.raises(CommandError, match=r"expected KEY=VALUE such as listen\.port=8080, found 'port'"):
        change_settings(hub_yaml, ["port"])


@pytest.mark.parametrize("value", ["$(touch x)", "a'b", "a b; rm -rf /", "`id`", "\\", "中文"])
def test_a_shell_reads_a_value_and_runs_none(value, tmp_path):
    script = f'{shell_assignment("title", value)}; printf %s "$hub_title"'
    said = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert said.stdout == value
    assert list(tmp_path.iterdir()) == []


def test_show_prints_what_is_in_force(hub_yaml, monkeypatch, capsys):
    hub_yaml.write_text("listen: {port: 8123}\nnetwork: {subnet: 10.1.2.0/24}\n")
    monkeypatch.setenv("TF29HUB_CONFIG", str(hub_yaml.parent))
    assert main(["settings", "show", "--shell"]) == 0
    lines = dict(shlex.split(line)[0].split("=", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["hub_listen_port"] == "8123"
    assert lines["hub_network_gateway"] == "10.1.2.1"
    assert lines["hub_name"] == Settings().name


def test_the_scripts_defaults_are_the_schemas():
    """deploy/up checks ports before there is anything to read hub.yaml with."""
    script = f". {REPOSITORY}/deploy/lib/config.sh; declare -p ${{!hub_@}}"
    said = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
    found = dict(shlex.split(line)[2].split("=", 1) for line in said.splitlines())
    settings = Settings()
    assert found == {
        "hub_name": settings.name,
        "hub_listen_address": settings.listen.address,
        "hub_listen_port": str(settings.listen.port),
        "hub_tls_mode": settings.tls.mode,
        "hub_tls_redirect_port": str(settings.tls.redirect_port),
        "hub_front_url": settings.front.url,
        "hub_ports_hub": str(settings.ports.hub),
        "hub_ports_proxy_api": str(settings.ports.proxy_api),
        "hub_ports_console": str(settings.ports.console),
        "hub_network_subnet": settings.network.subnet,
        "hub_network_gateway": settings.network.gateway,
        "hub_storage_datasets": settings.storage.datasets,
    }
