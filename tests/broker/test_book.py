"""The book itself: a change happens wholly or not at all."""

from __future__ import annotations

import pytest

from jupyterhub_tf29.gpu.broker import turns, wishes
from jupyterhub_tf29.gpu.broker.records import ALLOCATED
from tests.broker.world import START


def test_a_change_that_fails_leaves_nothing_behind(durable):
    ada = durable.start("ada")

    def fail() -> None:
        with durable.book.change(durable.now):
            wishes.given_back(durable.book, ada, "stopped", durable.now, durable.now)
            durable.book.drop(durable.book.devices["GPU-0"])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert durable.book.claims[ada.id].state == ALLOCATED
    assert set(durable.book.devices) == {"GPU-0", "GPU-1"}


def test_a_grant_that_cannot_be_is_not_followed(world, monkeypatch):
    """Whatever a scheduler decides: the book's own rule stands before it."""
    from jupyterhub_tf29.gpu.scheduler.decisions import Decisions, Grant, Reason

    ada = world.start("ada")

    def wrong(state, now):
        grants = tuple(
            Grant(ticket.id, tuple(ada.uuids), None, now + 60, now, 1.0, Reason("free", {}))
            for ticket in state.tickets
        )
        return Decisions(grants, (), (), (), (), (), (), (), None, None)

    monkeypatch.setattr(turns, "decide", wrong)
    world.ask("bea")
    assert [claim.user for claim in world.book.claims.values()] == ["ada"]


def test_times_are_utc_epoch_seconds(world):
    claim = world.ask("ada")
    assert START < claim.since < START + 10
    assert claim.lease_end - claim.since == world.rules.default_lease_s
