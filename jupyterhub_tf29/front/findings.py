"""What the doctor says of the way in: the certificate as browsers see it, and that there is no way around TLS."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

from cryptography import x509

from ..finding import Finding
from ..settings import Paths, Settings
from .authority import own_addresses
from .ourselves import local_url

WARN_DAYS, FAIL_DAYS = 21, 3
"""Let's Encrypt renews 30 days before the end: at 21 it has failed for more than a week."""
TIMEOUT_S = 5


def tls_findings(settings: Settings, paths: Paths) -> Iterator[Finding]:
    """Certificate, chain, end, and what else listens."""
    url = urlsplit(settings.front.url)
    if settings.tls.mode != "off":
        where = urlsplit(local_url(settings))
        name = url.hostname or where.hostname or ""
        yield _certificate(settings, paths, str(where.hostname), where.port or 443, name)
    elif url.scheme == "https":
        yield _certificate(settings, paths, str(url.hostname), url.port or 443, str(url.hostname))
        yield from _another_front(settings)
    elif not ipaddress.ip_address(settings.listen.address).is_loopback:
        text = f"TLS: off, and the hub listens on {settings.listen.address}: passwords can be read on the way"
        yield Finding("failed", text, "deploy/up --tls self-signed, or a front with TLS: docs/tls.md")
    else:
        yield Finding("ok", f"TLS: off, and the hub listens on this machine alone ({settings.listen.address})")
    yield _hub_port(settings)


def _certificate(settings: Settings, paths: Paths, address: str, port: int, name: str) -> Finding:
    context = ssl.create_default_context()
    if settings.tls.mode == "self-signed":
        context.load_verify_locations(str(paths.tls / "authority.pem"))
    try:
        with (
            socket.create_connection((address, port), timeout=TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            found = x509.load_der_x509_certificate(secure.getpeercert(binary_form=True) or b"")
            spoken = secure.version()
    except ssl.SSLCertVerificationError as error:
        advice = "the file has to hold the whole chain, for this name; self-signed: tf29hub certificate"
        return Finding("failed", f"TLS: {name} at {address}:{port}: {error.verify_message}", advice)
    except (OSError, ValueError) as error:
        return Finding("failed", f"TLS: no answer from {address}:{port} ({error})", "is the front running?")
    left = found.not_valid_after_utc - datetime.datetime.now(datetime.timezone.utc)
    text = f"TLS: {name}, {spoken}, the chain is good, {left.days} days left"
    if left.days < FAIL_DAYS:
        return Finding("failed", text, "renew it now: docs/tls.md")
    if left.days < WARN_DAYS:
        return Finding("warn", text, "it should have been renewed by now: docs/tls.md")
    return Finding("ok", text)


def _another_front(settings: Settings) -> Iterator[Finding]:
    """Behind nginx, say: it is the only way in, and believed in what it says of addresses."""
    open_at = [address for address in own_addresses() if _answers(address, settings.listen.port)]
    if open_at:
        text = f"TLS: the hub can be reached around the front, unencrypted, at {open_at[0]}:{settings.listen.port}"
        yield Finding("failed", text, "listen.address: 127.0.0.1 in hub.yaml, then deploy/up")
    else:
        yield Finding("ok", "TLS: the hub cannot be reached around its front")
    if not settings.front.trusted_proxies:
        text = "front.trusted_proxies is empty: everybody seems to come from the front's own address"
        yield Finding("warn", text, "name it in hub.yaml: 127.0.0.1 where it is on this machine")


def _hub_port(settings: Settings) -> Finding:
    port = settings.ports.hub
    open_at = [address for address in own_addresses() if _answers(address, port)]
    if open_at:
        text = f"the Hub's own port is open to the network at {open_at[0]}:{port}, around the front"
        return Finding("failed", text, "nothing in jupyterhub_config.py may set hub_ip to an outside address")
    return Finding("ok", f"the Hub's own port {port} is not open to the network")


def _answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=TIMEOUT_S).close()
    except OSError:
        return False
    return True
