"""`front`, `tls` and `sessions` of hub.yaml, and what becomes of them in JupyterHub and in Traefik."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
import yaml
from pydantic import ValidationError
from traitlets.config import Config

from jupyterhub_tf29.audit import trail
from jupyterhub_tf29.front.authority import ensure_self_signed, server_pair
from jupyterhub_tf29.front.configure import configure_front
from jupyterhub_tf29.front.ourselves import front_context, front_url, local_url, session_to_front
from jupyterhub_tf29.front.tls import HSTS, check_pair
from jupyterhub_tf29.proxy import FRONT, REDIRECT, static_config, write_certificate
from jupyterhub_tf29.settings import Paths, Settings
from jupyterhub_tf29.yamlfile import ConfigError


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(config=tmp_path, state=tmp_path / "state", logs=tmp_path)
    (paths.proxy / "rules").mkdir(parents=True)
    return paths


def settings(**sections: object) -> Settings:
    return Settings.model_validate(sections)


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"front": {"url": "hub.example.edu"}}, "expected an address such as https://hub.example.edu"),
        ({"front": {"url": "https://hub.example.edu/jupyter"}}, "expected an address"),
        ({"front": {"url": "https://hub.example.edu?x=1"}}, "expected an address"),
        ({"front": {"subdomains": True}}, "needs front.url"),
        ({"front": {"trusted_proxies": ["nginx"]}}, "nginx"),
        ({"front": {"trusted_proxies": ["0.0.0.0/0"]}}, "is everybody"),
        ({"tls": {"mode": "files"}}, "needs tls.certificate and tls.key"),
        ({"tls": {"mode": "on"}}, "self-signed"),
        ({"sessions": {"lifetime": "10s"}}, "300"),
        ({"sessions": {"disabled_servers": "pause"}}, "stop"),
        ({"lockout": {"account_tries": 1}}, "5"),
    ],
)
def test_what_cannot_be_meant_is_said(sections, told):
    with pytest.raises(ValidationError, match=told.replace("?", r"\?")):
        settings(**sections)


def test_off_needs_no_quotes():
    assert settings(**yaml.safe_load("tls: {mode: off}")).tls.mode == "off"


class TestJupyterHub:
    @pytest.fixture(autouse=True)
    def trail_of_others(self, monkeypatch):
        monkeypatch.setattr(trail, "_trail", None)

    def test_sessions(self, paths):
        c = Config()
        configure_front(c, settings(sessions={"lifetime": "12h", "remembered_by_servers": "30s"}), paths)
        assert c.JupyterHub.cookie_max_age_days == 0.5
        assert c.JupyterHub.oauth_token_expires_in == 12 * 3600
        assert "--HubOAuth.cache_max_age=30" in c.TF29Spawner.args
        assert "public_url" not in c.JupyterHub

    def test_cookies_are_secure_where_browsers_come_by_tls(self, paths):
        for sections, secure in (
            ({}, None),
            ({"tls": {"mode": "self-signed"}}, True),
            ({"front": {"url": "https://hub.example.edu"}}, True),
            ({"front": {"url": "http://hub.example.edu"}}, None),
        ):
            c = Config()
            configure_front(c, settings(**sections), paths)
            options = c.JupyterHub.tornado_settings["cookie_options"]
            assert (options.get("secure"), options["samesite"]) == (secure, "Lax")

    def test_subdomains(self, paths):
        c = Config()
        configure_front(c, settings(front={"url": "https://hub.example.edu", "subdomains": True}), paths)
        assert c.JupyterHub.subdomain_host == "https://hub.example.edu"
        assert c.JupyterHub.public_url == "https://hub.example.edu/"
        assert c.JupyterHub.cookie_host_prefix_enabled is True


class TestTraefik:
    def test_without_tls(self, paths):
        points = static_config(settings(tls={"redirect_port": 80}), paths)["entryPoints"]
        assert "tls" not in points[FRONT]["http"]
        assert "forwardedHeaders" not in points[FRONT]
        assert REDIRECT not in points

    def test_a_proxy_before_it_is_believed(self, paths):
        points = static_config(settings(front={"trusted_proxies": ["192.0.2.0/24"]}), paths)["entryPoints"]
        assert points[FRONT]["forwardedHeaders"] == {"trustedIPs": ["192.0.2.0/24"]}

    def test_self_signed(self, paths):
        with_tls = settings(tls={"mode": "self-signed", "redirect_port": 8080})
        points = static_config(with_tls, paths)["entryPoints"]
        assert points[FRONT]["http"]["tls"] == {}
        assert "middlewares" not in points[FRONT]["http"], "no HSTS with an authority that browsers may not know"
        assert points[REDIRECT]["http"]["redirections"]["entryPoint"]["to"] == ":8000"
        assert write_certificate(with_tls, paths)
        assert not write_certificate(with_tls, paths), "the same one is not written again"
        rule = yaml.safe_load((paths.proxy / "rules" / "tls.yaml").read_text())
        assert rule["tls"]["options"]["default"]["minVersion"] == "VersionTLS12"
        assert "PRIVATE KEY" in rule["tls"]["stores"]["default"]["defaultCertificate"]["keyFile"]
        assert (paths.proxy / "rules" / "tls.yaml").stat().st_mode & 0o777 == 0o600

    def test_a_certificate_of_ones_own(self, paths, tmp_path):
        ensure_self_signed(tmp_path / "given", ["hub.example.edu"], "Given")
        pair = server_pair(tmp_path / "given")
        given = {"mode": "files", "certificate": str(pair.certificate), "key": str(pair.key)}
        front = {"url": "https://hub.example.edu"}
        with_tls = settings(tls={**given, "redirect_port": 8080}, front=front)
        points = static_config(with_tls, paths)["entryPoints"]
        assert points[FRONT]["http"]["middlewares"] == [f"{HSTS}@file"]
        assert points[REDIRECT]["http"]["redirections"]["entryPoint"]["to"] == ":443"
        assert write_certificate(with_tls, paths)
        rule = yaml.safe_load((paths.proxy / "rules" / "tls.yaml").read_text())
        assert rule["http"]["middlewares"][HSTS]["headers"]["stsSeconds"] == 180 * 86400
        pair.key.write_text("nonsense")
        with pytest.raises(ConfigError, match="holds no key in PEM"):
            write_certificate(with_tls, paths)
        assert yaml.safe_load((paths.proxy / "rules" / "tls.yaml").read_text()) == rule, "the old one stays"


def test_the_key_of_another_certificate_is_refused(tmp_path):
    for name in ("one", "two"):
        ensure_self_signed(tmp_path / name, ["hub.example.edu"], name)
    one, two = server_pair(tmp_path / "one"), server_pair(tmp_path / "two")
    check_pair(one)
    with pytest.raises(ConfigError, match="is not the key of the first certificate"):
        check_pair(type(one)(one.certificate, two.key))
    with pytest.raises(ConfigError, match="cannot be read"):
        check_pair(type(one)(tmp_path / "missing.pem", one.key))


def test_how_this_machine_comes_to_its_own_front():
    assert local_url(settings()) == "http://127.0.0.1:8000"
    assert (
        local_url(settings(listen={"address": "0.0.0.0"}, tls={"mode": "self-signed"})) == "https://127.0.0.1:8000"
    )
    behind = settings(front={"url": "https://hub.example.edu"})
    assert front_url(behind) == "https://hub.example.edu"
    ours = settings(front={"url": "https://hub.example.edu"}, tls={"mode": "self-signed"})
    assert front_url(ours) == "https://127.0.0.1:8000"


def test_our_own_certificate_is_believed_and_nobody_elses(paths, tmp_path):
    served, other = paths.tls, tmp_path / "other"
    for folder in (served, other):
        ensure_self_signed(folder, ["hub.example.edu"], "Trial")
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_pair(served).certificate, server_pair(served).key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_port
    ours = settings(listen={"port": port}, tls={"mode": "self-signed"})
    theirs = Paths(config=tmp_path, state=tmp_path / "elsewhere", logs=tmp_path)
    theirs.state.mkdir()
    other.rename(theirs.tls)
    try:
        with session_to_front(front_context(ours, paths)) as session:
            assert session.get(local_url(ours), timeout=10).status_code == 501
        with session_to_front(front_context(ours, theirs)) as session, pytest.raises(requests.exceptions.SSLError):
            session.get(local_url(ours), timeout=10)
        with (
            session_to_front(ssl.create_default_context()) as session,
            pytest.raises(requests.exceptions.SSLError),
        ):
            session.get(local_url(ours), timeout=10)
    finally:
        server.shutdown()
