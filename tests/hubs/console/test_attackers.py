"""What users, other pages and programs try that is not theirs."""

from __future__ import annotations

import re

import pytest
import requests

from tests.hubs.console.person import API, PAGE, get, new_name, token_of

pytestmark = [pytest.mark.hub, pytest.mark.docker]

SCRIPT = "<script>alert('x')</script>"


@pytest.mark.parametrize("names", ["ids as they are", "ids guessed"])
def test_anothers_claim_and_ticket_are_as_if_they_were_not_there(broker, person, names):
    claim, ticket = broker.hold(broker.card(0), "lin"), broker.wait("lin")
    claim_id, ticket_id = (claim["id"], ticket["id"]) if names == "ids as they are" else ("claim-99", "x")
    answers = [
        person.call("POST", f"claims/{claim_id}/extend", {"seconds": 60}),
        person.call("POST", f"claims/{claim_id}/end", {}),
        person.call("DELETE", f"tickets/{ticket_id}"),
        person.call("POST", f"tickets/{ticket_id}/accept", {}),
        person.call("GET", f"tickets/{ticket_id}/explain"),
        person.browser.get(f"{PAGE}why/{ticket_id}", headers={"X-XSRFToken": person.xsrf()}),
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert {answer.json()["code"] for answer in answers[:-1]} == {"unknown"}
    assert broker.calls == []


def test_what_is_for_admins_is_refused_to_users(hub, broker, person):
    card = broker.card(0)
    own = broker.wait(person.name)
    answers = [
        person.call("POST", f"devices/{card['uuid']}/drain", {"reason": "x"}),
        person.call("POST", f"devices/{card['uuid']}/return", {}),
        person.call("POST", f"tickets/{own['id']}/move", {"place": 1}),
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert get(hub, PAGE + "metrics", token_of(hub, person.name)).status_code == 403
    assert broker.calls == []


def test_a_token_that_may_only_read_changes_nothing(hub, broker):
    name = new_name()
    claim, ticket = broker.hold(broker.card(0), name), broker.wait(name)
    headers = token_of(hub, name, "custom:gpus:read")
    answer = requests.post(f"{hub.url}{API}claims/{claim['id']}/end", headers=headers, timeout=30)
    assert answer.status_code == 403
    assert requests.delete(f"{hub.url}{API}tickets/{ticket['id']}", headers=headers, timeout=30).status_code == 403
    assert broker.calls == []


@pytest.mark.parametrize("headers", [{}, {"X-XSRFToken": "made-up"}, {"Sec-Fetch-Mode": "navigate"}])
def test_other_pages_cannot_send_for_a_person(hub, broker, person, admin, headers):
    ticket = broker.wait(person.name)
    person.page()
    address = f"{hub.url}{API}tickets/{ticket['id']}"
    answer = person.browser.session.delete(address, headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (403, "xsrf")
    # as a form of another page would, with the token of another person in it
    form = person.browser.session.post(f"{address}/accept", data={"_xsrf": admin.xsrf()}, timeout=30)
    assert form.status_code == 403
    assert broker.calls == []


def test_a_reason_with_a_script_in_it_is_text(broker, admin):
    broker.card(0, "draining", reason=SCRIPT)
    broker.hold(broker.card(1), "lin", server=SCRIPT)
    broker.wait("wang", reason={"en": SCRIPT, "zh": SCRIPT}, request={"kind": "whole", "model": SCRIPT})
    page = admin.sees(SCRIPT)
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert") >= 4


def test_every_answer_is_framed_by_nobody_and_runs_no_script_of_others(broker, person):
    for path in (PAGE, PAGE + "usage", PAGE + "nothing", API, PAGE + "static/gpus.js"):
        headers = person.browser.get(path).headers
        assert headers["X-Frame-Options"] == "DENY", path
        assert headers["X-Content-Type-Options"] == "nosniff", path
    page = person.page()
    policy = dict(part.split(" ", 1) for part in page.headers["Content-Security-Policy"].split("; "))
    assert policy["frame-ancestors"] == "'none'"
    assert policy["default-src"] == "'none'"
    nonce = re.search(r"'nonce-([^']+)'", policy["script-src"])[1]
    assert "unsafe" not in policy["script-src"]
    scripts = re.findall(r"<script\b[^>]*>", page.text)
    assert scripts
    assert all(f'nonce="{nonce}"' in script for script in scripts)
    assert nonce not in person.page().text, "each answer has its own"


def test_no_file_but_the_two_is_served(hub, broker):
    for path in ("../api.py", "%2e%2e/api.py", "..%2fapi.py", "", "nothing.js"):
        assert get(hub, f"{PAGE}static/{path}").status_code in (403, 404), path
