"""Which passwords are good enough, and how they are kept."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyterhub_tf29.auth.errors import AccountError
from jupyterhub_tf29.auth.passwords import (
    MAX_LENGTH,
    check_password,
    generate_password,
    hash_password,
    is_outdated,
    verify_password,
)


@pytest.mark.parametrize(
    "password", ["walnut-harbour-seven", "我爱北京天安门广场了", "Tr0ub4dor&3xy", " walnut harbour ", "x7!kQ2#pLm"]
)
def test_good(password):
    check_password(password, "wang.fang")


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", "at least 10"),
        ("kQ2#pLm9!", "at least 10"),
        ("a" * (MAX_LENGTH + 1), "at most 256"),
        ("a" * 10_000_000, "at most 256"),
        ("walnut\tharbour", "control characters"),
        ("walnut\ud800harbour", "control characters"),
        ("password1234", "too easy to guess"),
        ("qwertyuiop12", "too easy to guess"),
        ("aaaaaaaaaaaaaaaaaaaa", "too easy to guess"),
        ("20241123123456", "too easy to guess"),
        ("wang.fang1234", "too easy to guess"),
        ("jupyterhub2024", "too easy to guess"),
        ("tensorflow2.9", "too easy to guess"),
    ],
)
def test_refused(password, reason):
    with pytest.raises(AccountError, match=reason):
        check_password(password, "wang.fang")


def test_a_hash_tells_its_password_from_others_and_does_not_contain_it():
    kept = hash_password("walnut-harbour-seven")
    assert kept.startswith("$argon2id$")
    assert "walnut" not in kept
    assert kept != hash_password("walnut-harbour-seven")
    assert verify_password(kept, "walnut-harbour-seven")
    assert not verify_password(kept, "walnut-harbour-seveN")
    assert not verify_password(kept, " walnut-harbour-seven")
    assert not verify_password("", "walnut-harbour-seven")
    assert not is_outdated(kept)


def test_full_width_keys_give_the_same_password():
    assert verify_password(hash_password("walnut-seven"), "ｗａｌｎｕｔ－ｓｅｖｅｎ")


def test_a_hash_of_weaker_parameters_is_outdated():
    assert is_outdated("$argon2id$v=19$m=1024,t=1,p=1$c29tZXNhbHRzb21l$8wP2sNh0EXP2jdYz1ZQWmg")


def test_made_up_passwords_differ_and_are_good():
    made_up = {generate_password() for _ in range(100)}
    assert len(made_up) == 100
    for password in made_up:
        check_password(password, "wang")


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_judged_and_never_crashes(password):
    try:
        check_password(password, "wang")
    except AccountError:
        return
    assert verify_password(hash_password(password), password)
