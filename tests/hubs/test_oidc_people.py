"""Whose browser, whose name, and what is lost at the provider is lost here: sign-in by OpenID Connect over time.

A real hub that asks the provider every second about those who are in.
"""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from jupyterhub import orm

from tests.hubs.browser import words
from tests.hubs.localhub import LocalHub
from tests.hubs.visitor import Visitor
from tests.openid.provider import Claims, Provider
from tests.waiting import wait_until

pytestmark = [pytest.mark.hub, pytest.mark.usefixtures("liar")]


# -- sessions ---------------------------------------------------------------------------------------------------


def test_a_session_of_before_is_not_taken_over(visitor: Visitor) -> None:
    """Session fixation: what was planted in the browser before the sign-in is worth nothing after it."""
    host = urlsplit(visitor.hub.url).hostname
    visitor.session.cookies.set("jupyterhub-session-id", "planted", domain=host, path="/")
    visitor.get("/login")
    visitor.sign_in()
    assert visitor.name == "ada"
    ids = {cookie.value for cookie in visitor.session.cookies if cookie.name == "jupyterhub-session-id"}
    assert len(ids) == 1
    assert "planted" not in ids


def test_who_sat_here_before_is_out(visitor: Visitor, liar: Provider, oauth_hub: LocalHub) -> None:
    """In a browser that people share: the servers of the one before are closed to the next."""
    visitor.sign_in()
    session = next(cookie.value for cookie in visitor.session.cookies if cookie.name == "jupyterhub-session-id")
    database = orm.new_session_factory(f"sqlite:///{oauth_hub.folder}/hub.sqlite")()
    ada = orm.User.find(database, "ada")
    here, elsewhere = (ada.new_api_token(session_id=one) for one in (session, "another browser"))

    def is_good(token: str) -> bool:
        headers = {"Authorization": f"token {token}"}  # and no cookie
        return Visitor(oauth_hub).get("/api/user", headers=headers).status_code == 200

    assert is_good(here)
    people = liar.person, {"sub": "joan", "preferred_username": "joan", "groups": ["staff"]}
    liar.person = people[1]
    visitor.sign_in()
    assert visitor.name == "joan"
    liar.person = people[0]  # or what the provider says of joan would count against ada
    assert not is_good(here)
    assert is_good(elsewhere)
    database.close()


def test_cookies_of_a_try(visitor: Visitor) -> None:
    response = visitor.get("/login/oidc/oauth_login")
    (cookie,) = [
        line for line in response.raw.headers.getlist("Set-Cookie") if line.startswith("tf29hub-sign-in-")
    ]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/hub/" in cookie
    assert response.headers["Cache-Control"] == "no-store"


def test_many_tries_do_not_fill_the_browser(visitor: Visitor) -> None:
    for _ in range(20):
        visitor.leave()
    assert len([cookie for cookie in visitor.session.cookies if cookie.name.startswith("tf29hub-")]) <= 6
    assert visitor.sign_in().status_code == 302


# -- names ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ada", "ADA", "ａｄａ", " ada "], ids=["same", "upper case", "wide", "spaces"])
def test_nobody_takes_over_a_name(visitor: Visitor, liar: Provider, oauth_hub: LocalHub, name: str) -> None:
    Visitor(oauth_hub).sign_in()  # the real one was here
    liar.person = {"sub": "not-ada", "preferred_username": name, "groups": ["staff"]}
    response = visitor.sign_in()
    assert response.status_code == 403
    assert "belongs to somebody else" in words(response.text)
    assert visitor.name == ""


def test_who_is_renamed_there_stays_the_same_here(visitor: Visitor, liar: Provider, oauth_hub: LocalHub) -> None:
    Visitor(oauth_hub).sign_in()
    liar.person = {"sub": "ada", "preferred_username": "countess", "groups": ["staff"]}
    assert visitor.sign_in().status_code == 302
    assert visitor.name == "ada"


@pytest.mark.parametrize(
    "name",
    [
        "",
        None,
        7,
        ["ada"],
        "a/b",
        "../ada",
        "ada\x00",
        "аda",
        "-ada",
        "ada smith",
        "x" * 300,
        "university:ada",
        "{0}",
    ],
)
def test_what_is_no_name_is_refused(visitor: Visitor, liar: Provider, name: Any) -> None:
    liar.person = {"sub": "strange", "preferred_username": name, "groups": ["staff"]}
    assert visitor.sign_in().status_code == 403
    assert visitor.name == ""


@pytest.mark.parametrize(
    ("claims", "comes_in"),
    [
        ({"email": "grace@example.edu", "email_verified": True}, True),
        ({"email": "grace@example.edu", "email_verified": False}, False),
        ({"email": "grace@example.edu", "email_verified": "true"}, False),
        ({"email": "grace@example.edu"}, False),
        ({"email": "grace@evil.example", "email_verified": True}, False),
        ({"email": "grace@example.edu@evil.example", "email_verified": True}, False),
        ({"email": "grace@sub.example.edu", "email_verified": True}, False),
        ({"email": "grace@notexample.edu", "email_verified": True}, False),
    ],
)
def test_domains_are_of_verified_addresses(
    visitor: Visitor, liar: Provider, claims: Claims, comes_in: bool
) -> None:
    liar.person = {"sub": f"{claims}", **claims} if not comes_in else {"sub": "grace", **claims}
    assert (visitor.sign_in("other").status_code == 302) == comes_in
    assert visitor.name == ("other:grace" if comes_in else "")


# -- what is lost there is lost here ----------------------------------------------------------------------------


def test_who_leaves_the_group_is_out(visitor: Visitor, liar: Provider) -> None:
    visitor.sign_in()
    assert visitor.name == "ada"
    liar.person = {**liar.person, "groups": ["retired"]}
    wait_until(lambda: visitor.name == "", "ada is out", timeout=15)
    assert visitor.sign_in().status_code == 403


def test_admins_come_and_go_with_their_group(visitor: Visitor, liar: Provider) -> None:
    liar.person = {"sub": "linus", "preferred_username": "linus", "groups": ["it"]}
    visitor.sign_in()
    assert visitor.get("/admin").status_code == 200
    liar.person = {**liar.person, "groups": ["staff"]}
    wait_until(lambda: visitor.get("/admin").status_code == 403, "linus is no admin", timeout=15)
    assert visitor.name == "linus"


def test_whose_tokens_are_revoked_is_out(visitor: Visitor, liar: Provider) -> None:
    visitor.sign_in()
    liar.sign_everybody_out()
    wait_until(lambda: visitor.name == "", "ada is out", timeout=15)


def test_an_expired_access_token_is_renewed(visitor: Visitor, liar: Provider) -> None:
    liar.expires_in = 0
    visitor.sign_in()
    given = set(liar.refresh)
    wait_until(lambda: visitor.name == "ada" and set(liar.refresh) != given, "the token is renewed", timeout=15)
    wait_until(
        lambda: visitor.name == "ada" and len(liar.refresh) == 1, "each refresh token serves once", timeout=15
    )


def test_a_renewed_token_of_somebody_else_ends_it(visitor: Visitor, liar: Provider) -> None:
    liar.expires_in = 0
    visitor.sign_in()
    liar.bend = lambda claims: {**claims, "sub": "grace"}
    wait_until(lambda: visitor.name == "", "ada is out", timeout=15)


def test_without_a_refresh_token_an_expired_sign_in_is_over(visitor: Visitor, liar: Provider) -> None:
    liar.expires_in, liar.gives_refresh_tokens = 0, False
    visitor.sign_in()
    wait_until(lambda: visitor.name == "", "ada is out", timeout=15)


def test_groups_of_the_token_alone_are_asked_for_with_the_refresh_token(visitor: Visitor, liar: Provider) -> None:
    liar.bend_userinfo = lambda claims: {name: value for name, value in claims.items() if name != "groups"}
    visitor.sign_in()
    assert visitor.name == "ada"
    liar.person = {**liar.person, "groups": []}
    wait_until(lambda: visitor.name == "", "ada is out", timeout=15)


# -- out again --------------------------------------------------------------------------------------------------


def test_signing_out_goes_on_to_the_provider_where_hub_yaml_wants_it(visitor: Visitor, liar: Provider) -> None:
    visitor.sign_in()
    out = visitor.get("/logout")
    assert out.headers["Location"] == f"{liar.origin}/end?client_id={liar.client_id}"
    assert visitor.name == ""
    assert visitor.get("/logout").headers["Location"].endswith("/hub/login"), "nobody was signed in any more"


def test_signing_out_stays_here_where_it_does_not(visitor: Visitor, liar: Provider) -> None:
    liar.person = {"sub": "grace", "email": "grace@example.edu", "email_verified": True}
    visitor.sign_in("other")
    assert visitor.name == "other:grace"
    assert visitor.get("/logout").headers["Location"].endswith("/hub/login")
    assert visitor.name == ""


def test_there_is_one_page_for_signing_out(visitor: Visitor) -> None:
    visitor.sign_in()
    assert visitor.get("/login/oidc/logout").status_code == 404
    assert visitor.name == "ada"


# -- the provider is down, or slow ------------------------------------------------------------------------------


def test_a_provider_that_is_down(visitor: Visitor, liar: Provider, oauth_hub: LocalHub) -> None:
    visitor.sign_in()
    back = Visitor(oauth_hub)
    address = back.way_back()
    liar.down = True
    asked = len(liar.asked)
    wait_until(lambda: visitor.name and len(liar.asked) > asked, "the hub has asked", timeout=15)
    assert visitor.name == "ada", "who is in stays in"
    refused = back.get(address)
    assert refused.status_code == 503
    assert "does not work at the moment" in words(refused.text)
    liar.down = False
    assert Visitor(oauth_hub).sign_in().status_code == 302


def test_a_slow_provider_does_not_make_the_hub_slow(visitor: Visitor, liar: Provider, oauth_hub: LocalHub) -> None:
    address = visitor.way_back()
    liar.slow_s = 2.0
    answer: list[requests.Response] = []
    thread = threading.Thread(target=lambda: answer.append(visitor.get(address)))
    thread.start()
    stranger, pages = Visitor(oauth_hub), 0
    while thread.is_alive():
        assert stranger.get("/login").status_code == 200
        pages += 1
    assert answer[0].status_code in (302, 503), "let in, or told that it takes too long"
    assert pages > 3, "the sign-in page was there all the time"
