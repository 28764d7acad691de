"""Buttons: for admins, and for users with what is theirs."""

from __future__ import annotations

import json

import pytest
import requests

from tests.hubs.console.person import API, new_name, token_of
from tests.waiting import wait_until

pytestmark = [pytest.mark.hub, pytest.mark.docker]


def test_an_admin_drains_a_card_with_a_reason_and_returns_it(broker, admin):
    card = broker.card(0)
    without = admin.call("POST", f"devices/{card['uuid']}/drain", {"reason": "  "})
    assert (without.status_code, without.json()["code"]) == (400, "reason")
    done = admin.call("POST", f"devices/{card['uuid']}/drain", {"reason": "new\n fan"})
    assert done.json() == {"message": "Nobody new gets this GPU now."}
    assert broker.calls[-1] == ("POST", f"/v1/devices/{card['uuid']}/drain", {"reason": f"new fan ({admin.name})"})
    assert admin.call("GET", "devices").json()["devices"][0]["state"] == "draining"
    assert admin.call("POST", f"devices/{card['uuid']}/return").ok
    assert card["state"] == "free"


def test_what_admins_do_to_others_is_in_the_audit_trail(hub, broker, person, admin):
    card = broker.card(0)
    own, claim = broker.hold(card, person.name), broker.hold(card, "lin", server="big")
    assert person.call("POST", f"claims/{own['id']}/extend", {"seconds": 60}).ok
    assert admin.call("POST", f"claims/{claim['id']}/end", {"reason": "for the course"}).ok

    def told():
        lines = hub.paths.audit.read_text(encoding="utf-8").splitlines()
        return [event for event in map(json.loads, lines) if event["event"] == "admin-action"]

    event = wait_until(lambda: told()[-1:], "the trail has it")[0]
    assert (event["action"], event["name"], event["server"]) == ("gpu-end", "lin", "big")
    assert event["actor"] == {"kind": "admin", "name": admin.name}
    assert event["more"] == {"reason": "for the course"}
    assert event["gpus"] == [card["uuid"]]
    assert person.name not in [event["actor"]["name"] for event in told()], "what is one's own is one's own affair"


def test_a_user_extends_and_gives_back_what_is_theirs(broker, person):
    claim = broker.hold(broker.card(0), person.name)
    before = claim["lease_end"]
    assert person.call("POST", f"claims/{claim['id']}/extend", {"seconds": 3600}).ok
    assert claim["lease_end"] == before + 3600
    assert person.call("POST", f"claims/{claim['id']}/end", {}).ok
    assert broker.calls[-1][2] == {"reason": "given back by its user"}


def test_a_place_is_given_up_and_an_offer_taken(broker, person):
    ticket = broker.wait(person.name, offer={"lease_s": 1800})
    person.sees("A shorter lease of 30 minutes could start now.")
    assert person.call("POST", f"tickets/{ticket['id']}/accept", {}).ok
    assert broker.calls[-1][1] == f"/v1/tickets/{ticket['id']}/accept"
    assert (
        person.call("DELETE", f"tickets/{ticket['id']}").json()["message"] == "The place in the line is given up."
    )
    assert broker.tickets == []


def test_an_admin_moves_somebody_up_and_removes_them(broker, admin):
    first, second = broker.wait("lin"), broker.wait("wang")
    assert admin.call("POST", f"tickets/{second['id']}/move", {"place": 1}).json()["place"] == 1
    assert [ticket["user"] for ticket in broker.tickets] == ["wang", "lin"]
    assert admin.call("POST", f"tickets/{second['id']}/move", {"place": 0}).status_code == 400
    assert admin.call("DELETE", f"tickets/{first['id']}").ok


def test_the_brokers_no_reaches_the_reader_in_their_language(broker, person):
    claim = broker.hold(broker.card(0), person.name)
    broker.refuses = {"status": 409, "code": "state", "text": {"en": "Somebody waits.", "zh": "有人在等待。"}}
    answer = person.call("POST", f"claims/{claim['id']}/extend", {"seconds": 3600}, **{"Accept-Language": "zh-CN"})
    assert (answer.status_code, answer.json()) == (409, {"error": "有人在等待。", "code": "state"})


@pytest.mark.parametrize(
    "body", ["[]", "null", "{", '{"seconds": "1"}', '{"seconds": true}', '{"other": 1}', "{}"]
)
def test_nonsense_is_refused_and_reaches_nobody(hub, broker, body):
    name = new_name()
    claim = broker.hold(broker.card(0), name)
    headers = token_of(hub, name) | {"Content-Type": "application/json"}
    answer = requests.post(f"{hub.url}{API}claims/{claim['id']}/extend", data=body, headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-request")
    assert broker.calls == []
