"""How long the hub's pages take while many people wait for a directory that says nothing.

    python -m tests.bench.slow_directory [WAITING] [LOOKS]

A real hub and proxy on this machine; the directory is a port that takes connections and never answers.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import requests

from tests.directory.answers import silent_server
from tests.hubs.browser import Browser
from tests.hubs.localhub import LocalHub, local_hub
from tests.waiting import wait_until


def main(waiting: int = 100, looks: int = 200) -> None:
    """Print one line before and one while `waiting` people wait."""
    with tempfile.TemporaryDirectory() as folder, silent_server() as port:
        directory = {
            "type": "ldap",
            "servers": [f"ldap://127.0.0.1:{port}"],
            "users": {"base": "dc=example,dc=edu"},
            "allow_all": True,
            "timeout": 20,
        }
        with local_hub(Path(folder), methods=[directory]) as hub:
            tell("nobody waits", hub, looks)
            people = [
                threading.Thread(target=sign_in, args=(hub, number), daemon=True) for number in range(waiting)
            ]
            for person in people:
                person.start()
            wait_until(lambda: hub.log.count("ldap is asked") >= waiting, f"{waiting} people wait", timeout=120)
            tell(f"{waiting} people wait", hub, looks)


def tell(what: str, hub: LocalHub, looks: int) -> None:
    times = []
    with contextlib.closing(Browser(hub.url.removesuffix("/hub"))) as browser:
        for _ in range(looks):
            started = time.monotonic()
            assert browser.get("/hub/login").status_code == 200
            times.append((time.monotonic() - started) * 1000)
    median, late = statistics.median(times), statistics.quantiles(times, n=20)[-1]
    print(
        f"{what:<24} the sign-in page: median {median:.0f} ms, 95 % below {late:.0f} ms, worst {max(times):.0f} ms"
    )


def sign_in(hub: LocalHub, number: int) -> None:
    with contextlib.closing(Browser(hub.url.removesuffix("/hub"))) as browser:
        browser.get("/hub/login")
        with contextlib.suppress(requests.ConnectionError):  # the hub ends first
            browser.post("/hub/login", {"username": f"user{number}", "password": "x"})


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
