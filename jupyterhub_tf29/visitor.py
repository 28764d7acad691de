"""A visitor without a browser: signs in, fills in the menu, watches the start, uses the server, as a person does.

Everything goes through the front and the real pages and forms, with cookies and their XSRF tokens; so what this
can do, a browser can do, too.
"""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urljoin

import requests

from .front.ourselves import session_to_front

REQUEST_TIMEOUT_S = 60
"""For one answer. Behind the spawn form the Hub may wait for up to 10 s before it shows the progress page."""
POLL_S = 0.3


class VisitFailed(Exception):
    """Something did not go as it should for a visitor; the text says what, in a sentence."""


class Visitor:
    """One person with one browser at one hub."""

    def __init__(
        self,
        front: str,
        username: str,
        password: str,
        context: ssl.SSLContext | None = None,
        prefix: str = "",
    ) -> None:
        """`front`: where the hub answers, such as `http://127.0.0.1:8000`; `context`: how to speak TLS to it.

        `username` is the one in the hub: what local accounts have before their names there is `prefix`.
        """
        self.front = front.rstrip("/")
        self.username = username
        self.account = username.removeprefix(prefix)
        self._password = password
        self.context = context
        # neither a proxy nor a CA bundle of the environment belongs between us and our own machine
        self.session = session_to_front(context)

    # pages

    def sign_in(self) -> None:
        """Through the form for local accounts. Raises VisitFailed."""
        page = self._get("/hub/login/local")
        form = find_form(page.text, with_field="password")
        fields = form.fields | {"username": self.account, "password": self._password}
        answer = self._request("POST", urljoin(page.url, form.action), data=fields)
        if "/hub/login" in answer.url or not self._model_answers():
            raise VisitFailed(f"the sign-in page did not let {self.username} in: {page_message(answer.text)}")

    def start(self, profile: str, within_s: float) -> list[str]:
        """Choose `profile` on the menu, press Start, follow the progress until the server is ready.

        Returns what the progress page said. Raises VisitFailed.
        """
        page = self._get("/hub/spawn")
        form = find_form(page.text, with_field="profile")
        if profile not in form.choices.get("profile", []):
            raise VisitFailed(f"the menu does not offer {profile!r}, only {form.choices.get('profile', [])}")
        answer = self._request("POST", urljoin(page.url, form.action), data=form.fields | {"profile": profile})
        if "/spawn-pending/" not in answer.url and "/user/" not in answer.url:
            raise VisitFailed(f"the menu refused the start: {page_message(answer.text)}")
        return list(self._progress(within_s))

    def open_lab(self) -> None:
        """Open JupyterLab's page, through the server's own sign-in at the Hub. Raises VisitFailed."""
        answer = self._get(f"{self.server_path}lab")
        if "jupyter-config-data" not in answer.text:
            raise VisitFailed(f"{answer.url} is not JupyterLab's page: {page_message(answer.text)}")

    # the Hub's API, as its pages use it

    def _progress(self, within_s: float) -> Iterator[str]:
        """The messages of the progress stream, until it says that the server is ready."""
        deadline = time.monotonic() + within_s
        url = f"{self._api_path}/server/progress"
        with self._request("GET", url, stream=True, headers={"Accept": "text/event-stream"}) as stream:
            for raw_line in stream.iter_lines():
                line = raw_line.decode("utf-8")
                if time.monotonic() > deadline:
                    raise VisitFailed(f"the server was not ready after {within_s:.0f} s")
                if not line.startswith("data:"):
                    continue
                event = json.loads(line.removeprefix("data:"))
                if event.get("failed"):
                    raise VisitFailed(f"the start failed: {event.get('message')}")
                yield str(event.get("message", ""))
                if event.get("ready"):
                    return
        raise VisitFailed("the progress page ended without a word that the server is ready")

    def stop(self, within_s: float) -> None:
        """Stop the server and wait until it has stopped. Raises VisitFailed."""
        self._request("DELETE", f"{self._api_path}/server")
        deadline = time.monotonic() + within_s
        while self._get(self._api_path).json().get("servers"):
            if time.monotonic() > deadline:
                raise VisitFailed(f"the server had not stopped after {within_s:.0f} s")
            time.sleep(POLL_S)

    def _model_answers(self) -> bool:
        answer = self.session.get(
            f"{self.front}/hub/api/user", headers=self._xsrf_header("/hub/"), timeout=REQUEST_TIMEOUT_S
        )
        return answer.ok and answer.json().get("name") == self.username

    # the server's own API

    def read_file(self, path: str) -> str:
        """The text of a file in the user's home. Raises VisitFailed."""
        return str(self.call("GET", f"api/contents/{quote(path)}").json()["content"])

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """One request to the running server; `path` without the server's prefix. Raises VisitFailed."""
        return self._request(method, f"{self.server_path}{path}", **kwargs)

    @property
    def server_path(self) -> str:
        return f"/user/{quote(self.username)}/"

    @property
    def _api_path(self) -> str:
        return f"/hub/api/users/{quote(self.username)}"

    def websocket(self, path: str) -> tuple[str, dict[str, str]]:
        """Address and headers for a websocket at the running server."""
        url = f"ws{self.front.removeprefix('http')}{self.server_path}{path}"
        prepared = self.session.prepare_request(requests.Request("GET", f"{self.front}{self.server_path}"))
        return url, {"Cookie": str(prepared.headers.get("Cookie", "")), **self._xsrf_header(self.server_path)}

    # requests

    def _get(self, path: str) -> requests.Response:
        return self._request("GET", path)

    def _request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        headers = kwargs.pop("headers", {})
        if "/api/" in path:
            headers |= self._xsrf_header("/hub/" if path.startswith("/hub/") else self.server_path)
        try:
            answer = self.session.request(
                method, urljoin(self.front, path), headers=headers, timeout=REQUEST_TIMEOUT_S, **kwargs
            )
        except requests.RequestException as error:
            raise VisitFailed(f"{method} {path}: no answer: {error}") from error
        if answer.status_code >= 400:
            raise VisitFailed(f"{method} {path}: {answer.status_code}: {page_message(answer.text)}")
        return answer

    def _xsrf_header(self, cookie_path: str) -> dict[str, str]:
        """Hub and server each have a token of their own, in cookies of the same name."""
        for cookie in self.session.cookies:
            if cookie.name == "_xsrf" and cookie.path == cookie_path:
                return {"X-XSRFToken": cookie.value or ""}
        return {}


class Form:
    """One form of a page: where it goes, what it would send now, and what can be chosen."""

    def __init__(self, action: str) -> None:
        self.action = action
        self.fields: dict[str, str] = {}
        self.choices: dict[str, list[str]] = {}


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(values.get("action", "")))
        elif self.forms and tag == "input" and "name" in values:
            self._input(self.forms[-1], values)
        elif self.forms and tag == "select":
            self._select = values.get("name", "")
        elif self.forms and tag == "option" and self._select:
            self._choice(self.forms[-1], self._select, values, "selected" in values)

    def _input(self, form: Form, values: dict[str, str]) -> None:
        if values.get("type") in ("radio", "checkbox"):
            self._choice(form, values["name"], values, "checked" in values)
        elif values.get("type") not in ("submit", "button"):
            form.fields[values["name"]] = values.get("value", "")

    def _choice(self, form: Form, name: str, values: dict[str, str], chosen: bool) -> None:
        form.choices.setdefault(name, []).append(values.get("value", ""))
        if chosen:
            form.fields[name] = values.get("value", "")


def find_form(html: str, with_field: str) -> Form:
    """The first form of a page that has a field of that name. Raises VisitFailed."""
    reader = _FormReader()
    reader.feed(html)
    for form in reader.forms:
        if with_field in form.fields or with_field in form.choices:
            return form
    raise VisitFailed(f"the page has no form with {with_field!r}: {page_message(html)}")


def page_message(text: str) -> str:
    """What a page or an API answer says in words, for an error's sentence; at most 300 characters."""
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        pass
    # stock pages carry warnings that a script shows where they apply: what is hidden was not said
    alerts = re.findall(
        r'(?s)<(\w+)[^>]*class="((?:[^"]* )?(?:alert|login_error|error)\b[^"]*)"[^>]*>(.*?)</\1>', text
    )
    said = [body for _, classes, body in alerts if "hidden" not in classes.split()]
    body = said[0] if said else re.sub(r"(?s)<(script|style|head).*?</\1>", "", text)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())[:300] or "an empty answer"
