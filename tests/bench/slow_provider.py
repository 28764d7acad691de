"""How long the hub's pages take while many people come back from a provider that answers slowly.

    python -m tests.bench.slow_provider [WAITING] [LOOKS] [SECONDS]

A real hub and proxy on this machine; the provider takes SECONDS for each answer.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import threading
from pathlib import Path

import requests

from tests.bench.slow_directory import tell
from tests.hubs.localhub import local_hub
from tests.hubs.visitor import Visitor
from tests.openid.provider import Provider
from tests.waiting import wait_until


def main(waiting: int = 100, looks: int = 200, seconds: int = 8) -> None:
    """Print one line before and one while `waiting` people wait."""
    with tempfile.TemporaryDirectory() as folder, Provider() as provider:
        secret = Path(folder) / "secrets" / "oidc-client-secret"
        secret.parent.mkdir()
        secret.write_text(provider.client_secret)
        secret.chmod(0o600)
        method = {"type": "oidc", "issuer": provider.issuer, "client_id": provider.client_id, "allow_all": True}
        with local_hub(Path(folder), methods=[{**method, "timeout": 60}]) as hub:
            tell("nobody waits", hub, looks)
            people = [Visitor(hub) for _ in range(waiting)]
            addresses = [person.way_back() for person in people]
            before, provider.slow_s = provider.asked.count("/token"), seconds
            for person, address in zip(people, addresses, strict=True):
                threading.Thread(target=come_back, args=(person, address), daemon=True).start()
            came = f"{waiting} people wait"
            wait_until(lambda: provider.asked.count("/token") - before >= waiting, came, timeout=120)
            tell(came, hub, looks)


def come_back(person: Visitor, address: str) -> None:
    """Until the end of the measurement, which takes the hub away."""
    with contextlib.suppress(requests.RequestException):
        person.get(address)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
