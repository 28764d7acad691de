"""The Hub's REST API, as a program with an admin's token uses it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any
from urllib.parse import quote

import requests

from ..waiting import wait_until


class HubApi:
    """Usernames and server names are given as they are; they are quoted here."""

    def __init__(self, url: str, token: str) -> None:
        self.url = f"{url}/hub/api"
        self._headers = {"Authorization": f"token {token}"}

    def call(self, method: str, path: str, body: Any = None, timeout: float = 60) -> requests.Response:
        """Any request; the answer as it is, whatever its status."""
        return requests.request(
            method, self.url + path, headers=self._headers, json=body, timeout=timeout, allow_redirects=False
        )

    def add_user(self, name: str) -> None:
        response = self.call("POST", f"/users/{quote(name, safe='')}")
        if response.status_code != 409:
            response.raise_for_status()

    def user(self, name: str) -> dict[str, Any]:
        response = self.call("GET", f"/users/{quote(name, safe='')}?include_stopped_servers")
        response.raise_for_status()
        return response.json()

    def server(self, name: str, server: str = "") -> dict[str, Any] | None:
        """The server's model: ready, pending, user_options, state …; None where the Hub has none of it."""
        return self.user(name)["servers"].get(server)

    def ask_start(self, name: str, server: str = "", options: Any = None) -> requests.Response:
        """Ask for a start; the answer comes after at most ten seconds: 201 ready, 202 pending, or why not."""
        self.add_user(name)
        return self.call("POST", self._server_path(name, server), options)

    def start(self, name: str, server: str = "", options: Any = None, timeout: float = 60) -> dict[str, Any]:
        """Start and wait until the server is ready. Raises AssertionError with the Hub's words when it fails."""
        response = self.ask_start(name, server, options)
        assert response.status_code in (201, 202), f"{response.status_code}: {response.text}"
        wait_until(lambda: self._ready_or_failed(name, server), f"the server of {name} is ready", timeout)
        model = self.server(name, server)
        assert model is not None, f"the start failed, and nothing is left of {name}'s server"
        assert model["ready"], f"the start failed: {self.progress(name, server)[-1:]}"
        return model

    def ask_start_behind(self, name: str, server: str = "", options: Any = None) -> Future[requests.Response]:
        """As ask_start, in a thread: for what is to be seen or done while the Hub is at it."""
        answer: Future[requests.Response] = Future()

        def ask() -> None:
            try:
                answer.set_result(self.ask_start(name, server, options))
            except BaseException as error:
                answer.set_exception(error)

        threading.Thread(target=ask, daemon=True).start()
        return answer

    def wait_pending(self, name: str, server: str = "", timeout: float = 30) -> None:
        """Wait until the Hub is at starting that server."""
        wait_until(lambda: self._pending(name, server), f"the server of {name} is starting", timeout)

    def stop(self, name: str, server: str = "", timeout: float = 60) -> None:
        """Stop and wait until the Hub says that it has stopped."""
        response = self.call("DELETE", self._server_path(name, server))
        # to the later of two stops at the same moment (the broker's may be the other) the Hub says 500
        twice = response.status_code == 500 and self._stops_or_has_stopped(name, server)
        assert twice or response.status_code in (202, 204), f"{response.status_code}: {response.text}"
        self.wait_stopped(name, server, timeout)

    def wait_stopped(self, name: str, server: str = "", timeout: float = 60) -> None:
        wait_until(lambda: not self._active(name, server), f"the server of {name} is stopped", timeout)

    def progress(self, name: str, server: str = "", timeout: float = 60) -> list[dict[str, Any]]:
        """All events of the server's progress page until it ends."""
        return list(self.progress_events(name, server, timeout))

    def progress_events(self, name: str, server: str = "", timeout: float = 60) -> Iterator[dict[str, Any]]:
        end = time.monotonic() + timeout
        url = self.url + self._server_path(name, server) + "/progress"
        with requests.get(url, headers=self._headers, stream=True, timeout=timeout) as response:
            response.raise_for_status()
            for line in response.iter_lines():
                if line.startswith(b"data:"):
                    yield json.loads(line[5:])
                assert time.monotonic() < end, f"the story of {name}'s server does not end"

    def _server_path(self, name: str, server: str) -> str:
        path = f"/users/{quote(name, safe='')}"
        return f"{path}/servers/{quote(server, safe='')}" if server else f"{path}/server"

    def _pending(self, name: str, server: str) -> bool:
        if self.call("GET", f"/users/{quote(name, safe='')}").status_code == 404:
            return False
        return (self.server(name, server) or {}).get("pending") == "spawn"

    def _stops_or_has_stopped(self, name: str, server: str) -> bool:
        model = self.server(name, server)
        return not model or model["pending"] == "stop" or not (model["ready"] or model["pending"])

    def _active(self, name: str, server: str) -> bool:
        model = self.server(name, server)
        return bool(model and (model["ready"] or model["pending"]))

    def _ready_or_failed(self, name: str, server: str) -> bool:
        model = self.server(name, server)
        return not model or model["ready"] or not model["pending"]
