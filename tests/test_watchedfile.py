"""A menu that is read again when it changes, and never lost to a broken edit."""

import copy
import os

import pytest

from jupyterhub_tf29.watchedfile import WatchedFile
from jupyterhub_tf29.yamlfile import ConfigError


def read(path):
    text = path.read_text()
    if "broken" in text:
        raise ConfigError(f"{path}:1: broken")
    return text


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "profiles.yaml"
    path.write_text("one")
    return path


def test_a_change_is_seen_without_a_restart(path):
    watched = WatchedFile(path, read)
    assert watched.get() == "one"
    path.write_text("two, longer")
    assert watched.get() == "two, longer"


def test_an_edit_that_replaces_the_file_is_seen_even_at_the_same_size_and_time(path):
    watched = WatchedFile(path, read)
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    other = path.with_name("new")
    other.write_text("two")
    os.utime(other, ns=times)
    other.replace(path)
    assert watched.get() == "two"


def test_a_broken_edit_keeps_the_last_good_one_and_is_told_once(path, caplog):
    watched = WatchedFile(path, read)
    path.write_text("broken!")
    assert [watched.get(), watched.get()] == ["one", "one"]
    assert "broken" in watched.problem
    assert len(caplog.records) == 1
    path.write_text("mended now")
    assert watched.get() == "mended now"
    assert watched.problem is None


def test_a_file_that_is_deleted_keeps_the_last_good_one(path):
    watched = WatchedFile(path, lambda where: read(where) if where.exists() else _missing(where))
    path.unlink()
    assert watched.get() == "one"
    assert "no such file" in watched.problem


def _missing(path):
    raise ConfigError(f"{path}: there is no such file")


def test_a_file_that_is_broken_from_the_start_is_an_error(path):
    path.write_text("broken")
    with pytest.raises(ConfigError):
        WatchedFile(path, read)


def test_copies_of_configuration_share_the_watcher(path):
    watched = WatchedFile(path, read)
    assert copy.deepcopy({"profiles": watched})["profiles"] is watched
