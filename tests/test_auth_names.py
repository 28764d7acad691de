"""Which names are legal, and when two spellings are the same name."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_tf29.auth.errors import AccountError
from jupyterhub_tf29.auth.names import MAX_LENGTH, check_name, is_legal_name, normalize_name

ANY_TEXT = st.text(max_size=30) | st.text("aA.-_@+ ／/\\%王芳ＡａﬁİßſΣς\u200d\u0301é½", max_size=12)


@pytest.mark.parametrize(
    "name",
    [
        "wang",
        "wang.fang",
        "wang@example.edu",
        "王芳",
        "王fang-2",
        "müller",
        "o_o",
        "x+y",
        "иван",
        "2b",
        "नमस्ते",
        "x" * 200,
    ],
)
def test_legal(name):
    check_name(normalize_name(name))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "A name is needed"),
        ("x" * (MAX_LENGTH + 1), "at most 200"),
        ("Wang", "it would be wang"),
        ("ｗａｎｇ", "it would be wang"),
        ("wang fang", r"U\+0020 is none of these"),
        (" wang", "begins with a letter or a digit"),
        ("wang ", r"U\+0020"),
        ("../etc", "begins with"),
        (".", "begins with"),
        ("-rf", "begins with"),
        ("a/b", "'/' is none of these"),
        ("a\\b", r"'\\' is none of these"),
        ("a%2fb", "'%' is none of these"),
        ("a\nb", r"U\+000A"),
        ("a\0b", r"U\+0000"),
        ("a\u200db", r"U\+200D"),
        ("a\u3164b".replace("\u3164", "\u1160"), r"U\+1160"),
        ("a\ufe0fb", r"U\+FE0F"),
        ("a\ud800b", r"U\+D800"),
        ("wang\U0001f600", "is none of these"),
        ("аdmin", "does not mix alphabets"),
        ("αdmin", "does not mix alphabets"),
    ],
)
def test_illegal(name, reason):
    with pytest.raises(AccountError, match=reason):
        check_name(name)


@pytest.mark.parametrize("spelling", ["ADMIN", "ａｄｍｉｎ", "ＡＤＭＩＮ", "𝐚𝐝𝐦𝐢𝐧", "ⓐⓓⓜⓘⓝ"])
def test_spellings_of_one_name(spelling):
    assert normalize_name(spelling) == "admin"


@given(ANY_TEXT)
def test_normalising_twice_changes_nothing(name):
    assert normalize_name(normalize_name(name)) == normalize_name(name)


@given(ANY_TEXT)
def test_a_legal_name_has_one_spelling_and_is_safe_in_addresses_and_paths(name):
    if not is_legal_name(name):
        return
    assert name == unicodedata.normalize("NFKC", name) == name.lower() == name.strip()
    assert not set(name) & set("/\\%?#& \"'<>")
    assert set(name) != {"."}
    assert name.isprintable()


@given(ANY_TEXT)
def test_any_text_is_judged_and_never_crashes(name):
    assert is_legal_name(name) in (True, False)
