"""Where a request comes from, whatever it says of itself.

The Hub believes `X-Forwarded-For` and `X-Real-Ip` of anybody who connects to it, and users' containers can do
that. Here such a header counts only where the connection comes from this machine, as the front's do, and in it
only what the front and further trusted proxies have written: read from the right, the first that is no trusted
proxy.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOOPBACK = ("127.0.0.0/8", "::1/128")

_trusted: list[Network] = [ipaddress.ip_network(one) for one in LOOPBACK]


def trust(addresses: Iterable[str]) -> None:
    """Set the addresses and networks of proxies before this process, beside its own machine's loopback."""
    _trusted[:] = [ipaddress.ip_network(one, strict=False) for one in (*LOOPBACK, *addresses)]


def client_address(request: Any) -> str:
    """The IP address of the browser or program behind a Tornado request; "" for a Unix socket."""
    peer, header = _peer(request), ",".join(request.headers.get_list("X-Forwarded-For"))
    if not header:
        return peer
    return forwarded(peer, header, [*_trusted, *([ipaddress.ip_network(peer)] if is_own(peer) else [])])


def forwarded(peer: str, header: str, trusted: Iterable[Network]) -> str:
    """The address behind `peer`, which said `X-Forwarded-For: header`. Pure."""
    trusted, address = list(trusted), peer
    for claimed in reversed(header.split(",") if header else []):
        if not _is_among(address, trusted) or _parse(claimed) is None:
            break
        address = str(_parse(claimed))
    return address


@lru_cache(maxsize=256)
def is_own(address: str) -> bool:
    """Whether it is an address of this machine: nothing can be bound to any other."""
    parsed = _parse(address)
    if parsed is None:
        return False
    with socket.socket(socket.AF_INET6 if parsed.version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(parsed), 0))
        except OSError:
            return False
    return not parsed.is_unspecified


def _peer(request: Any) -> str:
    """The other end of the connection; not `remote_ip`, which headers have changed by now."""
    context = getattr(request.connection, "context", None)
    address = getattr(context, "address", None)
    if isinstance(address, tuple) and address:
        return str(_parse(str(address[0])) or address[0])
    return "" if context is not None else str(request.remote_ip)


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.strip().strip("[]").split("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_among(address: str, networks: list[Network]) -> bool:
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in networks)
