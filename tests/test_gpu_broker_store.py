"""The broker's file: for its owner alone, whole or as it was, and of use to the next version."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa

from jupyterhub_tf29.gpu.broker.history import MOST_POINTS, Minutes, history
from jupyterhub_tf29.gpu.broker.records import Claim, Ticket
from jupyterhub_tf29.gpu.broker.store import Store, StoreProblem
from jupyterhub_tf29.gpu.devices import Sample


def a_claim(**changes: object) -> Claim:
    fields: dict = {
        "id": "c1",
        "user": "ada",
        "server": "",
        "groups": ["lab", "ml"],
        "request": {"kind": "whole", "count": 1},
        "uuids": ["GPU-0"],
        "mib": 0,
        "weight": 1.0,
        "state": "allocated",
        "since": 1.5,
        "lease_end": 2.5,
        "protected_until": 0.0,
        "warned": {"lease 2 1": 1.0},
    }
    return Claim(**{**fields, **changes})


def test_what_is_written_is_read_again(tmp_path: Path):
    path = tmp_path / "broker.sqlite"
    claim, ticket = (
        a_claim(),
        Ticket("t1", "bea", "two", [], {"kind": "whole"}, 60.0, 5.0, options={"profile": "gpu"}),
    )
    first = Store(path)
    first.write([claim, ticket])
    first.close()
    again = Store(path)
    assert again.all(Claim) == [claim]
    assert again.all(Ticket) == [ticket]
    again.write([a_claim(state="draining")], [ticket])
    assert again.all(Claim)[0].state == "draining"
    assert again.all(Ticket) == []


def test_it_is_for_its_owner_alone(tmp_path: Path):
    path = tmp_path / "broker.sqlite"
    path.touch(0o644)
    Store(path).write([a_claim()])
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}


def test_a_write_that_fails_writes_nothing(tmp_path: Path):
    store = Store(tmp_path / "broker.sqlite")
    with pytest.raises(sa.exc.OperationalError, match="no such table"):
        store.write([a_claim()], statements=[sa.text("DELETE FROM nowhere")])
    assert store.all(Claim) == []


def test_an_older_file_gets_the_columns_that_it_lacks(tmp_path: Path):
    path = tmp_path / "broker.sqlite"
    store = Store(path)
    store.write([a_claim()])
    store.close()
    with sqlite3.connect(path) as raw:
        raw.execute("ALTER TABLE claims DROP COLUMN lost")
    assert Store(path).all(Claim)[0].lost == []


@pytest.mark.parametrize("what", ["no folder", "not a database"])
def test_a_file_that_cannot_be_used_is_told_by_its_name(tmp_path: Path, what: str):
    path = tmp_path / "missing" / "broker.sqlite" if what == "no folder" else tmp_path / "broker.sqlite"
    if what == "not a database":
        path.write_text("this is a letter to my aunt, and no database at all" * 100)
    with pytest.raises(StoreProblem, match=r"broker\.sqlite: "):
        Store(path)


def test_history_keeps_the_highest_of_each_minute_and_thins_it():
    store = Store(None)
    minutes = Minutes(store)
    for second in range(0, 7200, 10):
        minutes.add([Sample("GPU-0", 1000.0 + second, second, second % 100, None)], 960.0 + second)
    minutes.flush()
    found = history(store, 2.0, 960.0 + 7200)["GPU-0"]
    assert 115 <= len(found) <= 121
    assert found[-1][1] == 7190
    assert found[5][3] is None
    assert len(history(store, 168.0, 960.0 + 7200)["GPU-0"]) <= MOST_POINTS
    minutes.prune(960.0 + 8 * 86400)
    assert history(store, 168.0, 960.0 + 7200) == {}
