"""Reading the trail, and `tf29hub audit`."""

from __future__ import annotations

import gzip
import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from jupyterhub_tf29.audit.event import make_event
from jupyterhub_tf29.audit.reader import Broken, Wanted, in_words, parse_moment, read_events
from jupyterhub_tf29.cli import main

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=timezone.utc)


def at(hour: int, event: str, **fields: object) -> str:
    return json.dumps(make_event("hub", event, fields, NOW.replace(hour=hour)))


ROWS = [
    at(8, "sign-in", outcome="success", name="wang", address="192.0.2.1", method="local"),
    at(9, "sign-in", outcome="failure", name="wang", reason="wrong", address="192.0.2.9"),
    at(
        10, "server-start", outcome="success", name="wang", actor={"kind": "self", "name": "wang"}, profile="small"
    ),
    at(11, "server-stop", name="wang", actor={"kind": "admin", "name": "boss"}, reason="asked"),
    at(12, "role-change", name="li", actor={"kind": "admin", "name": "boss"}, gained=["admin"], lost=[]),
]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for of in ("CONFIG", "STATE", "LOGS"):
        monkeypatch.setenv(f"TF29HUB_{of}", str(tmp_path))
    path = tmp_path / "audit.jsonl"
    with gzip.open(tmp_path / "audit.jsonl.2.gz", "wt") as file:
        file.write(ROWS[0] + "\n")
    (tmp_path / "audit-20261123T093000.000000Z.jsonl").write_text(ROWS[1] + "\n")
    path.write_text("\n".join([ROWS[2], "half a li", *ROWS[3:]]) + "\n")
    return path


@pytest.mark.parametrize(
    ("wanted", "hours"),
    [
        (Wanted(), [8, 9, 10, 11, 12]),
        (Wanted(user="wang"), [8, 9, 10, 11]),
        (Wanted(user="boss"), [11, 12]),
        (Wanted(event="sign-in"), [8, 9]),
        (Wanted(event="sign-in", outcome="failure"), [9]),
        (Wanted(address="192.0.2.1"), [8]),
        (Wanted(since=NOW.replace(hour=10)), [10, 11, 12]),
        (Wanted(until=NOW.replace(hour=10)), [8, 9]),
    ],
    ids=["all", "about or by wang", "by boss", "an event", "failures", "an address", "since", "until"],
)
def test_filters_over_all_files(path, wanted, hours):
    broken = Broken()
    found = [int(event["time"][11:13]) for event in read_events(path, wanted, broken)]
    assert found == hours
    assert broken.lines == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23", "2026-11-23T00:00:00+00:00"),
        ("2026-11-23T14:30", "2026-11-23T14:30:00+00:00"),
        ("2026-11-23T14:30:00+08:00", "2026-11-23T14:30:00+08:00"),
        ("2026-11-23T14:30:00Z", "2026-11-23T14:30:00+00:00"),
        ("2h", "2026-11-23T13:00:00+00:00"),
        ("7d", "2026-11-16T15:00:00+00:00"),
    ],
)
def test_moments(text, expected):
    assert parse_moment(text, NOW).isoformat() == expected


def test_in_words():
    words = [in_words(json.loads(row)) for row in ROWS]
    assert words[0] == "2026-11-23 08:00:00  sign-in           wang  method=local from 192.0.2.1"
    assert "FAILED (wrong)" in words[1]
    assert words[3].endswith("wang  (asked) by admin boss")
    assert "by admin boss gained admin" in words[4]


class TestCommand:
    def run(self, capsys, *words):
        code = main(["audit", *words])
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err

    def test_json_is_what_the_file_has(self, path, capsys):
        code, rows, told = self.run(capsys, "--json", "--user", "boss")
        assert code == 0
        assert [json.loads(row) for row in rows] == [json.loads(row) for row in ROWS[3:]]
        assert "1 lines of the trail are no events" in told

    def test_the_last_ones(self, path, capsys):
        assert len(self.run(capsys, "-n", "2")[1]) == 2

    def test_what_is_not_a_moment(self, path, capsys):
        code, _, told = self.run(capsys, "--since", "yesterday")
        assert code == 1
        assert "expected a date such as 2026-11-23" in told

    def test_no_trail_yet(self, path, capsys, monkeypatch, tmp_path):
        monkeypatch.setenv("TF29HUB_LOGS", str(tmp_path / "empty"))
        code, rows, told = self.run(capsys)
        assert (code, rows) == (0, [])
        assert "There is no trail yet" in told

    def test_the_schema(self, path, capsys):
        _, rows, _ = self.run(capsys, "--schema")
        assert json.loads("\n".join(rows))["title"].startswith("One event")
