"""Thirty press Start at the same time: they boot in turn, and nobody's waiting counts as their boot's time."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from tests.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.hub]

USERS = [f"pupil{number:02}" for number in range(30)]
SLOTS = 3
BOOT_TIMEOUT_S = 12


def test_thirty_at_once_boot_in_turn_and_all_arrive(make_hub):
    hub = make_hub(
        settings={
            "start": {"concurrent_boots": SLOTS, "timeout": BOOT_TIMEOUT_S, "queue_timeout": 300},
            "limits": {"memory": "64M", "memory_guarantee": "16M"},
        },
        profiles="""
profiles:
  - slug: class
    display_name: Class
    override: {mem_limit: 64M, mem_guarantee: 16M, environment: {STUB_DELAY_S: "1"}}
""",
    )
    for name in USERS:
        hub.api.add_user(name)
    answers = [hub.api.ask_start_behind(name) for name in USERS]
    for answer in answers:
        assert answer.result(200).status_code in (201, 202), answer.result().text
    wait_until(lambda: ready(hub) == len(USERS), "all thirty are ready", 300, every=1)
    assert len(hub.containers()) == len(USERS)
    boots = sorted(boot_of(container) for container in hub.containers())
    assert most_at_once(boots) <= SLOTS
    # the point of it: together they took longer than any one of them may
    assert (max(end for _, end in boots) - boots[0][0]).total_seconds() > BOOT_TIMEOUT_S
    lines = re.findall(r"did not start", hub.log())
    assert lines == []


def ready(hub) -> int:
    users = hub.api.call("GET", "/users?state=ready").json()
    return len(users)


def boot_of(container) -> tuple[datetime, datetime]:
    """(made, first answered), both by the engine's clock."""
    log = container.logs(timestamps=True).decode()
    (first,) = [line.split(" ", 1)[0] for line in log.splitlines() if line.endswith("first request answered")]
    return moment(container.attrs["Created"]), moment(first)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d*Z", r"\1+00:00", text))


def most_at_once(boots: list[tuple[datetime, datetime]]) -> int:
    edges = sorted([(start, 1) for start, _ in boots] + [(end, -1) for _, end in boots])
    running = most = 0
    for _, step in edges:
        running += step
        most = max(most, running)
    return most
