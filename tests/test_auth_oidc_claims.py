"""From claims to a name, groups and domains; and what a sign-in that was begun remembers."""

import base64
import hashlib
import json

import pytest

from jupyterhub_tf29.auth.oauth import claims, start
from jupyterhub_tf29.auth.oauth.claims import MAX_GROUP_LENGTH, MAX_GROUPS, ClaimError

KEYCLOAK = {"realm_access": {"roles": ["staff", "offline_access"]}, "groups": ["/lab", "/lab/gpu"]}


@pytest.mark.parametrize(
    ("found", "path", "wanted"),
    [
        (KEYCLOAK, "groups", ["/lab", "/lab/gpu"]),
        (KEYCLOAK, "realm_access.roles", ["offline_access", "staff"]),
        (KEYCLOAK, "realm_access.groups", []),
        (KEYCLOAK, "groups.roles", []),
        (KEYCLOAK, "", []),
        ({"https://example.edu/groups": ["a"]}, "https://example.edu/groups", ["a"]),
        ({"groups": "staff"}, "groups", ["staff"]),
        ({"groups": [" staff ", "staff", "", 7, None, ["x"]]}, "groups", ["staff"]),
        ({"groups": {"staff": True}}, "groups", []),
        ({"groups": ["x" * (MAX_GROUP_LENGTH + 1)]}, "groups", []),
        ({"groups": None}, "groups", []),
    ],
)
def test_groups(found, path, wanted):
    assert claims.groups(found, path) == wanted


def test_a_million_groups_are_a_mistake():
    assert (
        len(claims.groups({"groups": [str(number) for number in range(MAX_GROUPS * 3)]}, "groups")) == MAX_GROUPS
    )


VERIFIED = {"email": "Ada@Example.edu", "email_verified": True}


@pytest.mark.parametrize(
    ("found", "claim", "strip", "name"),
    [
        ({"preferred_username": "ada"}, "preferred_username", set(), "ada"),
        ({"preferred_username": " ada "}, "preferred_username", set(), "ada"),
        ({"user": {"uid": "ada"}}, "user.uid", set(), "ada"),
        (VERIFIED, "email", set(), "Ada@Example.edu"),
        (VERIFIED, "email", {"example.edu"}, "Ada"),
        (VERIFIED, "email", {"other.edu"}, "Ada@Example.edu"),
        ({"preferred_username": "@example.edu"}, "preferred_username", {"example.edu"}, "@example.edu"),
        ({"preferred_username": "a@b@example.edu"}, "preferred_username", {"example.edu"}, "a@b"),
    ],
)
def test_names(found, claim, strip, name):
    assert claims.username(found, claim, strip=frozenset(strip)) == name


@pytest.mark.parametrize(
    ("found", "claim"),
    [
        ({}, "preferred_username"),
        ({"preferred_username": ""}, "preferred_username"),
        ({"preferred_username": "   "}, "preferred_username"),
        ({"preferred_username": 7}, "preferred_username"),
        ({"email": "ada@example.edu"}, "email"),
        ({"email": "ada@example.edu", "email_verified": False}, "email"),
        ({"email": "ada@example.edu", "email_verified": "true"}, "email"),
        ({"email": "ada@example.edu", "email_verified": 1}, "email"),
    ],
)
def test_what_is_no_name(found, claim):
    with pytest.raises(ClaimError):
        claims.username(found, claim)


@pytest.mark.parametrize(
    ("found", "domains"),
    [
        (VERIFIED, {"example.edu"}),
        ({**VERIFIED, "email": "ada@example.edu@evil.example"}, {"evil.example"}),
        ({**VERIFIED, "email_verified": "true"}, set()),
        ({"email": "ada@example.edu"}, set()),
        ({**VERIFIED, "email": "example.edu"}, set()),
        ({**VERIFIED, "email": "@example.edu"}, set()),
        ({**VERIFIED, "email": ["ada@example.edu"]}, set()),
    ],
)
def test_domains_are_of_verified_addresses(found, domains):
    assert claims.verified_domains(found) == domains


class TestStart:
    def test_it_comes_back_as_it_was(self):
        one = start.Start.new("oidc", "/hub/spawn?x=1")
        assert start.load(one.dump()) == one
        assert start.load(one.dump().encode()) == one
        assert one.is_answered_by("oidc", one.state)

    def test_it_is_answered_at_its_own_page_with_its_own_state(self):
        one, other = start.Start.new("oidc", ""), start.Start.new("oidc", "")
        assert not one.is_answered_by("github", one.state)
        for state in (other.state, "", one.state[:-1], one.state + "x", "é", "\ud800"):
            assert not one.is_answered_by("oidc", state)

    def test_the_challenge_is_pkces(self):
        one = start.Start.new("oidc", "")
        digest = hashlib.sha256(one.verifier.encode()).digest()
        assert base64.urlsafe_b64decode(one.challenge + "=") == digest
        assert 43 <= len(one.verifier) <= 128

    @pytest.mark.parametrize(
        "text", [None, "", "x", "[]", "7", "null", "{}", json.dumps({"method": "oidc"}), b"\xff", '{"x": 1}']
    )
    def test_rubbish_is_nothing(self, text):
        assert start.load(text) is None

    @pytest.mark.parametrize("state", ["", "a;b", "a b", "é" * 20, "\x00", "../..", '"'])
    def test_a_foreign_state_names_no_cookie(self, state):
        assert start.cookie_for(state) == "tf29hub-sign-in-none"

    def test_each_try_has_a_cookie_of_its_own(self):
        one, other = start.Start.new("oidc", ""), start.Start.new("oidc", "")
        assert one.cookie == start.cookie_for(one.state) != other.cookie
