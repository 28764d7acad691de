"""Pages and programs hear at once what happens, also when the broker or the console dies."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.hubs.console.person import API, PAGE, new_name, token_of
from tests.hubs.running import RunningHub

pytestmark = [pytest.mark.hub, pytest.mark.docker]

STREAM_WITHIN_S = 60


@contextlib.contextmanager
def stream(hub: RunningHub, path: str, **kwargs: Any) -> Iterator[Iterator[str]]:
    with contextlib.closing(
        requests.get(hub.url + path, stream=True, timeout=30, allow_redirects=False, **kwargs)
    ) as answer:
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield (line.decode() for line in answer.iter_lines())


def read_until(lines: Iterator[str], wanted: str) -> list[str]:
    """Lines up to the first that has `wanted` in it; a silent stream has lines, too, so the bound is met."""
    read: list[str] = []
    deadline = time.monotonic() + STREAM_WITHIN_S
    for line in lines:
        read.append(line)
        if wanted in line:
            return read
        if time.monotonic() > deadline:
            break
    raise AssertionError(f"the stream did not say {wanted!r}: {read[-5:]}")


def test_the_page_is_told_what_changes_and_that_the_broker_went_and_came(hub, broker, person):
    broker.card(0)
    path = f"{PAGE}live?_xsrf={person.xsrf()}"
    with stream(hub, path, cookies=person.browser.session.cookies, headers={"Sec-Fetch-Mode": "cors"}) as lines:
        read_until(lines, "Nobody waits for a GPU.")
        broker.wait(person.name)
        broker.tell("ticket-new", user=person.name)
        read_until(lines, "You wait at place 1")
        broker.wait("lin")
        broker.tell("ticket-new", user="lin")
        assert '"mine"' not in read_until(lines, "2 people wait")[-1], "what has not changed is not sent again"
        broker.stop()
        read_until(lines, "The GPU broker does not answer.")
        broker.start()
        said = read_until(lines, '"status"')[-1]
        assert "does not answer" not in said


def test_a_stream_needs_the_pages_token(broker, person):
    answer = person.browser.get(f"{PAGE}live", headers={"Sec-Fetch-Mode": "cors"})
    assert answer.status_code == 403


def test_programs_hear_their_own_events_and_catch_up(hub, broker):
    name = new_name()
    broker.tell("grant", user="lin", text={"en": "private", "zh": "private"})
    mine = broker.tell("grant", user=name)
    with stream(hub, f"{API}events?after=0", headers=token_of(hub, name)) as lines:
        read = read_until(lines, f'"user": "{name}"')
        assert f"id: {mine['id']}" in read
        assert not any("private" in line for line in read)
    last = {"Last-Event-ID": str(mine["id"])}
    with stream(hub, f"{API}events", headers=token_of(hub, name) | last) as lines:
        broker.tell("ended", user=name)
        assert not any('"grant"' in line for line in read_until(lines, '"ended"'))


def test_without_a_broker_the_page_says_so_and_programs_get_503(person):
    person.sees("The GPU broker does not answer.", "This page tries again by itself.")
    answer = person.call("GET", "devices")
    assert (answer.status_code, answer.json()["code"]) == (503, "broker-silent")
    assert person.call("DELETE", "tickets/x").status_code == 503
    assert person.page("usage").status_code == 503


def test_who_signs_out_is_out_here_too(hub, broker, visitor):
    assert visitor.call("GET", "").ok
    token = visitor.xsrf()
    visitor.browser.get("/hub/logout")
    answer = visitor.browser.session.get(
        hub.url + API + "devices", headers={"X-XSRFToken": token, "Sec-Fetch-Mode": "cors"}, timeout=30
    )
    assert answer.status_code in (401, 403)


def test_a_killed_console_comes_back_and_nobody_signs_in_anew(hub, broker, person):
    token = person.xsrf()
    hub.kill9_console()
    hub.start_console()
    answer = person.browser.session.get(
        hub.url + API, headers={"X-XSRFToken": token, "Sec-Fetch-Mode": "cors"}, timeout=30
    )
    assert answer.json()["name"] == person.name
