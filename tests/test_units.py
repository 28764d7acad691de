"""Sizes and durations as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_tf29.units import format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("8G", 8 * 2**30), ("512M", 512 * 2**20), ("1.5 GiB", 3 * 2**29), ("1tb", 2**40), ("7", 7), (7, 7)],
    ids=str,
)
def test_sizes(text, size_bytes):
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "8 X", "-1G", "G", "8G G", "８G ", True, -1, None, 1.5], ids=repr)
def test_what_is_no_size_is_refused_with_what_is_allowed(text):
    with pytest.raises(ValueError, match=r"expected a size such as|cannot be negative"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("7d", 604800), (5, 5)], ids=str
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "2 weeks", "1.5h", "-2h", False, -1, None], ids=repr)
def test_what_is_no_duration_is_refused_with_what_is_allowed(text):
    with pytest.raises(ValueError, match=r"expected a duration such as|cannot be negative"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (8 * 2**30, "8 GiB"),
        (3 * 2**29, "1.5 GiB"),
        (2**43, "8 TiB"),
    ],
    ids=str,
)
def test_sizes_for_people(size_bytes, text):
    assert format_size(size_bytes) == text


@given(st.integers(min_value=1, max_value=2**50))
def test_what_is_printed_can_be_read_back_to_within_rounding(size_bytes):
    assert parse_size(format_size(size_bytes)) == pytest.approx(size_bytes, rel=0.05)
