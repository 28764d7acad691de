"""The way in with TLS, for real: by our own proxy, and by nginx before it; a kernel answers through each."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
import requests

from jupyterhub_tf29.front.authority import ensure_self_signed, server_pair
from jupyterhub_tf29.front.findings import tls_findings
from jupyterhub_tf29.front.ourselves import front_context, local_url, session_to_front
from jupyterhub_tf29.image.pin import Pin
from jupyterhub_tf29.kernel import run_in_kernel
from jupyterhub_tf29.settings import load_settings
from jupyterhub_tf29.visitor import Visitor
from tests.docker.nginx import Nginx
from tests.hubs.running import PASSWORD, RunningHub
from tests.ours import find_free_port
from tests.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.image, pytest.mark.hub]

NAME = "localhost"
SMALL = {
    "limits": {"memory": "2G", "memory_guarantee": "256M", "cpus": 2, "processes": 512, "shared_memory": "64M"},
    "start": {"timeout": 120, "queue_timeout": 120},
}
PROFILES = """
profiles:
  - slug: small
    display_name: Small
    default: true
    override: {mem_limit: 2G, mem_guarantee: 256M, cpu_limit: 2}
"""
CODE = "print(6 * 7)"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority and a server certificate for `localhost`, as deploy/up makes them."""
    folder = tmp_path_factory.mktemp("authority") / "tls"
    assert ensure_self_signed(folder, [NAME, "127.0.0.1"], "Tests")
    return folder


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Nginx:
    return Nginx(tmp_path_factory.mktemp("nginx") / "nginx")


@pytest.fixture(scope="module")
def hub(
    engine: docker.DockerClient,
    notebook_image: Pin,
    nginx: Nginx,
    authority: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningHub]:
    front = {"url": f"https://{NAME}:{nginx.https}", "trusted_proxies": ["127.0.0.1"]}
    settings = {**SMALL, "front": front, "sessions": {"remembered_by_servers": 5}}
    folder = tmp_path_factory.mktemp("hub") / "nginx"
    hub = RunningHub(folder, engine, notebook_image.image_id, settings=settings, profiles=PROFILES)
    pair = server_pair(authority)
    nginx.write_site(
        NAME, "--hub", f"127.0.0.1:{hub.port}", "--certificate", str(pair.certificate), "--key", str(pair.key)
    )
    with contextlib.closing(hub):
        hub.start()
        with nginx.running():
            yield hub


@pytest.fixture(scope="module")
def visitor(hub: RunningHub, nginx: Nginx, authority: Path) -> Iterator[Visitor]:
    """Signed in through nginx, with a server that runs."""
    hub.add_account("wang")
    context = ssl.create_default_context(cafile=str(authority / "authority.pem"))
    visitor = Visitor(f"https://{NAME}:{nginx.https}", "wang", PASSWORD, context)
    visitor.sign_in()
    visitor.start("small", 240)
    visitor.open_lab()
    yield visitor
    visitor.stop(60)


class TestNginxBeforeTheHub:
    def test_the_site_is_what_nginx_takes(self, hub, nginx):
        assert "warn" not in nginx.check()

    def test_a_kernel_answers_through_it(self, visitor):
        assert run_in_kernel(visitor, CODE, 120).strip() == "42"

    def test_cookies_are_for_tls_only(self, visitor):
        cookies = list(visitor.session.cookies)
        assert {cookie.name for cookie in cookies} >= {"jupyterhub-hub-login", "jupyterhub-session-id", "_xsrf"}
        # the form token of a workspace's own pages is no key to anything, and jupyterhub-singleuser makes it
        ours = [cookie for cookie in cookies if (cookie.name, cookie.path) != ("_xsrf", "/user/wang/")]
        assert [cookie.name for cookie in ours if not cookie.secure] == []
        assert {cookie.get_nonstandard_attr("SameSite") for cookie in ours} == {"Lax"}
        login = next(cookie for cookie in cookies if cookie.name == "jupyterhub-hub-login")
        assert login.has_nonstandard_attr("HttpOnly")

    def test_headers(self, visitor):
        headers = visitor.session.get(f"{visitor.front}/hub/home", timeout=30).headers
        assert headers["Strict-Transport-Security"].startswith("max-age=")
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "object-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "nginx/" not in headers["Server"]

    def test_http_is_sent_to_https(self, hub, nginx):
        answer = requests.get(f"http://{NAME}:{nginx.http}/hub/home?a=b", allow_redirects=False, timeout=10)
        assert (answer.status_code, answer.headers["Location"]) == (
            301,
            f"https://{NAME}:{nginx.https}/hub/home?a=b",
        )

    def test_http_2_and_no_old_tls(self, hub, nginx, authority):
        def spoken(**limits: ssl.TLSVersion) -> tuple[str | None, str | None]:
            context = ssl.create_default_context(cafile=str(authority / "authority.pem"))
            context.set_alpn_protocols(["h2", "http/1.1"])
            context.set_ciphers("ALL:@SECLEVEL=0")  # else it would be we who refuse old versions
            for name, version in limits.items():
                setattr(context, name, version)
            with (
                socket.create_connection((NAME, nginx.https), timeout=10) as plain,
                context.wrap_socket(plain, server_hostname=NAME) as secure,
            ):
                return secure.version(), secure.selected_alpn_protocol()

        assert spoken() == ("TLSv1.3", "h2")
        assert spoken(maximum_version=ssl.TLSVersion.TLSv1_2) == ("TLSv1.2", "h2")
        with pytest.warns(DeprecationWarning, match="TLSv1"), pytest.raises(OSError, match=r"(?i)alert|version"):
            spoken(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)

    def test_the_trail_has_the_visitors_address_and_none_that_they_claim(self, hub, nginx, authority):
        session = requests.Session()
        session.verify = str(authority / "authority.pem")
        session.trust_env = False
        url = f"https://{NAME}:{nginx.https}/hub/login"
        session.get(url, timeout=30)
        forged = {"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
        fields = {"username": "wang", "password": "wrong", "_xsrf": session.cookies["_xsrf"]}
        assert session.post(url, data=fields, headers=forged, timeout=30).status_code == 403

        def failures() -> list[dict]:
            events = [json.loads(line) for line in hub.paths.audit.read_text().splitlines()]
            return [event for event in events if event.get("outcome") == "failure" and event["event"] == "sign-in"]

        wait_until(failures, "it is in the trail", 10)
        assert failures()[-1]["address"] in ("127.0.0.1", "::1")

    def test_a_large_upload_gets_through(self, visitor):
        content = "x" * (20 * 2**20)
        body = {"type": "file", "format": "text", "content": content}
        assert visitor.call("PUT", "api/contents/large.txt", json=body).status_code == 201
        assert len(visitor.read_file("large.txt")) == len(content)

    def test_a_stolen_cookie_opens_no_workspace_after_sign_out(self, visitor, authority):
        """The last walk with this visitor but the stopping, for which they sign in again."""
        thief = session_to_front(visitor.context)
        thief.verify = str(authority / "authority.pem")
        thief.cookies.update(visitor.session.cookies)

        listing = f"{visitor.front}{visitor.server_path}lab"
        assert thief.get(listing, allow_redirects=False, timeout=30).status_code == 200
        visitor.session.get(f"{visitor.front}/hub/logout", timeout=30)
        assert thief.get(f"{visitor.front}/hub/home", allow_redirects=False, timeout=30).status_code == 302

        def refused() -> bool:
            return thief.get(listing, allow_redirects=False, timeout=30).status_code != 200

        wait_until(refused, "the server asks the Hub again", 30)
        visitor.sign_in()

    def test_the_doctor(self, hub, authority, monkeypatch):
        monkeypatch.setenv("SSL_CERT_FILE", str(authority / "authority.pem"))
        findings = list(tls_findings(load_settings(hub.paths.config), hub.paths))
        assert [finding.level for finding in findings] == ["ok"] * 3, "\n".join(map(str, findings))


@pytest.fixture(scope="module")
def own_hub(
    engine: docker.DockerClient, notebook_image: Pin, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHub]:
    redirect = find_free_port()
    settings = {**SMALL, "tls": {"mode": "self-signed", "redirect_port": redirect, "names": ["hub.example"]}}
    folder = tmp_path_factory.mktemp("hub") / "own"
    hub = RunningHub(folder, engine, notebook_image.image_id, settings=settings, profiles=PROFILES)
    with contextlib.closing(hub):
        hub.start()
        yield hub


class TestOurOwnProxy:
    def test_a_kernel_answers_through_it(self, own_hub):
        own_hub.add_account("wang")
        settings = load_settings(own_hub.paths.config)
        visitor = Visitor(local_url(settings), "wang", PASSWORD, front_context(settings, own_hub.paths))
        visitor.sign_in()
        assert [cookie.name for cookie in visitor.session.cookies if not cookie.secure] == []
        visitor.start("small", 240)
        visitor.open_lab()
        assert run_in_kernel(visitor, CODE, 120).strip() == "42"
        visitor.stop(60)

    def test_browsers_that_have_the_authority_believe_it(self, own_hub):
        said = own_hub.run_command("certificate", "--authority")
        assert said.returncode == 0, said.stderr
        context = ssl.create_default_context(cadata=said.stdout)
        for name in ("localhost", "127.0.0.1", "hub.example", socket.gethostname()):
            with (
                socket.create_connection(("127.0.0.1", own_hub.port), timeout=10) as plain,
                context.wrap_socket(plain, server_hostname=name) as secure,
            ):
                assert secure.version() == "TLSv1.3"

    def test_others_do_not(self, own_hub):
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"https://localhost:{own_hub.port}/hub/login", timeout=10)

    def test_http_is_sent_to_https(self, own_hub):
        port = own_hub.settings["tls"]["redirect_port"]
        answer = requests.get(f"http://127.0.0.1:{port}/hub/home", allow_redirects=False, timeout=10)
        assert answer.status_code in (301, 308)
        assert answer.headers["Location"] == f"https://127.0.0.1:{own_hub.port}/hub/home"

    def test_a_new_certificate_is_taken_without_a_restart(self, own_hub):
        def serial() -> bytes:
            return ssl.get_server_certificate(("127.0.0.1", own_hub.port), timeout=10).encode()

        before = serial()
        (own_hub.paths.tls / "server.pem").unlink()
        said = own_hub.run_command("certificate")
        assert said.returncode == 0, said.stderr
        assert "hub.example" in said.stdout
        wait_until(lambda: serial() != before, "Traefik has the new certificate", 20)

    def test_the_doctor(self, own_hub):
        findings = list(tls_findings(load_settings(own_hub.paths.config), own_hub.paths))
        assert [finding.level for finding in findings] == ["ok", "ok"], "\n".join(map(str, findings))


class TestLetsEncrypt:
    """Against Pebble, Let's Encrypt's own stand-in."""

    @pytest.fixture
    def pebble(self, tmp_path: Path, authority: Path) -> Iterator[tuple[Nginx, str]]:
        """nginx as it is before there is a certificate, and the directory of a Pebble that looks at its port."""
        nginx, port, management = Nginx(tmp_path / "nginx"), find_free_port(), find_free_port()
        pair = server_pair(authority)
        config = {
            "pebble": {
                "listenAddress": f"127.0.0.1:{port}",
                "managementListenAddress": f"127.0.0.1:{management}",
                "certificate": str(pair.certificate),
                "privateKey": str(pair.key),
                "httpPort": nginx.http,
                "tlsPort": nginx.https,
                "ocspResponderURL": "",
                "externalAccountBindingRequired": False,
            }
        }
        (tmp_path / "pebble.json").write_text(json.dumps(config))
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        dns, resolvers_own = find_free_port(), find_free_port()
        on = ["-dns01", f"127.0.0.1:{dns}", "-management", f"127.0.0.1:{resolvers_own}", "-defaultIPv6", ""]
        off = ["-http01", "", "-https01", "", "-tlsalpn01", ""]
        resolver = subprocess.Popen(["pebble-challtestsrv", *on, *off], **silent)
        wait_until(lambda: _is_bound(dns), "the resolver listens", 15)
        environment = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
        command = ["pebble", "-config", tmp_path / "pebble.json", "-dnsserver", f"127.0.0.1:{dns}"]
        server = subprocess.Popen(command, env=environment, **silent)
        wait_until(lambda: _listens(port), "Pebble listens", 15)
        try:
            yield nginx, f"https://127.0.0.1:{port}/dir"
        finally:
            for process in (server, resolver):
                process.terminate()
                process.wait(timeout=15)

    def test_a_certificate_is_got_used_and_renewed(self, pebble, tmp_path, authority):
        nginx, directory = pebble
        name = "hub.example.test"
        nginx.write_site(name, "--http-only")
        folders = [f"--{kind}-dir={tmp_path / kind}" for kind in ("config", "work", "logs")]

        def certbot(*words: str) -> str:
            done = subprocess.run(
                ["certbot", *words, *folders, "--server", directory, "--non-interactive"],
                env={**os.environ, "REQUESTS_CA_BUNDLE": str(authority / "authority.pem")},
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        def served() -> str:
            try:
                return ssl.get_server_certificate(("127.0.0.1", nginx.https), timeout=10)
            except OSError:
                return "nothing yet"

        with nginx.running():
            webroot = ["--webroot", "--webroot-path", str(nginx.webroot), "--domain", name]
            hook = f"nginx -p {nginx.folder} -c {nginx.folder}/nginx.conf -s reload"
            certbot(
                "certonly", *webroot, "--agree-tos", "--register-unsafely-without-email", "--deploy-hook", hook
            )
            live = tmp_path / "config" / "live" / name
            nginx.write_site(
                name, "--certificate", str(live / "fullchain.pem"), "--key", str(live / "privkey.pem")
            )
            nginx.reload()
            chain = (live / "fullchain.pem").read_text()
            wait_until(lambda: served() in chain, "nginx has the certificate", 20)
            certbot("renew", "--force-renewal", "--no-random-sleep-on-renew")
            renewed = (live / "fullchain.pem").read_text()
            assert renewed != chain
            wait_until(lambda: served() in renewed, "nginx has the renewed one, by the hook", 20)


def _is_bound(port: int) -> bool:
    """Whether somebody has the UDP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
