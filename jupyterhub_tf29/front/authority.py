"""An authority of this hub's own, for machines without a domain: its certificate is given to browsers once.

It lies in `Paths.tls`: `authority.pem` is for everybody, the keys for the hub's account alone. The server's
certificate is made again before it ends, and when the names of the machine change; the authority stays.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..settings import Settings

AUTHORITY_DAYS = 3650
SERVER_DAYS = 397
"""What browsers accept of public authorities; they are more patient with private ones, but not all alike."""
RENEW_BEFORE_DAYS = 30

UTC = datetime.timezone.utc


@dataclass(frozen=True)
class Pair:
    """A certificate, with the chain behind it, and its key: two PEM files."""

    certificate: Path
    key: Path


def server_pair(folder: Path) -> Pair:
    """Where the server's certificate and key are."""
    return Pair(folder / "server.pem", folder / "server-key.pem")


def authority_file(folder: Path) -> Path:
    """The certificate that browsers are given."""
    return folder / "authority.pem"


def ensure_self_signed(folder: Path, names: list[str], title: str) -> bool:
    """Make what is missing or due; whether anything was made. `title`: what the authority is called."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = Pair(authority_file(folder), folder / "authority-key.pem")
    made = not (authority.certificate.exists() and authority.key.exists())
    if made:
        _make_authority(authority, title)
    if made or _is_due(server_pair(folder).certificate, names):
        _make_server(server_pair(folder), authority, names)
        made = True
    return made


def names_of_machine(settings: Settings) -> list[str]:
    """Host names and addresses by which browsers may reach this machine, each once."""
    names = [*settings.tls.names, socket.gethostname(), socket.getfqdn(), "localhost", "127.0.0.1", "::1"]
    host = urlsplit(settings.front.url).hostname
    if host:
        names = [host, *([f"*.{host}"] if settings.front.subdomains else []), *names]
    if not ipaddress.ip_address(settings.listen.address).is_unspecified:
        names.append(settings.listen.address)
    else:
        names += own_addresses()
    return list(dict.fromkeys(name.lower() for name in names if name))


def own_addresses() -> list[str]:
    """The addresses by which other machines would reach this one; none where it has no way out."""
    found = (_own_address(socket.AF_INET), _own_address(socket.AF_INET6))
    return [address for address in found if address and not ipaddress.ip_address(address).is_loopback]


def _own_address(family: int) -> str:
    """The address from which this machine would reach the rest of the world; nothing is sent."""
    target = "192.0.2.1" if family == socket.AF_INET else "2001:db8::1"
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((target, 9))
            return str(probe.getsockname()[0])
        except OSError:
            return ""


def _make_authority(pair: Pair, title: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{title} ({socket.gethostname()})"[:64])])
    certificate = (
        _begin(name, name, key.public_key(), AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(pair.key, _key_pem(key), 0o600)
    _write(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _make_server(pair: Pair, authority: Pair, names: list[str]) -> None:
    issuer = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    issuer_key = cast(
        ec.EllipticCurvePrivateKey, serialization.load_pem_private_key(authority.key.read_bytes(), None)
    )
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    certificate = (
        _begin(subject, issuer.subject, key.public_key(), SERVER_DAYS)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    _write(pair.key, _key_pem(key), 0o600)
    _write(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _begin(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))  # clocks differ
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name.encode("idna").decode("ascii") if not name.isascii() else name)


def _is_due(certificate_file: Path, names: list[str]) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    except (OSError, ValueError):
        return True
    left = certificate.not_valid_after_utc - datetime.datetime.now(UTC)
    if left < datetime.timedelta(days=RENEW_BEFORE_DAYS):
        return True
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return not {_general_name(name) for name in names} <= set(found)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    """Replace the file at once, never readable to more people than it is meant for."""
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    draft.chmod(mode)  # whatever the umask
    draft.replace(path)
