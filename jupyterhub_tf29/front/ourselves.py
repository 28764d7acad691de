"""Coming to our own front from this machine: for the check, the doctor and the commands.

With TLS of our own it is asked on this machine's address, and believed because it holds the key of the
certificate that hub.yaml names; what browsers make of that certificate is the doctor's business. With another
proxy before it, it is asked at the address that people use, so that the cookies are theirs.
"""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from ..settings import Paths, Settings
from .tls import certificate_pair


def local_url(settings: Settings) -> str:
    """Where our own proxy answers on this machine."""
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (to be replaced, not to listen on)
    address = local.get(settings.listen.address, settings.listen.address)
    scheme = "http" if settings.tls.mode == "off" else "https"
    return f"{scheme}://{f'[{address}]' if ':' in address else address}:{settings.listen.port}"


def front_url(settings: Settings) -> str:
    """Where this machine reaches the front as browsers do."""
    behind_another = settings.tls.mode == "off" and urlsplit(settings.front.url).scheme == "https"
    return settings.front.url if behind_another else local_url(settings)


def front_context(settings: Settings, paths: Paths) -> ssl.SSLContext | None:
    """How to speak TLS to `front_url`; None where that is plain HTTP.

    Of our own proxy our own certificate alone is believed; of another one, what this machine's authorities have
    signed for its name. Raises ConfigError where there is no certificate.
    """
    if settings.tls.mode == "off":
        return ssl.create_default_context() if urlsplit(front_url(settings)).scheme == "https" else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # 127.0.0.1 is in no public certificate; the key is the proof
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(str(certificate_pair(settings, paths).certificate))
    return context


class _ByContext(HTTPAdapter):
    """Believes whom its context believes; requests would add the authorities that it brings along."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        if not self._context.check_hostname:
            kwargs["assert_hostname"] = False
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:
        """The context does it."""


def session_to_front(context: ssl.SSLContext | None) -> requests.Session:
    """A session that neither a proxy nor a CA bundle of the environment gets into."""
    session = requests.Session()
    session.trust_env = False
    if context is not None:
        session.mount("https://", _ByContext(context))
    return session
