"""Secrets leave the log, and what is no secret stays."""

from __future__ import annotations

import io
import logging

import pytest

from jupyterhub_tf29.audit.discreet import Discreet, without_secrets

HEX = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    "line",
    [
        f"Setting new xsrf cookie for b'{HEX}:SECRETcookieid12' {{'path': '/hub/'}}",
        f"xsrf id mismatch b'{HEX}:SECRETcookieid12' != b':SECRETcookieid12'",
        "Failed login for 'SECRETpassword'",
        "Disallowing invalid username 'SECRETpassword'.",
        "GET /hub/oauth_callback?code=SECRETcode&state=SECRETstate",
        "Authorization: token SECRETSECRETSECRETSECRET",
        "headers {'Authorization': 'Bearer SECRETSECRETSECRETSECRET'}",
        "{'password': 'SECRETpassword', 'username': 'wang'}",
        "client_secret=SECRETSECRET",
        '{"access_token": "SECRETSECRET", "expires_in": 3600}',
        "cookie 2|1:0|10:1700000000|20:jupyterhub-hub-login|44:SECRETSECRET|SECRETSECRET",
        "$argon2id$v=19$m=65536,t=3,p=4$SECRET$SECRET",
        'Bad JSON: b\'{"password": "SECRETpassword"\'',
    ],
)
def test_gone(line):
    assert "SECRET" not in without_secrets(line), without_secrets(line)


def test_tokens_in_hex_are_gone():
    assert HEX not in without_secrets(f"Found token {HEX} of wang")
    assert HEX * 2 not in without_secrets(f"the key is {HEX * 2}")


@pytest.mark.parametrize(
    "line",
    [
        "200 GET /hub/api/users/wang (boss@127.0.0.1) 12.34ms",
        "Server wang: (container tf29hub-wang) stopped by itself, exit code 137",
        f"image sha256:{HEX * 2} is pinned",
        "302 GET /hub/spawn -> /hub/spawn-pending/wang (wang@192.0.2.1) 80.00ms",
        "User logged in: wang",
        "Traefik route for /user/wang/: registered",
        "state: running",
        "Checking access to /hub/api/users/newcomer via scope admin:users!user=newcomer",
    ],
)
def test_stays(line):
    assert without_secrets(line) == line


def test_as_a_filter_also_of_tracebacks():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(Discreet())
    log = logging.getLogger("tests.discreet")
    log.addHandler(handler)
    log.propagate = False
    log.warning("password: %s, and %d", "SECRETpassword", 7)
    try:
        raise ValueError("token=SECRETSECRET was refused")
    except ValueError:
        log.exception("It failed")
    log.warning("%d", "not a number")
    log.removeHandler(handler)
    assert "SECRET" not in stream.getvalue()
    assert "ValueError: token=[secret] was refused" in stream.getvalue()
