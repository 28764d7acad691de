"""What people see of others, as little as the policy says; and all of it as the description of the API has it."""

import json
from pathlib import Path

import jsonschema
import pytest

from jupyterhub_tf29.console import views
from jupyterhub_tf29.console.api import description
from jupyterhub_tf29.console.people import Person
from jupyterhub_tf29.console.snapshot import Snapshot
from tests.console_broker import BrokerStandIn, department

USER = Person("wang", may_read=True, may_act_for_self=True)
ADMIN = Person("boss", may_read=True, may_act_for_self=True, sees_all=True, is_admin=True)
SERVICE = Person("monitor", is_user=False, may_read=True)
OTHERS = ("lin", "garcia", "okafor", "smith")


@pytest.fixture
def broker():
    broker = BrokerStandIn(Path("/nowhere"))
    department(broker)
    return broker


def seen(broker):
    return Snapshot(
        version=1,
        time=1_700_000_000.0,
        reachable=True,
        inventory=broker.inventory,
        claims=tuple(broker.claims),
        tickets=tuple(broker.tickets),
        history=broker.history(),
        history_s=6 * 3600.0,
    )


@pytest.mark.parametrize("person", [USER, SERVICE], ids=["user", "service"])
def test_no_name_nor_id_of_others_is_anywhere(broker, person):
    text = json.dumps(views.overview(seen(broker), person, "admins"))
    ids = [one["id"] for one in (*broker.claims, *broker.tickets) if not person.owns(one["user"])]
    assert [word for word in (*OTHERS, *ids, "thesis", "big") if f'"{word}"' in text] == []
    assert "XID" not in text, "what a fault is, is for admins"
    assert "new fan" not in text


def test_names_are_there_where_the_policy_says_so_and_ids_are_not(broker):
    found = views.overview(seen(broker), USER, "everyone")
    assert [ticket["user"] for ticket in found["line"]] == ["wang", "okafor", "smith"]
    assert found["devices"][0]["holders"][0]["user"] == "lin"
    assert found["devices"][0]["holders"][0]["claim"] is None
    assert "id" not in found["line"][1]


def test_a_user_sees_what_they_need_of_others(broker):
    found = views.overview(seen(broker), USER, "admins")
    first, shared, *_ = found["devices"]
    assert first["holders"][0]["lease_end"], "when it ends is what one waits for"
    assert [holder["own"] for holder in shared["holders"]] == [True, False]
    assert shared["free_mib"] == 39731 - 16384 - 8192
    assert [ticket["place"] for ticket in found["line"]] == [1, 2, 3]
    assert found["line"][1]["request"]["count"] == 2


def test_a_user_sees_their_own_whole(broker):
    found = views.overview(seen(broker), USER, "admins")
    assert [claim["user"] for claim in found["claims"]] == ["wang"]
    assert found["line"][0]["id"] == broker.tickets[0]["id"]
    assert found["line"][0]["reason"]["zh"]


def test_an_admin_sees_all(broker):
    found = views.overview(seen(broker), ADMIN, "admins")
    assert len(found["claims"]) == 4
    assert [ticket["user"] for ticket in found["line"]] == ["wang", "okafor", "smith"]
    assert found["devices"][4]["reason"] == "new fan on Friday (admin)"


@pytest.mark.parametrize(
    ("state", "mib", "expected"),
    [("free", [], 39731), ("allocated", [8192], 31539), ("allocated", [None], None), ("quarantined", [], None)],
    ids=["free", "shared", "whole", "out of service"],
)
def test_room_for_shares(broker, state, mib, expected):
    card = broker.card(9, state)
    card["holders"] = [{"user": "lin", "mib": one, "lease_end": 1.0} for one in mib]
    found = views.devices(seen(broker), ADMIN, "admins")
    assert next(one["free_mib"] for one in found if one["uuid"] == card["uuid"]) == expected


def test_labels_number_cards_by_address_and_slices_on_their_card():
    cards = [
        {"uuid": "GPU-b", "bus_id": "00000000:3B:00.0"},
        {"uuid": "MIG-1", "bus_id": "00000000:1A:00.0", "mig_profile": "1g.5gb"},
        {"uuid": "MIG-2", "bus_id": "00000000:1A:00.0", "mig_profile": "1g.5gb"},
        {"uuid": "MIG-3", "bus_id": "00000000:1A:00.0", "mig_profile": "2g.10gb"},
    ]
    assert views.label_of(cards) == {
        "GPU-b": "GPU 1",
        "MIG-1": "GPU 0 · 1g.5gb #1",
        "MIG-2": "GPU 0 · 1g.5gb #2",
        "MIG-3": "GPU 0 · 2g.10gb #1",
    }


@pytest.mark.parametrize(
    ("happened", "expected"),
    [
        ({"kind": "grant", "user": "wang", "claim": "c1"}, {"kind", "user", "claim"}),
        ({"kind": "grant", "user": "lin", "claim": "c2"}, None),
        ({"kind": "device-quarantined", "device": "GPU-1", "text": {"en": "XID 79"}}, {"kind", "device"}),
        ({"kind": "device-foreign", "device": "GPU-1", "user": "lin"}, None),
        ({"kind": "window-short", "text": {"en": "for course-7"}}, None),
    ],
    ids=["own", "another's", "a card's", "a card's and another's", "an admin's"],
)
def test_events_are_for_whom_they_concern(happened, expected):
    event = {"id": 7, "time": 0.0, "level": "info", **happened}
    shown = views.event(event, USER)
    assert shown is None if expected is None else expected <= set(shown)
    assert "text" not in (shown or {})
    assert views.event(event, ADMIN)["kind"] == happened["kind"]


EXPLANATION = {
    "ticket_id": "mine",
    "place": 2,
    "ahead": [
        {
            "ticket_id": "theirs",
            "user": "lin",
            "request": {"kind": "whole"},
            "estimate_s": 60.0,
            "factors": {"rank": 0.9, "overdue": False, "placed": False, "own_use": 0.4, "group": "vision"},
        }
    ],
    "releases": [{"claim_id": "c1", "user": "garcia", "uuids": ["GPU-1"], "end_s": 60.0, "idle_s": None}],
}


def test_an_explanation_says_how_others_rank_and_not_who_they_are_nor_what_they_used():
    told = views.explanation(EXPLANATION, USER, "admins")
    text = json.dumps(told)
    assert [word for word in ("lin", "garcia", "theirs", "c1", "own_use", "vision") if f'"{word}"' in text] == []
    assert told["ahead"][0]["factors"] == {"rank": 0.9, "overdue": False, "placed": False}
    assert told["releases"][0]["end_s"] == 60.0
    assert told["place"] == 2


def test_an_explanation_has_names_where_the_policy_says_so_and_all_for_admins():
    assert views.explanation(EXPLANATION, USER, "everyone")["ahead"][0]["user"] == "lin"
    assert views.explanation(EXPLANATION, ADMIN, "admins") == EXPLANATION


@pytest.mark.parametrize("person", [USER, ADMIN, SERVICE], ids=["user", "admin", "service"])
def test_answers_are_as_described(broker, person):
    document = description("/services/gpus/api/v1")
    broker.card(8, sample=None)
    broker.wait("wang", server="b", state="offered", place=0, hold_until=1.7e9, offer={"lease_s": 900})
    validate = checker(document)
    validate("Overview", views.overview(seen(broker), person, "admins"))
    validate("History", {"devices": views.history(seen(broker))})
    unknown = Snapshot()
    validate("Overview", views.overview(unknown, person, "admins"))


def checker(document):
    """A function that raises where an answer is not what the document says. OpenAPI 3.0's `nullable` is JSON
    Schema's type null, and `$ref`s need the document around them."""
    schemas = json.loads(
        json.dumps(document["components"]["schemas"]).replace("#/components/schemas/", "#/$defs/")
    )

    def plain(node):
        if isinstance(node, list):
            return [plain(one) for one in node]
        if not isinstance(node, dict):
            return node
        node = {key: plain(value) for key, value in node.items()}
        if node.pop("nullable", False):
            return {"anyOf": [{"type": "null"}, node]}
        return node

    defs = plain(schemas)

    def validate(name, answer):
        jsonschema.validate(answer, {"$ref": f"#/$defs/{name}", "$defs": defs})

    return validate
