"""nginx from Debian, with the site file of this project, on free ports and below a folder of its own."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.ours import find_free_port
from tests.waiting import wait_until

RENDER = Path(__file__).parent.parent.parent / "deploy" / "nginx" / "render"

_MAIN = """
daemon off;
# pytest's folders are closed to nginx's own account
user root;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


class Nginx:
    """One nginx; `write_site` and `start`, or `reload` where it runs."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder, self.http, self.https = folder, find_free_port(), find_free_port()
        self.webroot = folder / "webroot"
        self.webroot.mkdir()
        (folder / "nginx.conf").write_text(_MAIN.format(folder=folder))

    def write_site(self, name: str, *options: str) -> None:
        """What `deploy/nginx/render` prints."""
        ports = ["--http", str(self.http), "--https", str(self.https), "--webroot", str(self.webroot)]
        site = subprocess.run([RENDER, name, *ports, *options], capture_output=True, text=True, check=True).stdout
        (self.folder / "site.conf").write_text(site)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Started, and ended at the end."""
        process = subprocess.Popen(self._command())
        try:
            wait_until(lambda: (self.folder / "nginx.pid").exists(), "nginx runs", 15)
            yield
        finally:
            process.terminate()
            process.wait(timeout=15)

    def reload(self) -> None:
        subprocess.run(self._command("-s", "reload"), check=True, capture_output=True)

    def check(self) -> str:
        """What `nginx -t` says."""
        done = subprocess.run(self._command("-t"), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def _command(self, *options: str) -> list[str]:
        return ["nginx", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), *options]
