"""GPU-hours, and what Prometheus reads."""

from __future__ import annotations

import pytest

from tests.console_broker import department
from tests.hubs.browser import words
from tests.hubs.console.person import METRICS_TOKEN, PAGE, get

pytestmark = [pytest.mark.hub, pytest.mark.docker]


def test_use_is_everybodys_for_admins_and_ones_own_for_users(broker, person, admin):
    department(broker)
    table = admin.call("GET", "usage?by=user").json()["usage"]
    assert [row["user"] for row in table] == ["garcia", "lin", "wang", "okafor"]
    assert person.call("GET", "usage").json()["usage"][0]["gpu_hours"] == 40.5
    assert len(person.call("GET", "usage?by=user,group").json()["usage"]) == 1
    assert "garcia" not in person.page("usage?by=user").text
    assert "212.4" in admin.page("usage").text


def test_use_as_csv(broker, admin):
    department(broker)
    broker.usage[0]["user"] = "=cmd()"
    answer = admin.call("GET", "usage?by=user&format=csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    assert answer.text.splitlines()[:2] == ["user,gpu_hours,claims", "'=cmd(),212.4,31"]


def test_a_wrong_month_is_said_on_the_page_and_to_programs(broker, person):
    assert "A month is written as 2026-11." in words(person.page("usage?from=may").text)
    assert person.call("GET", "usage?from=may").status_code == 400


def test_prometheus_reads_with_the_hubs_own_scope_for_metrics(hub, broker):
    answer = get(hub, PAGE + "metrics", {"Authorization": f"token {METRICS_TOKEN}"})
    assert answer.status_code == 200
    assert "tf29hub_gpus 4" in answer.text
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
