"""GitHub, GitLab, Google and Entra, on stand-ins that answer as the documentation of these places says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.hubs.browser import words
from tests.hubs.conftest import Places
from tests.hubs.localhub import LocalHub
from tests.hubs.visitor import Visitor
from tests.waiting import wait_until

pytestmark = pytest.mark.hub

TEAM = {"slug": "gpu", "organization": {"login": "Physics"}}
ADMINS = {"slug": "admins", "organization": {"login": "physics"}}


@contextmanager
def now(place: Any, **attributes: Any) -> Iterator[None]:
    """The place is like that, for a while."""
    before = {name: getattr(place, name) for name in attributes}
    vars(place).update(attributes)
    yield
    vars(place).update(before)


def asked(visitor: Visitor, method: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(visitor.leave(method)).query).items()}


class TestGitHub:
    @pytest.mark.parametrize(
        "groups",
        [{"orgs": [{"login": "vision-lab"}]}, {"teams": [TEAM]}, {"orgs": [{"login": f"o{n}"} for n in range(4)],
         "teams": [{**TEAM, "slug": f"t{n}"} for n in range(4)] + [TEAM]}],
        ids=["organization", "team", "on the third page"],
    )  # fmt: skip
    def test_members_come_in(self, visitor: Visitor, places: Places, groups: dict[str, Any]) -> None:
        with now(places.github, **groups):
            assert visitor.sign_in("github").status_code == 302
            assert visitor.name == "github:octocat"
            assert visitor.get("/admin").status_code == 403

    def test_the_admins_team(self, visitor: Visitor, places: Places) -> None:
        with now(places.github, teams=[ADMINS], person={"id": 1, "login": "hubber"}):
            visitor.sign_in("github")
            assert visitor.get("/admin").status_code == 200
            places.github.teams = [TEAM]
            wait_until(lambda: visitor.get("/admin").status_code == 403, "hubber is no admin", timeout=15)
            places.github.teams = []
            wait_until(lambda: visitor.name == "", "hubber is out", timeout=15)

    def test_nobody_else_comes_in(self, visitor: Visitor, places: Places) -> None:
        others = [{"login": "vision-lab-fans"}, {"login": "gpu"}]
        with now(places.github, orgs=others, teams=[{"slug": "gpu", "organization": {"login": "chemistry"}}]):
            assert visitor.sign_in("github").status_code == 403

    def test_scopes(self, visitor: Visitor) -> None:
        assert asked(visitor, "github")["scope"] == "read:user read:org"
        assert asked(visitor, "github-domain")["scope"] == "read:user user:email"

    @pytest.mark.parametrize(
        ("emails", "comes_in"),
        [
            ([{"email": "a@other.org", "verified": True}, {"email": "a@Example.edu", "verified": True}], True),
            ([{"email": "a@example.edu", "verified": False}], False),
            ([{"email": "a@example.edu"}], False),
            ([], False),
        ],
    )
    def test_domains(self, visitor: Visitor, places: Places, emails: list[Any], comes_in: bool) -> None:
        with now(places.github, emails=emails):
            assert (visitor.sign_in("github-domain").status_code == 302) == comes_in

    def test_a_login_that_another_took_over(self, oauth_hub: LocalHub, visitor: Visitor, places: Places) -> None:
        with now(places.github, teams=[TEAM]):
            Visitor(oauth_hub).sign_in("github")
            places.github.person = {"id": 999, "login": "Octocat"}
            response = visitor.sign_in("github")
            places.github.person = {"id": 583231, "login": "octocat"}
        assert response.status_code == 403
        assert "belongs to somebody else" in words(response.text)

    def test_a_limit_of_requests_signs_nobody_out(self, visitor: Visitor, places: Places) -> None:
        with now(places.github, teams=[TEAM]):
            visitor.sign_in("github")
            with now(places.github, rate_limited=True):
                before = len(places.github.asked)
                wait_until(
                    lambda: visitor.name and len(places.github.asked) > before + 1, "it was asked", timeout=15
                )
                assert visitor.name == "github:octocat"

    def test_a_revoked_token(self, visitor: Visitor, places: Places) -> None:
        with now(places.github, teams=[TEAM]):
            visitor.sign_in("github")
            places.github.access.clear()
            wait_until(lambda: visitor.name == "", "octocat is out", timeout=15)

    def test_a_mistyped_secret(self, visitor: Visitor, places: Places) -> None:
        with now(places.github, teams=[TEAM], client_secret="another"):
            response = visitor.sign_in("github")
        assert response.status_code == 503
        assert "Sign-in by GitHub does not work at the moment" in words(response.text)
        assert "incorrect_client_credentials" in visitor.hub.log


class TestGitLab:
    def test_groups_of_the_userinfo_page(self, visitor: Visitor, places: Places) -> None:
        assert visitor.sign_in("gitlab").status_code == 302
        assert visitor.name == "gitlab:tanuki"
        with now(places.gitlab, in_userinfo={"groups": ["lab"]}):
            wait_until(lambda: visitor.name == "", "tanuki is out", timeout=15)
            assert visitor.sign_in("gitlab").status_code == 403


class TestGoogle:
    def test_an_account_of_the_domain(self, visitor: Visitor) -> None:
        assert visitor.sign_in("google").status_code == 302
        assert visitor.name == "google:ada"
        assert visitor.get("/admin").status_code == 403

    @pytest.mark.parametrize(
        "changes",
        [
            {"hd": None},
            {"hd": "other.org"},
            {"email_verified": False},
            {"email": "ada@other.org", "hd": "other.org"},
        ],
        ids=["a private account with that address", "another domain", "not verified", "another address"],
    )  # fmt: skip
    def test_other_accounts(self, visitor: Visitor, places: Places, changes: dict[str, Any]) -> None:
        person = {**places.google.person, "sub": "stranger", **changes}
        with now(places.google, person={name: value for name, value in person.items() if value is not None}):
            assert visitor.sign_in("google").status_code == 403

    def test_groups_of_the_directory(self, visitor: Visitor, places: Places) -> None:
        who = {"sub": "7", "email": "grace@example.edu", "email_verified": True, "hd": "example.edu"}
        groups = {f"list-{number}@example.edu": ["grace@example.edu"] for number in range(3)}
        groups["gpu-admins@example.edu"] = ["grace@example.edu"]
        with now(places.google, person=who, groups=groups):
            visitor.sign_in("google")
            assert visitor.get("/admin").status_code == 200
            places.google.groups["gpu-admins@example.edu"] = []
            wait_until(lambda: visitor.get("/admin").status_code == 403, "grace is no admin", timeout=15)

    def test_the_refresh_token_of_the_first_sign_in_stays(self, visitor: Visitor, places: Places) -> None:
        visitor.sign_in("google")
        with now(places.google, gives_refresh_tokens=False, expires_in=0):
            visitor.sign_in("google")
            places.google.bend = lambda claims: {**claims, "exp": claims["iat"] - 30}
            before = places.google.asked.count("/token")
            wait_until(
                lambda: visitor.name and places.google.asked.count("/token") > before, "it was used", timeout=15
            )
            assert visitor.name == "google:ada"

    def test_what_is_sent(self, visitor: Visitor) -> None:
        sent = asked(visitor, "google")
        assert sent["access_type"] == "offline"
        assert sent["hd"] == "example.edu"
        assert "groups" not in sent["scope"]


class TestEntra:
    def test_a_member(self, visitor: Visitor, places: Places) -> None:
        assert visitor.sign_in("azuread").status_code == 302
        assert visitor.name == "azuread:ada"
        with now(places.entra, person={**places.entra.person, "groups": []}):
            wait_until(lambda: visitor.name == "", "ada is out", timeout=15)

    def test_who_is_in_too_many_groups(self, visitor: Visitor, places: Places) -> None:
        many = [f"g-{number}" for number in range(300)]
        with now(places.entra, too_many=many):
            assert visitor.sign_in("azuread").status_code == 403
        with now(places.entra, too_many=[*many, "g-gpu-users"]):
            assert visitor.sign_in("azuread").status_code == 302

    def test_where_the_hub_may_not_ask_for_them(self, visitor: Visitor, places: Places) -> None:
        with now(places.entra, too_many=["g-gpu-users"], graph_permitted=False):
            assert visitor.sign_in("azuread").status_code == 503
        assert "GroupMember.Read.All" in visitor.hub.log

    @pytest.mark.parametrize(
        "changes",
        [{"preferred_username": "ada@other.org", "email": "ada@example.edu"},
         {"preferred_username": "ada_other.org#EXT#@example.edu"}, {"oid": None},
         {"iss": "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"}],
        ids=["an address that anyone can write", "a guest", "no oid", "another tenant"],
    )  # fmt: skip
    def test_others(self, visitor: Visitor, places: Places, changes: dict[str, Any]) -> None:
        person = {**places.entra.person, "oid": "11111111-0000-0000-66f3-3332eca7ea81", **changes}
        with now(places.entra, person={name: value for name, value in person.items() if value is not None}):
            assert visitor.sign_in("azuread").status_code == 403

    def test_what_is_sent(self, visitor: Visitor) -> None:
        assert asked(visitor, "azuread")["scope"] == "openid profile offline_access"


def test_the_page_has_a_button_for_each(visitor: Visitor) -> None:
    text = words(visitor.get("/login").text)
    for label in ("Example University", "GitHub", "GitLab", "Google", "Microsoft"):
        assert label in text
