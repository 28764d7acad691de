"""The certificate of our own proxy is looked at now and then, by the Hub, which always runs."""

from __future__ import annotations

import asyncio
import logging

from ..proxy import write_certificate
from ..settings import Paths, Settings

EVERY_S = 600.0
"""So soon Traefik has a certificate that was renewed in its file; looking costs a read of it."""

log = logging.getLogger("tf29hub.tls")


async def renew(settings: Settings, paths: Paths) -> None:
    """Hand a new certificate to Traefik, and make the self-signed one anew where it is due. Never raises."""
    if settings.tls.mode == "off":
        return
    try:
        if await asyncio.to_thread(write_certificate, settings, paths):
            log.info("The proxy has a new certificate")
    except Exception as error:
        log.error("TLS: the proxy keeps its certificate, there is no good new one: %s", error)
