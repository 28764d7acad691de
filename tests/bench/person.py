"""Somebody who presses Start and waits for Lab, timed. They speak REST with a token; the browser's own drawing is
left out, for it is the same whichever hub it is."""

from __future__ import annotations

import json
import time

import requests

from jupyterhub_tf29.kernel import run_in
from jupyterhub_tf29.visitor import VisitFailed, Visitor

from .contender import Contender

GIVE_UP_S = 900
LAB_EVERY_S = 0.05
LAB_WITHIN_S = 60
"""After the hub said that the server is ready."""
CELL = "print(1 + 1)"


class StartFailed(Exception):
    """The hub says that the server did not start, and why."""


class Person(Visitor):
    """A user of `hub`, made here, who does not run a server yet."""

    def __init__(self, hub: Contender, name: str) -> None:
        super().__init__(hub.url, name, "")
        self._authorization = f"token {hub.token}"
        self.session.headers["Authorization"] = self._authorization
        hub.api.add_user(name)

    def close(self) -> None:
        """Close the kept connections; the server runs on."""
        self.session.close()

    def click(self) -> float:
        """Press Start; seconds until Lab's page came through the proxy. Raises StartFailed."""
        began = time.monotonic()
        try:
            # answers when the server is ready, or after ten seconds
            answer = self._ask("POST", f"{self._api_path}/server")
            if answer.status_code == 202:
                self._follow_progress()
            elif answer.status_code != 201:
                raise StartFailed(f"{answer.status_code}: {_message(answer)}")
            self._until_lab()
        except requests.RequestException as error:
            raise StartFailed(f"no answer: {error}") from error
        return time.monotonic() - began

    def first_cell(self) -> float:
        """Start a kernel, run the first cell; seconds until its result. Raises VisitFailed."""
        began = time.monotonic()
        kernel = self.call("POST", "api/kernels", json={"name": "python3"}).json()["id"]
        printed = run_in(self, kernel, CELL, 120)
        if printed.strip() != "2":
            raise VisitFailed(f"the first cell printed {printed!r}")
        return time.monotonic() - began

    def leave(self) -> float:
        """Stop the server; seconds until the hub says that it has stopped. Raises VisitFailed."""
        began = time.monotonic()
        answer = self._ask("DELETE", f"{self._api_path}/server")
        while answer.status_code == 202 or (
            answer.ok and answer.json().get("servers") if answer.content else False
        ):
            if time.monotonic() - began > GIVE_UP_S:
                raise VisitFailed(f"the server of {self.username} does not stop")
            time.sleep(LAB_EVERY_S)
            answer = self._ask("GET", self._api_path)
        if answer.status_code not in (200, 204, 400, 404):
            raise VisitFailed(f"{answer.status_code}: {_message(answer)}")
        return time.monotonic() - began

    def websocket(self, path: str) -> tuple[str, dict[str, str]]:
        """As Visitor's; with the token."""
        url, headers = super().websocket(path)
        return url, {**headers, "Authorization": self._authorization}

    def _follow_progress(self) -> None:
        """As the browser's page does: listen until the hub says ready or failed."""
        with self._ask("GET", f"{self._api_path}/server/progress", stream=True) as stream:
            if not stream.ok:
                raise StartFailed(f"{stream.status_code}: {_message(stream)}")
            for line in stream.iter_lines():
                event = json.loads(line[5:]) if line.startswith(b"data:") else {}
                if event.get("failed"):
                    raise StartFailed(str(event.get("message")))
                if event.get("ready"):
                    return
        raise StartFailed("the progress ended without a word that the server is ready")

    def _until_lab(self) -> None:
        ready = time.monotonic()
        while True:
            answer = self._ask("GET", f"{self.server_path}lab")
            if answer.status_code == 200 and "jupyter-config-data" in answer.text:
                return
            if time.monotonic() - ready > LAB_WITHIN_S:
                raise StartFailed(f"the hub says that it is ready, and Lab answers {answer.status_code}")
            time.sleep(LAB_EVERY_S)

    def _ask(self, method: str, path: str, *, stream: bool = False) -> requests.Response:
        return self.session.request(
            method, self.front + path, timeout=GIVE_UP_S, allow_redirects=False, stream=stream
        )


def _message(answer: requests.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]
