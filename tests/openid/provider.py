"""A small OpenID Connect provider that can be made to lie: for what a real one will not do.

    with Provider() as provider:
        provider.person = {"sub": "1", "preferred_username": "ada", "groups": ["staff"]}
        provider.bend = lambda claims: {**claims, "aud": "another-client"}

Left alone it does what the specification says, state, PKCE and refresh tokens included. Whoever comes to its
authorization page is `person` and is sent back at once.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

Claims = dict[str, Any]
Answer = tuple[Any, ...]
"""Status, JSON document (or where to, for 302), and headers where there are some."""
Page = Callable[["Request"], Answer]


class Request:
    """What came in: path, query and form in one, bearer token."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        length = int(handler.headers.get("Content-Length") or 0)
        self.body = handler.rfile.read(length).decode()
        self.path = parts.path
        self.fields = {name: values[0] for name, values in parse_qs(f"{parts.query}&{self.body}").items()}
        scheme, _, credentials = (handler.headers.get("Authorization") or "").partition(" ")
        self.token = credentials if scheme == "Bearer" else ""
        self.client = ("", "")
        if scheme == "Basic":
            name, _, password = base64.b64decode(credentials).decode().partition(":")
            self.client = (unquote(name), unquote(password))


class Key:
    """A signing key and its public side."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def public_pem(self) -> bytes:
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def private_pem(self) -> str:
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    def jwk(self) -> dict[str, Any]:
        row = jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**row, "kid": self.kid, "use": "sig", "alg": "RS256"}

    def sign(self, claims: Claims) -> str:
        return jwt.encode(claims, self.private, "RS256", headers={"kid": self.kid})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 200  # a class that comes back at once


class Provider:
    """See the module's text."""

    path = ""
    """Of its issuer, below this machine's address."""
    scopes: tuple[str, ...] = ("openid", "profile", "email", "groups")
    names_itself = True
    """Whether it puts its issuer into the way back (RFC 9207)."""

    def __init__(self, client_id: str = "tf29hub", client_secret: str = "a secret of the client: +&%") -> None:
        self.client_id, self.client_secret = client_id, client_secret
        self.key = Key("first")
        self.published = [self.key.jwk()]
        self.person: Claims = {"sub": "1", "preferred_username": "ada"}
        self.in_userinfo: Claims = {}
        """What only the userinfo page says."""
        self.reset()
        self.codes: dict[str, dict[str, Any]] = {}
        self.pages: dict[str, Page] = {
            f"{self.path}/.well-known/openid-configuration": self.discovery,
            "/authorize": self.authorize,
            "/token": self.token,
            "/userinfo": self.userinfo,
            "/jwks": lambda request: (200, {"keys": self.published}),
        }
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.issuer = self.origin + self.path

    def reset(self) -> None:
        """Honest, up, and quick again; nobody is signed in."""
        self.bend: Callable[[Claims], Claims] = lambda claims: claims
        self.sign: Callable[[Claims], str] = self.key.sign
        self.bend_return: Callable[[dict[str, str]], dict[str, str]] = lambda fields: fields
        self.bend_answer: Callable[[dict[str, Any]], dict[str, Any]] = lambda answer: answer
        self.bend_userinfo: Callable[[Claims], Claims] = lambda claims: claims
        self.down = False
        self.slow_s = 0.0
        self.expires_in = 3600
        self.gives_refresh_tokens = True
        self.asked: list[str] = []
        """The paths of all requests."""
        self.seen: list[dict[str, str]] = []
        """What came to its authorization page, with the codes that were given."""
        self.access: dict[str, Claims] = {}
        self.refresh: dict[str, Claims] = {}

    def __enter__(self) -> Provider:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def rotate_key(self) -> None:
        """Another key, as providers do every few weeks; the old one is not published any more."""
        self.key = Key(f"key-{secrets.token_hex(4)}")
        self.published, self.sign = [self.key.jwk()], self.key.sign

    # its pages

    def discovery(self, request: Request) -> Answer:
        return 200, {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.origin}/authorize",
            "token_endpoint": f"{self.origin}/token",
            "userinfo_endpoint": f"{self.origin}/userinfo",
            "jwks_uri": f"{self.origin}/jwks",
            "end_session_endpoint": f"{self.origin}/end",
            "scopes_supported": self.scopes,
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "authorization_response_iss_parameter_supported": self.names_itself,
        }

    def authorize(self, request: Request) -> Answer:
        code = secrets.token_urlsafe(12)
        self.codes[code] = {**request.fields, "person": dict(self.person)}
        self.seen.append({**request.fields, "code": code})
        own = {"iss": self.issuer} if self.names_itself else {}
        back = self.bend_return({"code": code, "state": request.fields["state"], **own})
        return 302, f"{request.fields['redirect_uri']}?{urlencode(back)}"

    def token(self, request: Request) -> Answer:
        client = (
            request.client
            if request.client[0]
            else tuple(request.fields.get(name, "") for name in ("client_id", "client_secret"))
        )
        if client != (self.client_id, self.client_secret):
            return 401, {"error": "invalid_client"}
        if request.fields["grant_type"] == "refresh_token":
            person = self.refresh.pop(request.fields["refresh_token"], None)
            return (400, {"error": "invalid_grant"}) if person is None else (200, self._tokens(self.person, None))
        asked = self.codes.pop(request.fields["code"], None)
        if asked is None or not _proves(request.fields.get("code_verifier", ""), asked["code_challenge"]):
            return 400, {"error": "invalid_grant"}
        return 200, self._tokens(asked["person"], asked["nonce"])

    def userinfo(self, request: Request) -> Answer:
        if request.token not in self.access:
            return 401, {"error": "invalid_token"}
        return 200, self.bend_userinfo({**self.person, **self.in_userinfo})

    def sign_everybody_out(self) -> None:
        """No token is worth anything any more."""
        self.access.clear()
        self.refresh.clear()

    def claims(self, person: Claims) -> Claims:
        """What an ID token says about `person`."""
        return person

    def _tokens(self, person: Claims, nonce: str | None) -> dict[str, Any]:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": self.client_id, "iat": now, "exp": now + 3600, **self.claims(person)}
        claims |= {"nonce": nonce} if nonce is not None else {}
        access, refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self.access[access] = person
        answer = {"access_token": access, "token_type": "Bearer", "expires_in": self.expires_in}
        if self.gives_refresh_tokens:
            self.refresh[refresh] = person
            answer["refresh_token"] = refresh
        return self.bend_answer({**answer, "id_token": self.sign(self.bend(claims))})

    # HTTP

    def answer(self, request: Request) -> Answer:
        self.asked.append(request.path)
        if self.slow_s:
            time.sleep(self.slow_s)
        if self.down:
            return 503, {"error": "temporarily_unavailable"}
        page = self.pages.get(request.path)
        return page(request) if page else (404, {"error": "not_found"})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, content, *headers = provider.answer(Request(self))
                body = b"" if status == 302 else json.dumps(content).encode()
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", content)
                for name, value in headers[0].items() if headers else ():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # who asked does not wait
                    self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _proves(verifier: str, challenge: str) -> bool:
    """PKCE, S256."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=") == challenge
