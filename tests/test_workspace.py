"""The pure parts of the workspace extension; the whole of it runs in tests/browser/test_workspace.py."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.waiting import wait_until

PACKAGE = Path(__file__).parents[1] / "images" / "notebook" / "workspace"
sys.path.insert(0, str(PACKAGE))  # the image installs it; here it is read where it lies

from tf29_workspace.home import Remembered, can_write, measure_space, measure_used  # noqa: E402
from tf29_workspace.memory import read_memory  # noqa: E402
from tf29_workspace.notices import LEVELS, MAX_NOTICES, parse_notices, read_notices  # noqa: E402

GIB = 2**30


def write_files(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


V1 = {
    "memory/memory.usage_in_bytes": f"{3 * GIB}\n",
    "memory/memory.limit_in_bytes": f"{8 * GIB}\n",
    "memory/memory.stat": f"cache 1\ninactive_file 7\ntotal_inactive_file {GIB}\n",
    "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
}
V2 = {
    "memory.current": f"{3 * GIB}\n",
    "memory.max": f"{8 * GIB}\n",
    "memory.stat": f"anon 1\ninactive_file {GIB}\n",
    "memory.events": "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 0\n",
}


@pytest.mark.parametrize("files", [V1, V2], ids=["version 1", "version 2"])
def test_memory_leaves_out_what_the_kernel_can_drop(tmp_path: Path, files: dict[str, str]) -> None:
    write_files(tmp_path, files)
    assert read_memory(tmp_path) == {"used_bytes": 2 * GIB, "limit_bytes": 8 * GIB, "oom_kills": 2}


@pytest.mark.parametrize(
    ("files", "change"),
    [(V1, {"memory/memory.limit_in_bytes": "9223372036854771712\n"}), (V2, {"memory.max": "max\n"})],
    ids=["version 1", "version 2"],
)
def test_no_limit_is_none(tmp_path: Path, files: dict[str, str], change: dict[str, str]) -> None:
    write_files(tmp_path, files | change)
    assert read_memory(tmp_path) == {"used_bytes": 2 * GIB, "limit_bytes": None, "oom_kills": 2}


def test_memory_is_unknown_without_a_group(tmp_path: Path) -> None:
    nothing = {"used_bytes": None, "limit_bytes": None, "oom_kills": None}
    assert read_memory(tmp_path) == nothing
    write_files(tmp_path, {"memory.current": "not a number", "memory.max": "", "memory.events": "oom_kill\n"})
    assert read_memory(tmp_path) == nothing


def test_an_old_kernel_does_not_count_kills(tmp_path: Path) -> None:
    write_files(tmp_path, V1 | {"memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\n"})
    assert read_memory(tmp_path)["oom_kills"] is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
sentence = st.text(min_size=1, max_size=200).filter(lambda text: text == text.strip())
good_notice = st.fixed_dictionaries(
    {
        "id": st.text(min_size=1, max_size=200),
        "time": st.datetimes().map(lambda time: time.isoformat() + "Z"),
        "level": st.sampled_from(LEVELS),
        "text": st.fixed_dictionaries({"en": sentence, "zh": sentence}),
    }
)
odd_notice = st.fixed_dictionaries(
    {}, optional={"id": anything, "time": anything, "level": anything, "text": anything | st.just({"en": "x"})}
)


@given(st.lists(good_notice, max_size=MAX_NOTICES))
def test_what_the_hub_writes_comes_through_unchanged(notices: list[dict]) -> None:
    assert parse_notices({"notices": notices}) == notices


@given(anything | st.fixed_dictionaries({"notices": st.lists(odd_notice | good_notice | anything)}))
def test_whatever_is_in_the_file_what_comes_out_is_well_formed(document: object) -> None:
    for notice in parse_notices(document):
        assert isinstance(notice["id"], str)
        assert notice["id"]
        assert notice["level"] in LEVELS
        assert notice["time"] is None or isinstance(notice["time"], str)
        assert set(notice["text"]) <= {"en", "zh"}
        assert all(isinstance(text, str) and text for text in notice["text"].values())
        assert notice["text"]


def test_a_bad_notice_does_not_hide_a_good_one() -> None:
    good = {"id": "a", "time": "2026-01-01T00:00:00Z", "level": "error", "text": {"en": "x", "zh": "某"}}
    assert parse_notices({"notices": [{"id": 1}, good, "rubbish"]}) == [good]


@pytest.mark.parametrize(
    "content",
    [b"", b'{"notices": [', b"\xff\xfe\x00", b"[" * 100_000, b'{"notices": []}' + b" " * (1 << 20)],
    ids=["empty", "half written", "not text", "nested without end", "far too large"],
)
def test_a_broken_file_means_no_notices(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notices.json"
    path.write_bytes(content)
    assert read_notices(path) == []


def test_no_file_means_no_notices(tmp_path: Path) -> None:
    assert read_notices(tmp_path / "none" / "notices.json") == []


def test_the_file_is_read(tmp_path: Path) -> None:
    notice = {"id": "a", "time": "2026-01-01T00:00:00Z", "level": "info", "text": {"en": "x", "zh": "某"}}
    (tmp_path / "notices.json").write_text(json.dumps({"notices": [notice]}), encoding="utf-8")
    assert read_notices(tmp_path / "notices.json") == [notice]


def test_used_counts_links_once_and_does_not_follow_them(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "datasets"
    home.mkdir()
    elsewhere.mkdir()
    (elsewhere / "large").write_bytes(os.urandom(4 << 20))
    empty = measure_used(str(home))
    (home / "-model.h5").write_bytes(os.urandom(1 << 20))
    os.link(home / "-model.h5", home / "again.h5")
    (home / "datasets").symlink_to(elsewhere)
    assert 1 << 20 <= measure_used(str(home)) - empty < 2 << 20


def test_a_walk_that_takes_too_long_is_ended_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "du"
    slow.write_text("#!/bin/sh\nsleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(TimeoutError, match="within 1 s"):
        measure_used(str(tmp_path), timeout_s=1)


def test_space_of_a_home_that_has_some(tmp_path: Path) -> None:
    space = measure_space(str(tmp_path))
    disk = shutil.disk_usage(tmp_path)
    assert space["full"] is False
    assert 0 < space["free_bytes"] <= space["total_bytes"] <= disk.total
    assert list(tmp_path.iterdir()) == []


def test_a_full_home_is_seen_by_trying(tmp_path: Path) -> None:
    """On a real file system of 256 KiB in a mount namespace of its own; nothing outside sees it."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from tf29_workspace.home import can_write, measure_space\n"
        "before = can_write(sys.argv[2])\n"
        "try: open(sys.argv[2] + '/x', 'wb', buffering=0).write(bytes(1 << 20))\n"
        "except OSError: pass\n"
        "space = measure_space(sys.argv[2])\n"
        "print(before, space['full'], space['free_bytes'], space['total_bytes'])\n"
    )
    script = 'mount -t tmpfs -o size=256k tmpfs "$3" && exec "$0" -c "$1" "$2" "$3"'
    result = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script, sys.executable, program, PACKAGE, tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.split() == ["True", "True", "0", str(256 << 10)], result.stderr


def test_a_folder_that_is_not_there_is_not_a_full_one(tmp_path: Path) -> None:
    assert can_write(str(tmp_path / "none"))


def test_remembered_answers_at_once_and_measures_one_at_a_time() -> None:
    go, calls = threading.Event(), []

    def measure() -> int:
        calls.append(threading.current_thread())
        go.wait(30)
        return len(calls)

    remembered = Remembered(measure, max_age_s=3600, log=logging.getLogger(__name__))
    assert calls == []  # nothing is measured before somebody asks
    assert [remembered.get() for _ in range(3)] == [None, None, None]
    go.set()
    assert wait_until(remembered.get, "it is measured") == 1
    calls[0].join()
    assert remembered.get() == 1
    assert len(calls) == 1
    assert calls[0].daemon  # the server's stop does not wait for it


def test_remembered_forgets_what_can_no_longer_be_measured(caplog: pytest.LogCaptureFixture) -> None:
    sizes = [7]
    remembered = Remembered(lambda: sizes[0], max_age_s=0, log=logging.getLogger(__name__))
    wait_until(lambda: remembered.get() == 7, "it is measured")
    sizes.clear()
    wait_until(lambda: remembered.get() is None, "it is forgotten")
    wait_until(lambda: "cannot measure the home" in caplog.text, "it is said in the log")
