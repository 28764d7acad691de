"""Asking a provider over HTTP: bounded in time and size, never following a redirect with a secret in hand.

An error says whether the provider is down or said no, and quotes nothing of an answer.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from .errors import NoLonger, ProviderDown
from .metadata import is_safe_url

MAX_ANSWER_BYTES = 2 * 2**20
"""A discovery document has 5 kB, a page of a hundred GitHub teams about 200."""
MAX_AT_ONCE = 100
"""Requests under way; tornado's own ten would make a class wait for a slow provider one after the other."""
REFUSED_GRANTS = frozenset({"invalid_grant", "access_denied", "bad_verification_code", "bad_refresh_token"})
"""Errors about the person's code or token, RFC 6749's and GitHub's. The others (`invalid_client` …) are about this
hub's own registration: a mistyped secret must not sign everybody out."""


class Client:
    """Requests to one provider. Its errors never quote an answer: it may hold a token."""

    def __init__(self, timeout_s: float, ca_file: str = "") -> None:
        """`timeout_s`: for each answer, from asking to its last byte."""
        self._timeout_s, self._ca_file = timeout_s, ca_file or None
        self._http: AsyncHTTPClient | None = None

    async def get(self, url: str, token: str = "", headers: dict[str, str] | None = None) -> Any:
        """The JSON document there. Raises ProviderDown, or NoLonger where `token` is not taken."""
        return parsed(await self.fetch(url, token, headers=headers), url)

    async def post(self, url: str, fields: dict[str, str], basic: tuple[str, str] | None = None) -> Any:
        """The JSON answer to a form. `basic`: name and password for the header. Raises ProviderDown, NoLonger."""
        return parsed(await self.fetch(url, body=urlencode(fields), basic=basic), url)

    async def post_json(self, url: str, document: Any, token: str) -> Any:
        """The JSON answer to a JSON document. Raises ProviderDown, NoLonger."""
        headers = {"Content-Type": "application/json"}
        return parsed(await self.fetch(url, token, body=json.dumps(document), headers=headers), url)

    async def fetch(
        self,
        url: str,
        token: str = "",
        *,
        body: str | None = None,
        basic: tuple[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> HTTPResponse:
        """The answer, one of success. Raises ProviderDown, NoLonger."""
        if not is_safe_url(url):
            raise ProviderDown(f"{url!r} is no https address")
        request = HTTPRequest(
            url,
            method="GET" if body is None else "POST",
            body=body,
            headers={
                "Accept": "application/json",
                "User-Agent": "tf29hub",
                **({"Authorization": f"Bearer {token}"} if token else {}),
                **({"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}),
                **(headers or {}),
            },
            auth_username=quote(basic[0], safe="") if basic else None,  # encoded, as RFC 6749 2.3.1 has it
            auth_password=quote(basic[1], safe="") if basic else None,
            connect_timeout=self._timeout_s,
            request_timeout=self._timeout_s,
            follow_redirects=False,
            ca_certs=self._ca_file,
        )
        try:
            return await self._client().fetch(request)
        except HTTPClientError as error:
            word = _oauth_error(error)
            kind = NoLonger if word in REFUSED_GRANTS or (token and _token_is_refused(error)) else ProviderDown
            raise kind(f"{_bare(url)} answered {error.code} {word or error.message}") from None
        except (OSError, ValueError, TimeoutError) as error:
            raise ProviderDown(f"{_bare(url)}: {error or type(error).__name__}") from None

    def _client(self) -> AsyncHTTPClient:
        """Made in the loop that uses it."""
        if self._http is None:
            self._http = SimpleAsyncHTTPClient(
                force_instance=True, max_clients=MAX_AT_ONCE, max_body_size=MAX_ANSWER_BYTES
            )
        return self._http


def parsed(response: HTTPResponse, url: str) -> Any:
    """The JSON document in an answer. Raises ProviderDown."""
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        raise ProviderDown(f"{_bare(url)} answered with something that is not JSON") from None


def _bare(url: str) -> str:
    return url.partition("?")[0]


def _token_is_refused(error: HTTPClientError) -> bool:
    """401, and 403 where it is not a limit of how often one may ask."""
    headers = error.response.headers if error.response is not None else {}
    limited = "Retry-After" in headers or headers.get("X-RateLimit-Remaining") == "0"
    return error.code == 401 or (error.code == 403 and not limited)


def _oauth_error(error: HTTPClientError) -> str:
    """RFC 6749's error code: a word, and no secret."""
    try:
        word = json.loads(error.response.body)["error"]  # type: ignore[union-attr]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return word if isinstance(word, str) and len(word) < 40 and word.replace("_", "").isalnum() else ""
