"""Routes: what Traefik itself makes of the rules for names with any characters."""

import http.server
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests
from jupyterhub.utils import url_escape_path

from jupyterhub_tf29.prompt_proxy import rule_for
from tests.ours import find_free_port
from tests.waiting import wait_until

NAMES = [
    "ada",
    "王小明",
    "a+b",
    "a@b",
    "github:octocat",
    "li, wei (phys)",
    "o'brien",
    "müller&co",
    "a.b-c_d",
    "[x]",
    "a·b",
    "a~b",
]


@pytest.mark.parametrize(
    ("routespec", "rule"),
    [
        ("/", "PathPrefix(`/`)"),
        ("/user/ada/", "( PathPrefix(`/user/ada/`) || Path(`/user/ada`) )"),
        ("/user/a%2bb@c/", "( PathPrefix(`/user/a%2Bb@c/`) || Path(`/user/a%2Bb@c`) )"),
        ("hub.example/user/%e7%8e%8b/", "Host(`hub.example`) && ( PathPrefix(`/user/王/`) || Path(`/user/王`) )"),
    ],
)
def test_rules(routespec, rule):
    assert rule_for(routespec) == rule


@pytest.fixture(scope="module")
def traefik(tmp_path_factory):
    """The address of a Traefik with a route for each of NAMES to a server that says the path."""

    class Echo(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.path.encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder, port = tmp_path_factory.mktemp("traefik"), find_free_port()
    routers = "".join(
        f'    r{number}:\n      service: echo\n      rule: "{rule_for(f"/user/{url_escape_path(name)}/")}"\n'
        for number, name in enumerate(NAMES)
    )
    (folder / "rules.yml").write_text(
        f"http:\n  services:\n    echo:\n      loadBalancer:\n        servers:\n"
        f"        - url: http://127.0.0.1:{server.server_port}\n  routers:\n{routers}",
        encoding="utf-8",
    )
    (folder / "traefik.yml").write_text(
        f"entryPoints: {{web: {{address: '127.0.0.1:{port}'}}}}\n"
        f"providers: {{file: {{filename: {folder}/rules.yml}}}}\n"
    )
    program = Path(sys.executable).with_name("traefik")
    process = subprocess.Popen([program, f"--configFile={folder}/traefik.yml"], stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(f"{address}/user/ada/"), "Traefik has its routes")
        yield address
    finally:
        process.kill()
        process.wait()
        server.shutdown()
        server.server_close()


def _answers(address):
    try:
        return requests.get(address, timeout=5).ok
    except requests.ConnectionError:
        return False


@pytest.mark.parametrize("name", NAMES)
def test_the_hubs_spelling_of_a_name_reaches_its_server(traefik, name):
    escaped = url_escape_path(name)
    for path in (f"/user/{escaped}/lab", f"/user/{escaped}"):
        answer = requests.get(traefik + path, timeout=5)
        assert (answer.status_code, answer.text) == (200, path)
    assert requests.get(f"{traefik}/user/{escaped}x/", timeout=5).status_code == 404
