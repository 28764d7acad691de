import os
from pathlib import Path

import pytest

from jupyterhub_tf29.secretfiles import NAMES, SecretError, ensure_secrets, read_secret
from jupyterhub_tf29.settings import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(config=tmp_path / "config", state=tmp_path / "state", logs=tmp_path / "logs")


def test_makes_what_is_missing_and_keeps_the_rest(paths):
    assert ensure_secrets(paths) == list(NAMES)
    before = {name: read_secret(paths, name) for name in NAMES}
    (paths.secrets / "culler-token").unlink()
    assert ensure_secrets(paths) == ["culler-token"]
    after = {name: read_secret(paths, name) for name in NAMES}
    changed = [name for name in NAMES if before[name] != after[name]]
    assert changed == ["culler-token"]


def test_each_is_32_random_bytes_for_its_owner_only(paths):
    ensure_secrets(paths)
    secrets = {read_secret(paths, name) for name in NAMES}
    assert len(secrets) == len(NAMES)
    assert all(len(bytes.fromhex(secret)) == 32 for secret in secrets)
    assert {path.stat().st_mode & 0o777 for path in paths.secrets.iterdir()} == {0o600}
    assert paths.secrets.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in paths.secrets.iterdir()) == sorted(NAMES), "no draft is left behind"


def test_mode_does_not_depend_on_the_umask(paths):
    before = os.umask(0)
    try:
        ensure_secrets(paths)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in paths.secrets.iterdir()} == {0o600}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622])
def test_refuses_a_secret_that_others_can_use(paths, mode):
    ensure_secrets(paths)
    (paths.secrets / "crypt-key").chmod(mode)
    with pytest.raises(SecretError, match=f"crypt-key: others than its owner .*mode 0{mode:o}"):
        read_secret(paths, "crypt-key")


def test_says_what_to_do_where_one_is_missing_or_empty(paths):
    with pytest.raises(SecretError, match="cookie-secret: this secret is missing; run deploy/up"):
        read_secret(paths, "cookie-secret")
    ensure_secrets(paths)
    (paths.secrets / "cookie-secret").write_text("\n")
    with pytest.raises(SecretError, match="cookie-secret: this secret is empty"):
        read_secret(paths, "cookie-secret")


def test_an_unknown_name_is_told(paths):
    with pytest.raises(SecretError, match=r"there is no secret named '\.\./hub\.yaml'; there are cookie-secret"):
        read_secret(paths, "../hub.yaml")
