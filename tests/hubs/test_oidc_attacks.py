"""Sign-in with OpenID Connect as attackers try it: a real hub, and a provider that lies in one way at a time.

What a single token must say is in tests/test_auth_oidc_token.py; here each lie is told to a hub, which has to send
whoever tells it away, name no secret in its log, and let the same person in when the provider is honest again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.hubs.browser import words
from tests.hubs.localhub import LocalHub
from tests.hubs.visitor import Visitor
from tests.openid.provider import Claims, Key, Provider

pytestmark = [pytest.mark.hub, pytest.mark.usefixtures("liar")]

CALLBACK = "/login/oidc/oauth_callback"
STRANGER = Key("first")
"""Not the provider's key, but of the same name."""


# -- honest people ----------------------------------------------------------------------------------------------


def test_an_honest_answer_lets_them_in(visitor: Visitor, liar: Provider) -> None:
    response = visitor.sign_in()
    assert response.status_code == 302, words(response.text)
    assert response.headers["Location"].endswith("/hub/home")
    assert visitor.name == "ada"


def test_what_is_sent_to_the_provider(visitor: Visitor, liar: Provider) -> None:
    first, second = (
        {name: values[0] for name, values in parse_qs(urlsplit(visitor.leave()).query).items()} for _ in range(2)
    )
    assert first["response_type"] == "code"
    assert first["client_id"] == liar.client_id
    assert first["redirect_uri"] == f"{visitor.hub.url}{CALLBACK}"
    assert set(first["scope"].split()) == {"openid", "profile", "email", "groups"}
    assert first["code_challenge_method"] == "S256"
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) >= 43, "256 bits"
        assert first[name] != second[name]
    assert not {"code_verifier", "client_secret"} & set(first)


def test_two_tabs_at_once(visitor: Visitor) -> None:
    first, second = visitor.way_back(), visitor.way_back()
    assert visitor.get(first).status_code == 302
    assert visitor.get(second).status_code == 302


def test_nobody_is_let_in_whom_no_list_names(visitor: Visitor, liar: Provider) -> None:
    liar.person = {"sub": "eve", "preferred_username": "eve", "groups": ["visitors"]}
    response = visitor.sign_in()
    assert response.status_code == 403
    assert "signed in at Example University, but your account may not use this hub" in words(response.text)
    assert visitor.name == ""


# -- lies about the token ---------------------------------------------------------------------------------------


def saying(**changes: Any) -> Callable[[Provider], None]:
    def lie(provider: Provider) -> None:
        provider.bend = lambda claims: {
            name: value for name, value in {**claims, **changes}.items() if value is not None
        }

    return lie


def signing(sign: Callable[[Provider, Claims], str]) -> Callable[[Provider], None]:
    def lie(provider: Provider) -> None:
        provider.sign = lambda claims: sign(provider, claims)

    return lie


def part(document: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def by_hmac(claims: Claims, key: bytes) -> str:
    text = f"{part({'alg': 'HS256', 'kid': 'first'})}.{part(claims)}"
    signature = base64.urlsafe_b64encode(hmac.digest(key, text.encode(), hashlib.sha256)).rstrip(b"=")
    return f"{text}.{signature.decode()}"


def tampered(provider: Provider, claims: Claims) -> str:
    header, _, signature = provider.key.sign(claims).split(".")
    return f"{header}.{part({**claims, 'groups': ['staff', 'it']})}.{signature}"


def answering(**changes: Any) -> Callable[[Provider], None]:
    def lie(provider: Provider) -> None:
        provider.bend_answer = lambda answer: {
            name: value for name, value in {**answer, **changes}.items() if value is not None
        }

    return lie


def other_person(provider: Provider) -> None:
    provider.bend_userinfo = lambda claims: {**claims, "sub": "grace", "groups": ["staff", "it"]}


LIES: dict[str, tuple[Callable[[Provider], None], str]] = {
    "another issuer": (saying(iss="https://evil.example"), "another issuer"),
    "no issuer": (saying(iss=None), "another issuer"),
    "another audience": (saying(aud="another-client"), "audience"),
    "two audiences": (saying(aud=["tf29hub", "another-client"]), "authorized party"),
    "another authorized party": (saying(azp="another-client"), "authorized party"),
    "another nonce": (saying(nonce="of another sign-in"), "nonce"),
    "no nonce": (saying(nonce=None), "nonce"),
    "expired": (saying(exp=int(time.time()) - 3600), "expired"),
    "without end": (saying(exp=None), "when it ends"),
    "of yesterday": (saying(iat=int(time.time()) - 86400), "old"),
    "of tomorrow": (saying(iat=int(time.time()) + 86400), "future"),
    "nobody": (saying(sub=None), "about whom"),
    "another key": (signing(lambda _, claims: STRANGER.sign(claims)), "signature"),
    "an unknown key": (signing(lambda _, claims: Key("unknown").sign(claims)), "no such key"),
    "tampered": (signing(tampered), "signature"),
    "alg none": (signing(lambda _, claims: f"{part({'alg': 'none'})}.{part(claims)}."), "not allowed"),
    "alg None": (signing(lambda _, claims: f"{part({'alg': 'None'})}.{part(claims)}."), "not allowed"),
    "public key as secret": (signing(lambda own, claims: by_hmac(claims, own.key.public_pem)), "not allowed"),
    "client secret as key": (
        signing(lambda own, claims: by_hmac(claims, own.client_secret.encode())),
        "not allowed",
    ),
    "no token": (answering(id_token=None), "no ID token"),
    "rubbish": (answering(id_token="a.b.c"), "not a JSON web token"),
    "a list": (answering(id_token=["a"]), "no ID token"),
    "userinfo of another": (other_person, "someone else"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_lets_nobody_in(visitor: Visitor, liar: Provider, lie: str) -> None:
    tell, why = LIES[lie]
    before = len(visitor.hub.log)
    tell(liar)
    response = visitor.sign_in()
    assert response.status_code == 403, words(response.text)
    assert "cannot be trusted" in words(response.text)
    assert visitor.name == ""
    assert why in visitor.hub.log[before:]


def test_after_a_rotation_of_keys_people_come_in(visitor: Visitor, liar: Provider) -> None:
    """Last of the keys: the hub asks for unknown ones once in half a minute, and the lies above asked."""
    assert visitor.sign_in().status_code == 302


# -- lies about the way back ------------------------------------------------------------------------------------


def test_an_answer_belongs_to_the_browser_that_asked(oauth_hub: LocalHub, visitor: Visitor) -> None:
    """Signing somebody in as oneself, by a link to one's own answer (cross-site request forgery)."""
    attackers = Visitor(oauth_hub).way_back()
    response = visitor.get(attackers)
    assert response.status_code == 400
    assert "not begun in this browser" in words(response.text)
    assert visitor.name == ""


def test_a_forged_answer_signs_nobody_out(visitor: Visitor) -> None:
    visitor.sign_in()
    assert visitor.get(f"{CALLBACK}?code=x&state=y").status_code == 400
    assert visitor.name == "ada"


def test_an_answer_serves_once(visitor: Visitor, oauth_hub: LocalHub) -> None:
    back = visitor.way_back()
    assert visitor.get(back).status_code == 302
    assert visitor.get(back).status_code == 400


@pytest.mark.parametrize(
    "query",
    ["", "code=x", "state=x", "code=x&state=", "code=&state=x", "code=x&state=%00", "code=x&state=" + "é" * 50,
     "code=x&state=../../x;y=", "state=e30=&code=x"],
)  # fmt: skip
def test_a_callback_out_of_nothing(visitor: Visitor, query: str) -> None:
    response = visitor.get(f"{CALLBACK}?{query}")
    assert response.status_code == 400
    assert visitor.name == ""


def test_another_state(visitor: Visitor) -> None:
    back = visitor.way_back()
    state = parse_qs(urlsplit(back).query)["state"][0]
    changed = back.replace(state, state[:-1] + ("A" if state[-1] != "A" else "B"))
    assert visitor.get(changed).status_code == 400, "the cookie's name fits, the state does not"


def test_an_answer_belongs_to_the_provider_that_was_asked(visitor: Visitor, liar: Provider) -> None:
    """A mix-up: asked by one button, answered at the page of another."""
    back = visitor.way_back("oidc")
    assert visitor.get(back.replace("/login/oidc/", "/login/other/")).status_code == 400
    assert visitor.name == ""


@pytest.mark.parametrize("issuer", ["https://evil.example", None], ids=["another", "none"])
def test_an_answer_that_names_another_provider(visitor: Visitor, liar: Provider, issuer: str | None) -> None:
    def bend(fields: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in {**fields, "iss": issuer}.items() if value is not None}

    liar.bend_return = bend
    assert visitor.sign_in().status_code == 403
    assert visitor.name == ""


def test_a_code_without_its_verifier_is_worth_nothing(
    oauth_hub: LocalHub, visitor: Visitor, liar: Provider
) -> None:
    """PKCE: a code that was seen on its way, put into another sign-in."""
    seen = parse_qs(urlsplit(Visitor(oauth_hub).way_back()).query)["code"][0]
    own = visitor.way_back()
    code = parse_qs(urlsplit(own).query)["code"][0]
    response = visitor.get(own.replace(code, seen))
    assert response.status_code == 403
    assert visitor.name == ""


def test_a_planted_cookie_of_a_try_is_not_ours(visitor: Visitor) -> None:
    """Who can set cookies cannot sign them."""
    planted = json.dumps({"method": "oidc", "state": "A" * 43, "nonce": "n", "verifier": "v", "next_url": ""})
    host = urlsplit(visitor.hub.url).hostname
    visitor.session.cookies.set("tf29hub-sign-in-" + "A" * 12, planted, domain=host, path="/hub/")
    assert visitor.get(f"{CALLBACK}?code=x&state={'A' * 43}").status_code == 400


def test_words_in_the_address_are_not_shown(visitor: Visitor, liar: Provider) -> None:
    """Or a link could make our page say anything."""
    planted = "Your account is locked, call +1 555 0100"
    liar.bend_return = lambda fields: {
        "error": "access_denied", "error_description": planted, "state": fields["state"], "iss": fields["iss"],
    }  # fmt: skip
    response = visitor.sign_in()
    assert response.status_code == 403
    assert "Example University did not let you in" in words(response.text)
    assert planted not in response.text
    forged = visitor.get(f"{CALLBACK}?error=x&error_description={quote(planted)}&state=x")
    assert forged.status_code == 400
    assert planted not in forged.text


ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example/",
    "\\\\evil.example",
    "http:evil.example",
    "https:/evil.example",
    "javascript:alert(1)",
    "/hub/../..//evil.example",
    "%2f%2fevil.example",
    "http://127.0.0.1@evil.example/",
    "\t//evil.example",
]


@pytest.mark.parametrize("target", ELSEWHERE)
def test_no_open_redirect(visitor: Visitor, target: str) -> None:
    response = visitor.sign_in(next_url=target)
    assert response.status_code == 302
    landed = urlsplit(response.headers["Location"])
    assert not landed.netloc or landed.netloc == urlsplit(visitor.hub.url).netloc
    assert landed.scheme in ("", "http")
    assert not response.headers["Location"].startswith(("//", "/\\", "\\"))


def test_a_page_of_this_hub_is_where_they_land(visitor: Visitor) -> None:
    assert visitor.sign_in(next_url="/hub/token").headers["Location"] == "/hub/token"


# -- what the log says ------------------------------------------------------------------------------------------


def test_no_secret_is_in_the_log(oauth_hub: LocalHub, visitor: Visitor, liar: Provider) -> None:
    """The nonce is none: it stands in the address at the provider, and in a token of which it is one claim."""
    state = parse_qs(urlsplit(visitor.leave()).query)["state"][0]
    visitor.sign_in()
    given = [liar.client_secret, *liar.access, *liar.refresh, state]
    given += [cookie.value for cookie in visitor.session.cookies if cookie.value and len(cookie.value) > 20]
    given += [row["state"] for row in liar.seen] + [row["code"] for row in liar.seen]
    assert len(given) > 8
    assert [one for one in given if one in oauth_hub.log] == []
