"""Canaille, a real OpenID Connect provider with a login page of its own, for tests.

    with Canaille(folder, "http://…/hub/login/oidc/oauth_callback", users={"ada": {…}}) as provider:
        provider.put(groups={"gpu-users": ["ada"]})

It has a Python environment of its own (`tests/openid/canaille.lock`), which `tests/run` makes.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from pathlib import Path
from typing import Any

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from ..ours import find_free_port
from ..waiting import wait_until

ADMIN = Path(__file__).parent / "canaille_admin.py"
CONFIG = """
SECRET_KEY = "{secret_key}"
SERVER_NAME = "127.0.0.1:{port}"
PREFERRED_URL_SCHEME = "http"

[CANAILLE]
NAME = "Example University"
DATABASE = "sql"
LOGGING = {{version = 1, disable_existing_loggers = false}}

[CANAILLE_SQL]
DATABASE_URI = "sqlite:///{folder}/canaille.sqlite"

[CANAILLE_OIDC]
ACTIVE_JWKS = [{key}]

[CANAILLE_OIDC.USERINFO_MAPPING]
SUB = "{{{{ user.id }}}}"
PREFERRED_USERNAME = "{{{{ user.user_name }}}}"
"""


def canaille_bin() -> Path:
    """Where its programs are."""
    folder = os.environ.get("TF29HUB_TEST_CANAILLE")
    if not folder:
        raise RuntimeError("which Canaille? Run tests/run, or name its environment in TF29HUB_TEST_CANAILLE")
    return Path(folder) / "bin"


class Canaille:
    """See the module's text. `issuer` is its address; `client_id`, `client_secret` those of one hub."""

    client_id = "tf29hub"

    def __init__(self, folder: Path, callback: str, port: int = 0, **content: Any) -> None:
        """`callback`: where people are sent back to; `content`: as for `put`."""
        self.folder, self.port = folder, port or find_free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.client_secret = secrets.token_urlsafe(24)
        self._environment = {
            **os.environ,
            "CANAILLE_CONFIG": str(folder / "canaille.toml"),
            "AUTHLIB_INSECURE_TRANSPORT": "1",
        }
        config = CONFIG.format(secret_key=secrets.token_hex(16), port=self.port, folder=folder, key=_new_key())
        (folder / "canaille.toml").write_text(config)
        self._process: subprocess.Popen[bytes] | None = None
        self._admin(
            {
                "install": True,
                **content,
                "client": {
                    "client_id": self.client_id,
                    "client_secret": self.client_secret,
                    "client_name": "TensorFlow workspaces",
                    "client_uri": "http://127.0.0.1",
                    "redirect_uris": [callback],
                    "grant_types": ["authorization_code", "refresh_token"],
                    "response_types": ["code"],
                    "scope": ["openid", "profile", "email", "groups"],
                    "token_endpoint_auth_method": "client_secret_basic",
                },
            }
        )

    def put(self, *, users: dict[str, Any] | None = None, groups: dict[str, list[str]] | None = None) -> None:
        """Make these users and groups, or make them so. A user has `family_name`, `emails`, `password` …"""
        self._admin({"users": users or {}, "groups": groups or {}})

    def __enter__(self) -> Canaille:
        with (self.folder / "canaille.log").open("ab") as log:
            self._process = subprocess.Popen(
                [canaille_bin() / "canaille", "run", "--bind", f"127.0.0.1:{self.port}"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self._answers, "Canaille answers", timeout=60)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout=30)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "canaille.log").read_text()[-3000:]
        try:
            return requests.get(f"{self.issuer}/.well-known/openid-configuration", timeout=5).ok
        except requests.RequestException:
            return False

    def _admin(self, wanted: dict[str, Any]) -> None:
        done = subprocess.run(
            # -I: or this module would hide the package of its name
            [canaille_bin() / "python", "-I", ADMIN],
            env=self._environment, cwd=self.folder, input=json.dumps(wanted), capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]


def _new_key() -> str:
    """A signing key as a JWK in TOML, made here: Canaille's own command takes three seconds."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    row = {**jwt.algorithms.RSAAlgorithm.to_jwk(private, as_dict=True), "kid": secrets.token_hex(8)}
    return "{" + ", ".join(f'{name} = "{value}"' for name, value in row.items() if isinstance(value, str)) + "}"
