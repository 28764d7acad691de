"""Events of the audit trail keep to their schema, whatever they are given."""

from __future__ import annotations

from datetime import datetime, timezone

import jsonschema
from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_tf29.audit.acting import Acting
from jupyterhub_tf29.audit.event import as_line, event_names, make_event, schema

VALIDATOR = jsonschema.Draft202012Validator(schema())
TEXT = st.text(max_size=600)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "name": TEXT,
        "reason": TEXT,
        "address": TEXT,
        "method": TEXT,
        "gpus": st.lists(TEXT, max_size=5),
        "gained": st.sets(TEXT, max_size=5),
        "something_new": TEXT,
        "seconds": st.floats(allow_nan=False, allow_infinity=False),
        "server": st.none(),
    },
)


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(schema())


@given(st.sampled_from(event_names()), FIELDS)
def test_every_event_keeps_to_it_and_is_one_line(event, fields):
    made = make_event("hub", event, fields)
    VALIDATOR.validate(made)
    line = as_line(made)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert b"\x1b" not in line


def test_what_it_looks_like():
    moment = datetime(2026, 11, 23, 14, 15, 16, 789_000, tzinfo=timezone.utc)
    made = make_event("tf29hub", "server-start", {"name": "wang", "server": "", "reason": None, "new": 7}, moment)
    assert len(made.pop("id")) == 16
    assert made == {
        "time": "2026-11-23T14:15:16.789Z",
        "version": 1,
        "hub": "tf29hub",
        "event": "server-start",
        "name": "wang",
        "more": {"new": "7"},
    }


def test_reasons_are_words():
    assert (
        make_event("h", "sign-in", {"reason": "Spawner failed (no memory)"})["reason"]
        == "spawner-failed-no-memory"
    )


class TestActors:
    """Who acts, seen from the user whom it is about."""

    def test_kinds(self):
        here = "192.0.2.1"
        assert Acting("wang", here).as_actor("wang") == {"kind": "self", "name": "wang"}
        assert Acting("teacher", here).as_actor("wang") == {"kind": "instructor", "name": "teacher"}
        assert Acting("boss", here, is_admin=True).as_actor("wang") == {"kind": "admin", "name": "boss"}
        assert Acting("boss", here, is_admin=True).as_actor("boss") == {"kind": "self", "name": "boss"}
        assert Acting("idle-culler", here, is_service=True).as_actor("wang")["kind"] == "culler"
        assert Acting("gpu-broker", here, is_service=True).as_actor("wang")["kind"] == "broker"
        assert Acting("another", here, is_service=True).as_actor("wang")["kind"] == "service"
        assert Acting("", here).as_actor("wang") is None
        assert Acting("wang", here, token="a7").as_actor("wang") == {"kind": "self", "name": "wang", "token": "a7"}

    def test_a_user_who_is_called_like_a_service_is_a_user(self):
        assert Acting("idle-culler", "192.0.2.1").as_actor("wang")["kind"] == "instructor"
