"""Who used how much: exact, by month, whatever crashed in between, and as a spreadsheet takes it."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timezone

import pytest

from jupyterhub_tf29.gpu.broker import accounting, wishes
from jupyterhub_tf29.gpu.broker.records import Holding
from jupyterhub_tf29.gpu.broker.rules import Rules
from jupyterhub_tf29.gpu.broker.view import period_bounds
from jupyterhub_tf29.gpu.scheduler.policy import FairShare, Policy
from tests.broker.world import World


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()


def usage(world: World, *by: str, **kwargs: object) -> list[dict]:
    return accounting.usage(
        world.store,
        world.book.claims.values(),
        world.now,
        start=0.0,
        end=world.now,
        by=by or ("user",),
        **kwargs,
    )


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-11-02T10:00", "2026-11-02T11:00", [("2026-11", 3600)]),
        ("2026-11-30T23:00", "2026-12-01T01:00", [("2026-11", 3600), ("2026-12", 3600)]),
        ("2026-12-31T23:30", "2027-02-01T00:00", [("2026-12", 1800), ("2027-01", 31 * 86400)]),
        ("2026-11-02T10:00", "2026-11-02T10:00", [("2026-11", 0)]),
        ("2026-11-02T10:00", "2026-11-02T09:00", [("2026-11", 0)]),
    ],
    ids=["within a month", "over its end", "over a year's end", "no time at all", "a clock that was put back"],
)
def test_a_span_is_split_at_the_ends_of_months(start, end, expected):
    assert list(accounting.by_month(moment(start), moment(end))) == expected


def test_a_gpu_held_for_an_hour_is_3600_gpu_seconds():
    world = World(gpus=2)
    claim = world.start("ada", count=2)
    start = claim.since
    world.pass_time(1800)
    (row,) = usage(world)
    assert row["gpu_seconds"] == pytest.approx(2 * (world.now - start), abs=0.01)
    world.pass_time(1800)
    world.stop("ada")
    end = world.now
    world.pass_time(5000)
    assert usage(world) == [
        {"user": "ada", "gpu_seconds": pytest.approx(2 * (end - start), abs=0.01), "claims": 1}
    ]


def test_a_share_counts_by_its_part():
    world = World(gpus=1)
    usable = world.book.devices["GPU-0"].usable_mib
    world.start("ada", share_mib=usable // 4)
    world.start("bea", share_mib=usable // 2)
    world.pass_time(1000)
    rows = {row["user"]: row["gpu_seconds"] for row in usage(world)}
    assert rows["bea"] / rows["ada"] == pytest.approx(2, rel=0.001)
    assert rows["ada"] == pytest.approx(250, rel=0.01)


def test_what_vanished_unseen_is_charged_until_it_was_last_seen(tmp_path):
    world = World(gpus=1, path=tmp_path / "broker.sqlite")
    claim = world.start("ada")
    world.pass_time(600)
    seen = claim.seen_at
    world.remove(claim.id)
    world.now += 7 * 86400  # the machine was off for a week
    world.crash()
    world.look()
    world.look()
    (row,) = usage(world)
    assert row["gpu_seconds"] == pytest.approx(seen - claim.since, abs=0.01)
    assert 500 < row["gpu_seconds"] < 700


def test_a_crash_loses_nothing(tmp_path):
    world = World(gpus=1, path=tmp_path / "broker.sqlite")
    world.start("ada")
    world.pass_time(600)
    before = usage(world)
    world.crash()
    assert usage(world) == before
    world.look(60)
    assert usage(world)[0]["gpu_seconds"] == pytest.approx(before[0]["gpu_seconds"] + 60.1, abs=0.2)


def test_by_group_and_month_and_only_one_users():
    rules = Rules(policy=Policy(fair=FairShare(group_weights={"thesis": 2.0})))
    world = World(gpus=4, rules=rules)
    world.start("ada", groups=("zoo", "thesis"))
    world.start("bea", groups=("zoo", "alpha"))
    world.start("cleo")
    world.pass_time(100)
    groups = {row["user"]: row["group"] for row in usage(world, "user", "group")}
    assert groups == {"ada": "thesis", "bea": "alpha", "cleo": ""}
    assert {row["month"] for row in usage(world, "month")} == {"2026-09"}
    assert [row["user"] for row in usage(world, user="bea")] == ["bea"]


def test_another_column_is_refused():
    with pytest.raises(ValueError, match="by: expected some of month, user, group, found 'mood'"):
        usage(World(gpus=0), "mood")


def test_csv_is_what_a_spreadsheet_takes_and_runs_nothing():
    rows = [{"user": "=cmd()", "month": "2026-11", "gpu_seconds": 5400.0, "claims": 2}]
    text = accounting.as_csv(rows, ("month", "user"))
    assert list(csv.reader(io.StringIO(text))) == [
        ["month", "user", "gpu_hours", "claims"],
        ["2026-11", "'=cmd()", "1.500", "2"],
    ]


def test_a_holding_is_kept_with_what_it_was_and_pruned_after_long():
    world = World(gpus=1)
    world.start("ada")
    world.pass_time(60)
    world.stop("ada")
    world.look()
    (holding,) = world.store.all(Holding)
    assert (holding.user, holding.uuid, holding.model, holding.weight) == ("ada", "GPU-0", "A100", 1.0)
    assert holding.reason == "stopped"
    before = usage(world)
    with world.book.change(world.now):
        accounting.prune(world.book, world.now + accounting.HISTORY_S + 100)
    assert world.store.all(Holding) == []
    assert usage(world) == before, "the months' sums stay"


@pytest.mark.parametrize(
    ("now", "period", "timezone", "begin", "end"),
    [
        ("2026-11-18T12:00", "month", "UTC", "2026-11-01T00:00", "2026-12-01T00:00"),
        ("2026-11-18T12:00", "week", "UTC", "2026-11-16T00:00", "2026-11-23T00:00"),
        ("2026-12-31T23:30", "month", "Asia/Shanghai", "2026-12-31T16:00", "2027-01-31T16:00"),
        ("2026-10-25T12:00", "week", "Europe/Berlin", "2026-10-18T22:00", "2026-10-25T23:00"),
    ],
    ids=["month", "week", "the month of another clock", "a week with the end of summer time"],
)
def test_periods_of_limits(now, period, timezone, begin, end):
    assert period_bounds(moment(now), period, timezone) == (moment(begin), moment(end))


def test_at_the_turn_of_a_period_gpu_hours_begin_anew_and_fair_share_does_not():
    world = World(gpus=1)
    world.start("ada")
    world.pass_time(3600)
    with world.book.change(world.now):
        accounting.settle(world.book, world.book.claim_of("ada", ""), world.now)
    before = world.book.uses["ada"]
    assert before.period_gpu_s == pytest.approx(3600, rel=0.01)
    begin = period_bounds(world.now, "month", "UTC")[1]
    with world.book.change(begin + 10):
        accounting.turn_of_period(world.book, begin - 10, begin + 10)
    after = world.book.uses["ada"]
    assert after.period_gpu_s == 0.0
    assert after.decayed_gpu_s > before.decayed_gpu_s
    assert world.book.claim_of("ada", "").counted_to == begin


def test_a_clock_that_was_put_back_gives_nothing_away_and_takes_nothing():
    world = World(gpus=1)
    claim = world.start("ada")
    world.now -= 3600
    wishes.release(world.book, claim.id, "stopped", world.now)
    (row,) = usage(world)
    assert row["gpu_seconds"] == 0.0
