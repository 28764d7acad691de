"""The authority of the hub's own, and the certificate that it makes."""

from __future__ import annotations

import datetime
import socket
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from jupyterhub_tf29.front import authority
from jupyterhub_tf29.front.authority import authority_file, ensure_self_signed, names_of_machine, server_pair
from jupyterhub_tf29.front.command import names_in
from jupyterhub_tf29.settings import Settings

NAMES = ["hub.example.edu", "*.hub.example.edu", "192.0.2.7", "2001:db8::7", "中心.example"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tls"
    assert ensure_self_signed(folder, NAMES, "Trial")
    return folder


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_browsers_that_have_the_authority_believe_the_certificate(folder):
    certificate, root = load(server_pair(folder).certificate), load(authority_file(folder))
    builder = PolicyBuilder().store(Store([root]))
    builder.build_server_verifier(x509.DNSName("hub.example.edu")).verify(certificate, [])
    builder.build_server_verifier(x509.DNSName("wang.hub.example.edu")).verify(certificate, [])
    with pytest.raises(VerificationError):
        builder.build_server_verifier(x509.DNSName("evil.example")).verify(certificate, [])


def test_names_of_all_kinds(folder):
    assert names_in(load(server_pair(folder).certificate)) == [*NAMES[:4], "xn--fiqq24b.example"]


def test_the_keys_are_their_owners(folder):
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == {
        "authority.pem": 0o644,
        "authority-key.pem": 0o600,
        "server.pem": 0o644,
        "server-key.pem": 0o600,
    }
    assert folder.stat().st_mode & 0o777 == 0o700


def test_it_is_made_once(folder):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert not ensure_self_signed(folder, NAMES[:2], "Trial")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_another_name_means_another_certificate_by_the_same_authority(folder):
    root = authority_file(folder).read_bytes()
    assert ensure_self_signed(folder, [*NAMES, "new.example"], "Trial")
    assert authority_file(folder).read_bytes() == root
    assert "new.example" in names_in(load(server_pair(folder).certificate))


def test_it_is_renewed_before_it_ends(folder, monkeypatch):
    left = load(server_pair(folder).certificate).not_valid_after_utc - datetime.datetime.now(datetime.timezone.utc)
    assert 390 < left.days <= 397
    monkeypatch.setattr(authority, "RENEW_BEFORE_DAYS", left.days + 2)
    assert ensure_self_signed(folder, NAMES, "Trial")


def test_names_of_this_machine():
    names = names_of_machine(
        Settings.model_validate(
            {
                "front": {"url": "https://Hub.example.edu:8443", "subdomains": True},
                "tls": {"names": ["lab.example"]},
                "listen": {"address": "192.0.2.7"},
            }
        )
    )
    assert names[:3] == ["hub.example.edu", "*.hub.example.edu", "lab.example"]
    assert {"localhost", "127.0.0.1", "::1", "192.0.2.7", socket.gethostname().lower()} <= set(names)
    assert len(names) == len(set(names))
