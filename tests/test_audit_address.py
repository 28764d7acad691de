"""Where a request comes from, whatever it says of itself."""

from __future__ import annotations

import ipaddress

import pytest
from tornado.httputil import HTTPHeaders

from jupyterhub_tf29.audit import address
from jupyterhub_tf29.audit.address import client_address, forwarded, is_own, trust

FRONT, PROXY, VISITOR, FORGED = "127.0.0.1", "10.0.0.7", "198.51.100.9", "203.0.113.1"
TRUSTED = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("10.0.0.0/24")]


@pytest.mark.parametrize(
    ("peer", "header", "expected"),
    [
        (FRONT, VISITOR, VISITOR),
        (FRONT, f"{FORGED}, {VISITOR}", VISITOR),
        (FRONT, f"{FORGED}, {VISITOR}, {PROXY}", VISITOR),
        (FRONT, f"{PROXY}, {FORGED}, {VISITOR}, {PROXY}, {FRONT}", VISITOR),
        (VISITOR, FORGED, VISITOR),
        (VISITOR, FRONT, VISITOR),
        (FRONT, "", FRONT),
        (FRONT, PROXY, PROXY),
        (FRONT, "unknown", FRONT),
        (FRONT, f"{FORGED}, nonsense, {PROXY}", PROXY),
        (FRONT, " 2001:db8::1 ", "2001:db8::1"),
        (FRONT, "[2001:db8::1]", "2001:db8::1"),
        ("::ffff:127.0.0.1", VISITOR, VISITOR),
        (FRONT, "<script>", FRONT),
    ],
)
def test_only_what_trusted_proxies_wrote_counts(peer, header, expected):
    assert forwarded(peer, header, TRUSTED) == expected


class Request:
    """As much of a Tornado request as is looked at."""

    remote_ip = FORGED

    def __init__(self, peer: str, **headers: str) -> None:
        self.headers = HTTPHeaders({key.replace("_", "-"): value for key, value in headers.items()})
        self.connection = type("Connection", (), {"context": type("Context", (), {"address": (peer, 40000)})()})()


def test_of_a_container_or_an_outsider_no_header_counts():
    for headers in (
        {"X_Forwarded_For": FORGED},
        {"X_Real_Ip": FORGED},
        {"X_Forwarded_For": FORGED, "Forwarded": FORGED},
    ):
        assert client_address(Request("198.51.100.77", **headers)) == "198.51.100.77"


def test_of_the_front_on_this_machine_they_do():
    assert client_address(Request("127.0.0.1", X_Forwarded_For=VISITOR)) == VISITOR
    assert client_address(Request("127.0.0.1", X_Real_Ip=FORGED)) == "127.0.0.1", "only one header is read"


def test_proxies_of_the_settings(monkeypatch):
    monkeypatch.setattr(address, "_trusted", list(address._trusted))
    trust(["192.0.2.0/24"])
    assert client_address(Request("192.0.2.8", X_Forwarded_For=f"{FORGED}, {VISITOR}")) == VISITOR


def test_own_addresses():
    assert is_own("127.0.0.1")
    assert not is_own("198.51.100.77")
    assert not is_own("0.0.0.0")
    assert not is_own("nonsense")
