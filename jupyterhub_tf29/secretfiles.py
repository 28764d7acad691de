"""Secrets of this installation: one file each, mode 0600, made once, never shown and never in a log.

They live in `Paths.secrets` rather than in `hub.yaml`, so that the configuration can be read, copied and kept
in version control by people who may not sign in as everybody.
"""

from __future__ import annotations

import argparse
import os
import secrets
import stat
from pathlib import Path

from .settings import Paths
from .yamlfile import ConfigError

NAMES = (
    "cookie-secret",
    "proxy-api-password",
    "culler-token",
    "check-token",
    "crypt-key",
    "console-token",
    "console-cookie",
    "broker-token",
)
"""What signs browsers' cookies; the proxy's API's password; the tokens of the idle culler and of the check; what
encrypts auth state in the database; the token of the console, and what signs its cookies; the token of
the GPU broker."""

SECRET_BYTES = 32
"""JupyterHub wants exactly 32 bytes for its cookie secret and its crypt key; it is plenty for the others."""


class SecretError(ConfigError):
    """A secret is missing, or others can read it; the text says which file and what to do."""


def ensure_secrets(paths: Paths) -> list[str]:
    """Make the secrets that are missing, each 32 random bytes as 64 hex digits. Returns the names of those made.

    Raises OSError where `paths.secrets` cannot be written.
    """
    paths.secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
    return [name for name in NAMES if _create(paths.secrets / name)]


def read_secret(paths: Paths, name: str) -> str:
    """The secret `name`, one of NAMES. Raises SecretError where it is missing, empty or open to others."""
    if name not in NAMES:
        raise SecretError(f"there is no secret named {name!r}; there are {', '.join(NAMES)}")
    return _read(paths.secrets / name, "run deploy/up, which makes it")


def read_given_secret(paths: Paths, name: str) -> str:
    """A secret that others made and the admin put into `paths.secrets`: a directory's password, a client's secret.

    Raises SecretError where it is missing, empty or open to others.
    """
    return _read(paths.secrets / name, "write it there, for the hub's account alone (mode 0600)")


def _read(path: Path, where_from: str) -> str:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise SecretError(f"{path}: this secret is missing; {where_from}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(f"{path}: this secret cannot be read: {error}") from error
    if mode & 0o077:
        # Tightening the mode in silence would hide that someone may already know the secret.
        raise SecretError(
            f"{path}: others than its owner can use this secret (mode {mode:04o}); "
            "have a new one made, or chmod 600 it if nobody has read it"
        )
    if not text:
        raise SecretError(f"{path}: this secret is empty; {where_from}")
    return text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "It prints the names of the secrets that it made, never a secret."


def run(args: argparse.Namespace) -> int:
    for name in ensure_secrets(Paths.from_environment()):
        print(name)
    return 0


def _create(path: Path) -> bool:
    """Write a new secret to `path` unless it exists; whole or not at all, even with two at the same time."""
    if path.exists():
        return False
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(SECRET_BYTES) + "\n")
        os.link(draft, path)  # unlike a rename, fails where another process was first
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True
