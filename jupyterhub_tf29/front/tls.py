"""TLS of our own proxy: which certificate it has, and Traefik's rules about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from ..settings import Paths, Settings
from ..yamlfile import ConfigError
from .authority import Pair, ensure_self_signed, names_of_machine, server_pair

CIPHERS = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
)
"""Of TLS 1.2, after Mozilla's "intermediate"; those of 1.3 are not to be chosen."""

HSTS = "front-hsts"


def certificate_pair(settings: Settings, paths: Paths) -> Pair:
    """The files of the certificate in use. Raises ConfigError where they do not fit together."""
    if settings.tls.mode == "self-signed":
        return server_pair(paths.tls)
    pair = Pair(Path(settings.tls.certificate), Path(settings.tls.key))
    check_pair(pair)
    return pair


def prepare_certificate(settings: Settings, paths: Paths) -> bool:
    """Make the self-signed certificate where it is missing or due; whether one was made. Raises OSError."""
    if settings.tls.mode != "self-signed":
        return False
    return ensure_self_signed(paths.tls, names_of_machine(settings), settings.title)


def check_pair(pair: Pair) -> None:
    """Raise ConfigError where the certificate or the key cannot be read, or the key is another's."""
    try:
        certificates = x509.load_pem_x509_certificates(pair.certificate.read_bytes())
    except OSError as error:
        raise ConfigError(f"tls.certificate: {pair.certificate} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"tls.certificate: {pair.certificate} holds no certificate in PEM: {error}") from error
    try:
        key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    except OSError as error:
        raise ConfigError(f"tls.key: {pair.key} cannot be read by the hub's account: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise ConfigError(f"tls.key: {pair.key} holds no key in PEM, or one with a password: {error}") from error
    wanted = certificates[0].public_key().public_bytes(*_SPKI)
    if key.public_key().public_bytes(*_SPKI) != wanted:
        raise ConfigError(f"tls.key: {pair.key} is not the key of the first certificate in {pair.certificate}")


_SPKI = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def tls_rule(pair: Pair) -> dict[str, Any]:
    """Traefik's rule: this certificate for every host name. The text itself, so that a new one is noticed."""
    files = {
        "certFile": pair.certificate.read_text(encoding="ascii", errors="replace"),
        "keyFile": pair.key.read_text(encoding="ascii", errors="replace"),
    }
    return {
        "tls": {
            "stores": {"default": {"defaultCertificate": files}},
            "options": {"default": {"minVersion": "VersionTLS12", "cipherSuites": list(CIPHERS)}},
        }
    }


def sends_hsts(settings: Settings) -> bool:
    """Not with a self-signed certificate: who has heard of HSTS is let past no certificate that is not known."""
    return settings.tls.mode == "files" and settings.tls.hsts > 0


def hsts_rule(seconds: int) -> dict[str, Any]:
    """A middleware that tells browsers to come by TLS only."""
    return {HSTS: {"headers": {"stsSeconds": seconds}}}
