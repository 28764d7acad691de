"""The file of the trail: in order, durable, rotated, and what becomes of a disk that is full."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jupyterhub_tf29.audit import trail as trail_module
from jupyterhub_tf29.audit import writer as writer_module
from jupyterhub_tf29.audit.reader import Wanted, read_events
from jupyterhub_tf29.audit.settings import Audit
from jupyterhub_tf29.audit.trail import open_trail, record
from jupyterhub_tf29.audit.writer import TrailWriter, append, rotated_files
from tests.waiting import wait_until

EVENT = {"time": "2026-11-23T14:00:00.000Z", "event": "sign-in"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def trail(path, monkeypatch):
    monkeypatch.setattr(trail_module, "_trail", None)
    opened = open_trail(path, "hub")
    yield opened
    opened.writer.close()


def numbers(path: Path) -> list[int]:
    return [event["number"] for event in read_events(path, Wanted())]


def test_in_order_and_for_its_owner_alone(path):
    writer = TrailWriter(path)
    for number in range(1000):
        writer.put({**EVENT, "number": number})
    writer.close()
    assert numbers(path) == list(range(1000))
    assert path.stat().st_mode & 0o777 == 0o600


def test_several_threads_and_processes_write_whole_lines(path):
    code = (
        "import sys; from pathlib import Path; from jupyterhub_tf29.audit.writer import append\n"
        'for n in range(100): append(Path(sys.argv[1]), b\'{"number": %d, "x": "%s"}\\n\' % (n, b\'y\' * 3000))'
    )
    others = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(2)]
    writer = TrailWriter(path, rotate_size=100_000)
    for number in range(300):
        writer.put({**EVENT, "number": number, "x": "z" * 500})
    for other in others:
        assert other.wait(timeout=60) == 0
    writer.close()
    assert sorted(numbers(path)) == sorted([*range(300), *range(100), *range(100)])


def test_rotated_by_size_and_nothing_is_lost(path):
    writer = TrailWriter(path, rotate_size=2000)
    for number in range(100):
        writer.put({**EVENT, "number": number})
        writer.flush(10)
    writer.close()
    assert len(rotated_files(path)) > 2
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in rotated_files(path))
    assert numbers(path) == list(range(100))


def test_rotated_by_age_of_the_first_event_and_old_ones_go(path):
    append(path, b'{"time":"2020-01-01T00:00:00.000Z","number":1}\n')
    old = path.with_name("audit-20190101T000000.000000Z.jsonl")
    old.write_text('{"number": 0}\n')
    os.utime(old, (0, 0))
    writer = TrailWriter(path, rotate_every_s=86400, keep_s=3600)
    writer.put({**EVENT, "number": 2})
    writer.close()
    assert not old.exists()
    assert numbers(path) == [1, 2]
    assert len(rotated_files(path)) == 1


def test_logrotate_may_move_it_away(path):
    writer = TrailWriter(path)
    writer.put({**EVENT, "number": 1})
    writer.flush(10)
    path.rename(path.with_name("audit.jsonl.1"))
    writer.put({**EVENT, "number": 2})
    writer.close()
    assert path.exists()
    assert numbers(path) == [1, 2]


def test_a_full_disk_is_told_waited_for_and_nothing_is_lost(trail, path, monkeypatch, caplog):
    full = threading.Event()
    full.set()
    write = os.write

    def os_write(descriptor: int, data: bytes) -> int:
        if full.is_set() and b"sign-in" in data:
            write(descriptor, data[:10])  # half of it still fits
            raise OSError(28, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(writer_module.os, "write", os_write)
    monkeypatch.setattr(writer_module, "TRY_AGAIN_AFTER_S", 0.05)
    began = time.monotonic()
    for number in range(20):
        record("sign-in", outcome="success", name=f"user{number}")
    assert time.monotonic() - began < 5, "nobody waits for the disk"
    wait_until(lambda: trail.writer.problem, "the problem is known", 10)
    assert "No space left" in trail.writer.problem
    assert "AUDIT TRAIL" in caplog.text
    full.clear()
    assert trail.writer.flush(10)
    assert trail.writer.problem is None
    names = [event["name"] for event in read_events(path, Wanted())]
    assert names == [f"user{number}" for number in range(20)], "each once, in order, no half line between"


def test_what_does_not_fit_into_the_memory_is_counted(path, monkeypatch):
    monkeypatch.setattr(writer_module, "MAX_WAITING", 10)
    monkeypatch.setattr(writer_module, "TRY_AGAIN_AFTER_S", 0.05)
    folder = path.parent / "later"
    writer = TrailWriter(folder / "audit.jsonl", make_gap=lambda lost: {**EVENT, "number": -lost})
    for number in range(25):
        writer.put({**EVENT, "number": number})
    wait_until(lambda: writer.problem, "it cannot be written", 10)
    folder.mkdir()
    assert writer.flush(10)
    writer.close()
    assert numbers(folder / "audit.jsonl") == [*range(10), -15]


def test_half_a_line_of_someone_who_was_killed_spoils_no_other(path):
    path.write_bytes(b'{"number": 1}\n{"numb')
    append(path, b'{"number": 2}\n')
    assert numbers(path) == [1, 2]


def test_it_follows_no_link(path, tmp_path):
    (tmp_path / "elsewhere").write_text("")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"symbolic links|Too many levels"):
        append(path, b"{}\n")


class TestRecord:
    def test_it_never_raises(self, trail, monkeypatch):
        monkeypatch.setattr(trail.writer, "put", lambda event: 1 / 0)
        record("sign-in", name="wang")

    def test_a_failed_sign_in_keeps_the_name_of_a_user_only(self, trail, path):
        trail.is_known = lambda name: name == "wang"
        record("sign-in", outcome="failure", name="my password")
        record("sign-in", outcome="failure", name="wang")
        record("sign-in", outcome="success", name="newcomer")
        trail.writer.flush(10)
        events = [json.loads(line) for line in path.read_text().splitlines()]
        assert [event.get("name") for event in events] == [None, "wang", "newcomer"]

    def test_settings(self):
        assert Audit().keep == 365 * 86400
        assert Audit(rotate_size="1M").rotate_size == 2**20
