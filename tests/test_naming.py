"""No two users ever share a name, and every name is one that Docker takes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_tf29.spawner.naming import MAX_LENGTH, server_slug, slug

DOCKER_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
NAMES = st.text(min_size=1, max_size=200)


@pytest.mark.parametrize("name", ["alice", "li-wei", "user01", "a"], ids=str)
def test_a_plain_name_stays_readable(name):
    assert slug(name) == name


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("alice.b@uni.example", "alice-b-uni-example--"),
        ("Alice", "alice--"),
        ("张伟", "u--"),
        ("josé", "jose--"),
        ("a--b", "a-b--"),
        ("x" * 200, "x" * 26 + "--"),
        ("-a", "a--"),
    ],
    ids=["mail address", "upper case", "Chinese", "accent", "double hyphen", "200 letters", "leading hyphen"],
)
def test_any_other_name_keeps_what_is_readable_and_gets_a_hash(name, readable):
    assert slug(name).startswith(readable)
    assert len(slug(name)) == len(readable) + 20


@given(NAMES)
def test_every_slug_is_a_docker_name(name):
    assert DOCKER_NAME.fullmatch("tf29hub-home-" + slug(name))
    assert len(slug(name)) <= MAX_LENGTH


@given(NAMES, NAMES)
def test_two_names_never_meet(one, other):
    assert (slug(one) == slug(other)) == (one == other)


@given(NAMES)
def test_a_slug_cannot_be_chosen_as_a_username_to_reach_the_volume_of_another(name):
    if slug(name) != name:
        assert slug(slug(name)) != slug(name)


@given(NAMES, NAMES, NAMES, NAMES)
def test_two_servers_never_meet(user, server, other_user, other_server):
    same = (user, server) == (other_user, other_server)
    assert (server_slug(user, server) == server_slug(other_user, other_server)) == same


def test_an_empty_name_is_refused():
    with pytest.raises(ValueError, match="empty"):
        slug("")
