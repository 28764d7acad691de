from datetime import datetime, timezone
from pathlib import Path

import bcrypt
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from traitlets.config import Config

from jupyterhub_tf29.proxy import API, API_USER, FRONT, configure_proxy, static_config, write_config
from jupyterhub_tf29.secretfiles import SecretError, ensure_secrets, read_secret
from jupyterhub_tf29.settings import Paths, Settings


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(config=tmp_path / "config", state=tmp_path / "state", logs=tmp_path / "logs")
    ensure_secrets(paths)
    return paths


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ({}, "127.0.0.1:8000"),
        ({"address": "0.0.0.0", "port": 80}, "0.0.0.0:80"),
        ({"address": "::1", "port": 8080}, "[::1]:8080"),
    ],
    ids=["default", "every address", "IPv6"],
)
def test_both_sides_agree_on_the_front(paths, listen, address):
    settings = Settings.model_validate({"listen": listen})
    c = Config()
    configure_proxy(c, settings, paths)
    static = static_config(settings, paths)
    assert static["entryPoints"][FRONT]["address"] == address
    assert c.JupyterHub.bind_url == f"http://{address}"
    assert c.TraefikProxy.traefik_entrypoint in static["entryPoints"]
    assert c.TraefikProxy.traefik_api_entrypoint in static["entryPoints"]


def test_api_is_on_loopback_at_the_port_that_the_hub_asks(paths):
    settings = Settings.model_validate({"ports": {"proxy_api": 9199}})
    c = Config()
    configure_proxy(c, settings, paths)
    assert static_config(settings, paths)["entryPoints"][API]["address"] == "127.0.0.1:9199"
    assert c.TraefikProxy.traefik_api_url == "http://127.0.0.1:9199"


def test_files_parse_back_and_the_password_opens_the_api(paths):
    settings = Settings()
    static = yaml.safe_load(write_config(settings, paths).read_text())
    assert static == static_config(settings, paths)
    rules = yaml.safe_load((paths.proxy / "rules" / "api.yaml").read_text())
    user, hashed = rules["http"]["middlewares"]["proxy-api-password"]["basicAuth"]["users"][0].split(":", 1)
    c = Config()
    configure_proxy(c, settings, paths)
    assert user == c.TraefikProxy.traefik_api_username == API_USER
    assert bcrypt.checkpw(c.TraefikProxy.traefik_api_password.encode(), hashed.encode())
    router = rules["http"]["routers"]["proxy-api"]
    assert router["entryPoints"] == [API], "the API must not be on the front"
    assert router["middlewares"] == ["proxy-api-password"]


def test_traefik_is_given_a_certificate_and_its_key(paths):
    write_config(Settings(), paths)
    rules = yaml.safe_load((paths.proxy / "rules" / "tls.yaml").read_text())
    pair = rules["tls"]["stores"]["default"]["defaultCertificate"]
    certificate = x509.load_pem_x509_certificate(pair["certFile"].encode())
    key = serialization.load_pem_private_key(pair["keyFile"].encode(), password=None)
    assert key.public_key() == certificate.public_key()
    assert certificate.not_valid_after_utc.year > datetime.now(timezone.utc).year + 5


def test_nothing_of_the_proxy_is_for_others_to_read(paths):
    write_config(Settings(), paths)
    files = [path for path in paths.proxy.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"traefik.yaml", "api.yaml", "tls.yaml"}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    password = read_secret(paths, "proxy-api-password")
    assert not any(password in path.read_text() for path in files)


def test_the_hubs_rules_outlive_a_restart_of_the_proxy(paths):
    write_config(Settings(), paths)
    c = Config()
    configure_proxy(c, Settings(), paths)
    hubs = Path(c.TraefikFileProviderProxy.dynamic_config_file)
    assert str(hubs.parent) == static_config(Settings(), paths)["providers"]["file"]["directory"]
    hubs.write_text("# a route\n")
    write_config(Settings(), paths)
    assert hubs.read_text() == "# a route\n"


def test_slow_uploads_are_not_cut(paths):
    timeouts = static_config(Settings(), paths)["entryPoints"][FRONT]["transport"]["respondingTimeouts"]
    assert timeouts["readTimeout"] == "0s"


def test_the_hub_neither_starts_nor_stops_the_proxy(paths):
    c = Config()
    configure_proxy(c, Settings(), paths)
    assert c.Proxy.should_start is False
    assert c.JupyterHub.cleanup_proxy is False
    assert c.TraefikProxy.enable_setup_dynamic_config is False


def test_a_missing_password_is_told(paths):
    (paths.secrets / "proxy-api-password").unlink()
    with pytest.raises(SecretError, match="proxy-api-password: this secret is missing"):
        configure_proxy(Config(), Settings(), paths)
