"""An ID token is believed for the reasons in the specification, and for no others."""

import base64
import hashlib
import hmac
import json
import time

import jwt
import pytest

from jupyterhub_tf29.auth.oauth.idtoken import (
    LEEWAY_S,
    MAX_LENGTH,
    Expected,
    IdTokenError,
    read_header,
    verify_id_token,
)
from tests.openid.provider import Key

ISSUER, CLIENT, NONCE = "https://login.example.edu", "tf29hub", "the nonce of this try"
NOW = 1_800_000_000
KEY, OTHER_KEY = Key("one"), Key("one")
EXPECTED = Expected(ISSUER, CLIENT, NONCE)


def claims(**changes):
    whole = {
        "iss": ISSUER,
        "aud": CLIENT,
        "sub": "42",
        "nonce": NONCE,
        "iat": NOW - 1,
        "exp": NOW + 300,
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def verify(token, expected=EXPECTED, key=KEY):
    return verify_id_token(token, jwt.PyJWK(key.jwk(), "RS256"), expected, lambda: NOW)


def part(document):
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def hmac_token(header, key):
    signed = f"{part(header)}.{part(claims())}"
    signature = base64.urlsafe_b64encode(hmac.digest(key, signed.encode(), hashlib.sha256)).rstrip(b"=").decode()
    return f"{signed}.{signature}"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"aud": [CLIENT]},
        {"aud": [CLIENT, "another"], "azp": CLIENT},
        {"azp": CLIENT},
        {"exp": NOW - LEEWAY_S + 1},
        {"iat": NOW + LEEWAY_S - 1},
        {"iat": NOW - 0.5, "nbf": NOW - 0.5},
    ],
    ids=["plain", "list of one", "for two", "authorized party", "clock behind", "clock ahead", "fractions"],
)
def test_an_honest_token_is_believed(changes):
    assert verify(KEY.sign(claims(**changes)))["sub"] == "42"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iss": "https://evil.example"}, "issuer"),
        ({"iss": ISSUER + "/"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"aud": "another"}, "audience"),
        ({"aud": None}, "audience"),
        ({"aud": []}, "audience"),
        ({"aud": {CLIENT: 1}}, "audience"),
        ({"aud": CLIENT + "2"}, "audience"),
        ({"aud": [CLIENT, "another"]}, "authorized party"),
        ({"aud": [CLIENT, "another"], "azp": "another"}, "authorized party"),
        ({"azp": "another"}, "authorized party"),
        ({"nonce": "of another try"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": [NONCE]}, "nonce"),
        ({"exp": NOW - LEEWAY_S - 1}, "expired"),
        ({"exp": None}, "when"),
        ({"iat": None}, "when"),
        ({"exp": "tomorrow"}, "not a time"),
        ({"exp": True}, "not a time"),
        ({"exp": float("nan")}, "not a time"),
        ({"exp": float("inf")}, "not a time"),
        ({"iat": NOW + LEEWAY_S + 1}, "future"),
        ({"nbf": NOW + LEEWAY_S + 1}, "future"),
        ({"iat": NOW - 3600}, "old"),
        ({"sub": None}, "subject"),
        ({"sub": ""}, "subject"),
        ({"sub": 42}, "subject"),
        ({"sub": "x" * 256}, "subject"),
    ],
)
def test_what_a_token_says_is_checked(changes, why):
    with pytest.raises(IdTokenError, match=why):
        verify(KEY.sign(claims(**changes)))


def test_another_key_of_the_same_name_is_another_key():
    with pytest.raises(IdTokenError, match="signature"):
        verify(OTHER_KEY.sign(claims()))


def test_a_changed_claim_breaks_the_signature():
    header, _, signature = KEY.sign(claims()).split(".")
    with pytest.raises(IdTokenError, match="signature"):
        verify(f"{header}.{part(claims(sub='1'))}.{signature}")


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", None, 0])
def test_no_signature_is_no_signature(name):
    for signature in ("", KEY.sign(claims()).rpartition(".")[2]):
        with pytest.raises(IdTokenError):
            verify(f"{part({'alg': name, 'typ': 'JWT'})}.{part(claims())}.{signature}")


@pytest.mark.parametrize("key", [KEY.public_pem, KEY.public_pem.strip(), b"client secret", b""])
def test_a_public_key_is_no_shared_secret(key):
    """The confusion of keys: HS256 with what everybody can read, or with what the client knows."""
    with pytest.raises(IdTokenError, match="not allowed"):
        verify(hmac_token({"alg": "HS256", "kid": "one"}, key))


def test_a_key_that_the_token_brings_along_is_not_used():
    token = jwt.encode(claims(), OTHER_KEY.private, "RS256", headers={"kid": "one", "jwk": OTHER_KEY.jwk()})
    with pytest.raises(IdTokenError, match="signature"):
        verify(token)


def test_an_allow_list_cannot_be_widened():
    expected = Expected(ISSUER, CLIENT, NONCE, algorithms=["HS256", "none"])
    with pytest.raises(IdTokenError, match="not allowed"):
        verify(hmac_token({"alg": "HS256", "kid": "one"}, KEY.public_pem), expected)


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "....", "é.é.é", None, 7, "x" * (MAX_LENGTH + 1)])
def test_rubbish_is_refused(token):
    with pytest.raises(IdTokenError):
        read_header(token)


def test_an_error_holds_nothing_of_the_token():
    token = OTHER_KEY.sign(claims())
    with pytest.raises(IdTokenError) as caught:
        verify(token)
    assert not any(part and part in str(caught.value) for part in token.split("."))


class TestRefreshed:
    """A token that a refresh token brought has no nonce, and must be about the same person."""

    EXPECTED = Expected(ISSUER, CLIENT, nonce=None, subject="42")

    def test_it_needs_no_nonce_and_may_be_as_old_as_the_sign_in(self):
        assert verify(KEY.sign(claims(nonce=None, iat=NOW - 3600)), self.EXPECTED)["sub"] == "42"

    def test_it_is_about_the_same_person(self):
        with pytest.raises(IdTokenError, match="someone else"):
            verify(KEY.sign(claims(nonce=None, sub="43")), self.EXPECTED)


def test_the_clock_is_the_machines():
    now = int(time.time())
    token = KEY.sign(claims(iat=now, exp=now + 300))
    assert verify_id_token(token, jwt.PyJWK(KEY.jwk(), "RS256"), EXPECTED)["sub"] == "42"
