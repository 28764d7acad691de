"""`tf29hub certificate`: the certificate of our own proxy; made, renewed, handed to the proxy, shown."""

from __future__ import annotations

import argparse
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ..cli import CommandError
from ..proxy import write_certificate
from ..settings import Paths, Settings, load_settings
from .authority import authority_file
from .tls import certificate_pair


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One option."""
    parser.add_argument(
        "--authority", action="store_true", help="print the self-made authority in PEM, for browsers to import"
    )


def run(args: argparse.Namespace) -> int:
    """0: it is in use. Raises ConfigError and CommandError."""
    paths = Paths.from_environment()
    settings = load_settings(paths.config)
    if settings.tls.mode == "off":
        raise CommandError("tls.mode is off in hub.yaml: our proxy has no certificate")
    try:
        rules = paths.proxy / "rules"
        rules.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_certificate(settings, paths)
        if args.authority:
            print(_authority(settings, paths), end="")
            return 0
    except OSError as error:
        raise CommandError(f"the certificate cannot be put in place: {error}") from error
    for line in describe(settings, paths):
        print(line)
    return 0


def describe(settings: Settings, paths: Paths) -> list[str]:
    """What an admin asks of a certificate, a line each."""
    file = certificate_pair(settings, paths).certificate
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.timezone.utc)
    lines = [
        f"file:    {file}",
        f"names:   {', '.join(names_in(certificate))}",
        f"issuer:  {certificate.issuer.rfc4514_string()}",
        f"until:   {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC ({left.days} days)",
    ]
    if settings.tls.mode == "self-signed":
        authority = authority_file(paths.tls)
        fingerprint = x509.load_pem_x509_certificate(authority.read_bytes()).fingerprint(hashes.SHA256())
        lines += [f"authority for browsers: {authority}", f"its SHA-256: {fingerprint.hex(':').upper()}"]
    return lines


def names_in(certificate: x509.Certificate) -> list[str]:
    """The host names and addresses that a certificate is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in found]


def _authority(settings: Settings, paths: Paths) -> str:
    if settings.tls.mode != "self-signed":
        raise CommandError("tls.mode is files: the authority is whoever signed your certificate")
    return authority_file(paths.tls).read_text(encoding="ascii")
