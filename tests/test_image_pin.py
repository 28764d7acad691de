"""The pin of the image: what is written is read again, and what is broken is refused in words."""

from __future__ import annotations

import json

import pytest

from jupyterhub_tf29.image.pin import Pin, PinError, read_pin, write_pin

ID = "sha256:" + "ab" * 32
PIN = Pin(reference=ID, image_id=ID, base="debian", built="2026-01-31T10:00:00+00:00", tag="tf29hub/notebook:1")


def test_what_was_pinned_is_read_again(tmp_path):
    path = tmp_path / "state" / "image.json"
    write_pin(path, PIN)
    assert read_pin(path) == PIN
    assert PIN.short_id == "abababababab"


def test_a_new_pin_replaces_the_old_one_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "image.json"
    write_pin(path, PIN)
    newer = Pin(**{**PIN.__dict__, "tag": "tf29hub/notebook:2"})
    write_pin(path, newer)
    assert read_pin(path) == newer
    assert list(tmp_path.iterdir()) == [path]


def test_every_account_can_read_it(tmp_path):
    write_pin(tmp_path / "image.json", PIN)
    assert (tmp_path / "image.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(None, "no image is pinned yet", id="no file"),
        pytest.param("{", "cannot be read", id="not JSON"),
        pytest.param("[]", "a pin has the texts reference, image_id", id="not a mapping"),
        pytest.param(json.dumps({"image_id": ID}), "a pin has the texts", id="incomplete"),
        pytest.param(json.dumps({**PIN.__dict__, "built": 7}), "a pin has the texts", id="a number"),
        pytest.param(
            json.dumps({**PIN.__dict__, "image_id": "latest"}), "64 hex digits, found 'latest'", id="a tag"
        ),
    ],
)
def test_a_pin_that_cannot_be_used_says_why_and_what_to_do(tmp_path, text, message):
    path = tmp_path / "image.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(PinError, match=message) as caught:
        read_pin(path)
    assert str(path) in str(caught.value)


def test_a_tag_is_never_pinned(tmp_path):
    with pytest.raises(PinError):
        write_pin(tmp_path / "image.json", Pin(**{**PIN.__dict__, "image_id": "tf29hub/notebook:1"}))
    assert not list(tmp_path.iterdir())
