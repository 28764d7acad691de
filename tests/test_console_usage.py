import csv
import datetime
import io
from zoneinfo import ZoneInfo

import pytest

from jupyterhub_tf29.console.people import Person
from jupyterhub_tf29.console.usage import PeriodError, as_csv, grouping, period, rows

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime.datetime(2026, 11, 23, 14, tzinfo=BERLIN).timestamp()
USER = Person("wang", may_read=True, may_act_for_self=True)
ADMIN = Person("boss", may_read=True, sees_all=True, is_admin=True)


def begins(year, month):
    return datetime.datetime(year, month, 1, tzinfo=BERLIN).timestamp()


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("", "", ("2026-11", "2026-11")),
        ("2026-09", "2026-10", ("2026-09", "2026-10")),
        ("2026-09", "", ("2026-09", "2026-11")),
        ("", "2026-09", ("2026-09", "2026-09")),
        ("2025-12", "2025-12", ("2025-12", "2025-12")),
    ],
    ids=["this month", "two months", "until now", "one month", "December"],
)
def test_months_of_a_form(first, last, expected):
    found = period(first, last, BERLIN, NOW)
    assert (found.first, found.last) == expected


def test_months_begin_on_the_clock_of_the_place():
    found = period("2026-10", "2026-12", BERLIN, NOW)
    assert (found.start, found.end) == (begins(2026, 10), begins(2027, 1))
    assert found.start != datetime.datetime(2026, 10, 1, tzinfo=datetime.timezone.utc).timestamp()


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2026-13", ""),
        ("26-11", ""),
        ("2026-11", "2026-10"),
        ("<script>", ""),
        ("2001-01", "2026-11"),
        ("1-1", ""),
    ],
)
def test_what_is_no_period_is_said(first, last):
    with pytest.raises(PeriodError):
        period(first, last, BERLIN, NOW)


@pytest.mark.parametrize(
    ("wanted", "who", "expected"),
    [
        ("", ADMIN, ("user",)),
        ("group", ADMIN, ("group",)),
        ("user,month", ADMIN, ("user", "month")),
        ("", USER, ("month",)),
        ("group", USER, ("month",)),
        ("user,group,month", USER, ("user", "month")),
    ],
)
def test_who_sees_only_oneself_gets_no_groups(wanted, who, expected):
    assert grouping(wanted, who) == expected


@pytest.mark.parametrize("wanted", ["card", "user,user", "user;drop", ","])
def test_what_is_no_grouping_is_said(wanted):
    with pytest.raises(PeriodError):
        grouping(wanted, ADMIN)


class Accounts:
    """A broker that knows use, and notes what it was asked."""

    def __init__(self):
        self.asked = []

    async def usage(self, **asked):
        self.asked.append(asked)
        return [
            {"user": "lin", "month": "2026-11", "gpu_seconds": 1800, "claims": 1},
            {"user": "wang", "month": "2026-11", "gpu_seconds": 7200, "claims": 2},
        ]


async def test_a_user_asks_for_their_own_use_only():
    broker = Accounts()
    await rows(broker, USER, period("", "", BERLIN, NOW), ("month",))
    assert [asked["user"] for asked in broker.asked] == ["wang"]


async def test_an_admin_sees_all_the_most_used_first():
    broker = Accounts()
    table = await rows(broker, ADMIN, period("", "", BERLIN, NOW), ("user",))
    assert broker.asked[0]["user"] is None
    assert table == [
        {"user": "wang", "gpu_hours": 2.0, "claims": 2},
        {"user": "lin", "gpu_hours": 0.5, "claims": 1},
    ]


async def test_a_service_that_sees_not_all_has_no_use_of_its_own():
    service = Person("wang", is_user=False, may_read=True)
    broker = Accounts()
    assert await rows(broker, service, period("", "", BERLIN, NOW), ("month",)) == []
    assert broker.asked == []


def test_csv_holds_no_formulas():
    table = [{"user": name, "gpu_hours": 1.5, "claims": 1} for name in ("=1+1", "@sum", "-2", "+3", 'a"b,c')]
    read = list(csv.reader(io.StringIO(as_csv(table, ("user",)))))
    assert read[0] == ["user", "gpu_hours", "claims"]
    assert [row[0] for row in read[1:]] == ["'=1+1", "'@sum", "'-2", "'+3", 'a"b,c']
