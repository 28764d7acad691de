"""The front for real: Traefik as `tf29hub proxy` starts it, before a backend that says what it got."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from jupyterhub_tf29.proxy import API_USER
from jupyterhub_tf29.secretfiles import ensure_secrets, read_secret
from jupyterhub_tf29.settings import Paths
from tests.ours import find_free_port
from tests.waiting import wait_until

pytestmark = pytest.mark.hub


class Echo(BaseHTTPRequestHandler):
    """Answers with the path as it came, and with how much of a body."""

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{self.path} {len(self.rfile.read(length))}".encode())

    do_PUT = do_GET

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Front:
    port: int
    api_port: int
    paths: Paths

    def ask(self, path: str) -> tuple[int, str]:
        """Status and text of a GET with exactly this path; `requests` would tidy it up."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("front")
    front = Front(find_free_port(), find_free_port(), Paths(folder, folder / "state", folder))
    ensure_secrets(front.paths)
    (folder / "hub.yaml").write_text(f"listen: {{port: {front.port}}}\nports: {{proxy_api: {front.api_port}}}\n")
    backend = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    rules = front.paths.proxy / "rules"
    rules.mkdir(parents=True)
    (rules / "hub.toml").write_text(
        '[http.routers.all]\nrule = "PathPrefix(`/`)"\nservice = "all"\nentryPoints = ["http"]\n'
        f'[[http.services.all.loadBalancer.servers]]\nurl = "http://127.0.0.1:{backend.server_port}"\n'
    )
    environment = {**os.environ, "TF29HUB_CONFIG": str(folder), "TF29HUB_STATE": str(front.paths.state)}
    with (folder / "proxy.log").open("w") as log:
        proxy = subprocess.Popen(
            [Path(sys.executable).parent / "tf29hub", "proxy"], env=environment, stdout=log, stderr=log
        )
    try:
        wait_until(lambda: answers(front), "the front answers", 30)
        yield front
    finally:
        proxy.terminate()
        proxy.wait(timeout=30)
        backend.shutdown()


def answers(front: Front) -> bool:
    try:
        return front.ask("/")[0] == 200
    except OSError:
        return False


@pytest.mark.parametrize(
    "path",
    [
        "/user/ada/files/50%25%20off.ipynb",
        "/user/ada/files/a%23b.csv",
        "/user/ada/files/what%3F.txt",
        "/user/ada/files/a%3Bb",
        "/user/ada/files/a%5Cb",
        "/user/ada/api/contents/drive%3Afolder%2Ffile",
        "/user/li%40lab/lab",
        "/user/ada/files/%E4%B8%AD%E6%96%87.ipynb",
    ],
)
def test_names_of_files_get_through_as_they_are(front, path):
    assert front.ask(path) == (200, f"{path} 0")


def test_the_proxys_api_is_not_on_the_front(front):
    # on the front it is a path like any other, and goes to the hub
    assert front.ask("/api/overview") == (200, "/api/overview 0")


def test_the_proxys_api_wants_the_password(front):
    url = f"http://127.0.0.1:{front.api_port}/api/overview"
    password = read_secret(front.paths, "proxy-api-password")
    with requests.Session() as session:
        session.trust_env = False
        assert session.get(url, timeout=10).status_code == 401
        assert session.get(url, auth=(API_USER, "wrong"), timeout=10).status_code == 401
        assert session.get(url, auth=(API_USER, password), timeout=10).status_code == 200


def test_a_large_upload_gets_through(front):
    size = 64 * 2**20
    answer = requests.put(f"http://127.0.0.1:{front.port}/up", data=b"x" * size, timeout=60)
    assert answer.text == f"/up {size}"
