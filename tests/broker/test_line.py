"""The line: a ticket's turn, who comes and who does not, and what a crash leaves of it."""

from __future__ import annotations

import pytest

from jupyterhub_tf29.gpu.broker import turns, wishes
from jupyterhub_tf29.gpu.broker.records import ALLOCATED, HELD, OFFERED, RESERVED, Claim, Ticket
from jupyterhub_tf29.gpu.broker.rules import Rules
from jupyterhub_tf29.gpu.broker.wishes import Refused
from jupyterhub_tf29.gpu.request import Request
from tests.broker.world import World


@pytest.fixture
def turn() -> tuple[World, Ticket]:
    """One GPU, and bea whose turn has just come."""
    world = World(gpus=1)
    world.start("ada")
    ticket = world.ask("bea", options={"profile": "gpu"})
    world.stop("ada")
    world.look()
    assert ticket.state == HELD
    return world, ticket


def test_at_its_turn_a_ticket_holds_the_gpus_and_its_server_is_to_be_started(turn):
    world, ticket = turn
    (todo,) = turns.to_do(world.book)
    assert (todo.kind, todo.user, todo.ticket) == ("start", "bea", ticket.id)
    claim = world.ask("bea")
    assert isinstance(claim, Claim)
    assert claim.id == ticket.claim
    assert claim.state == RESERVED


def test_a_user_who_comes_has_their_gpus(turn):
    world, ticket = turn
    claim = world.start("bea")
    turns.start_accepted(world.book, ticket, world.now)
    turns.server_ready(world.book, ticket, world.now)
    assert ticket.state == OFFERED
    assert [todo.kind for todo in turns.to_do(world.book)] == ["watch"]
    turns.user_came(world.book, ticket, world.now)
    assert not world.book.tickets
    world.pass_time(1200)
    assert world.book.claims[claim.id].state == ALLOCATED
    assert not world.book.claims[claim.id].ending_cause


def test_a_user_who_does_not_come_is_passed_by(turn):
    world, ticket = turn
    world.ask("cleo")
    world.start("bea")
    turns.server_ready(world.book, ticket, world.now)
    world.pass_time(901)
    assert "ticket-expired" in world.kinds()
    (todo,) = turns.to_do(world.book)
    assert (todo.kind, todo.user, todo.why) == ("stop", "bea", "no-show")
    world.stop("bea")
    world.look()
    assert world.book.ticket_of("cleo", "").state == HELD


def test_a_start_that_fails_keeps_the_place_and_is_tried_again_not_for_ever(turn):
    world, ticket = turn
    for attempt in (1, 2):
        wishes.release(world.book, ticket.claim, "failed", world.now)
        assert ticket.state == "waiting"
        assert ticket.attempts == attempt
        world.look()
        assert ticket.state == "waiting", "not at once"
        world.pass_time(60 * attempt + 5)
        assert ticket.state == HELD
    wishes.release(world.book, ticket.claim, "failed", world.now)
    assert not world.book.tickets
    assert "ticket-failed" in world.kinds()


def test_a_place_can_be_given_up_at_any_moment(turn):
    world, ticket = turn
    wishes.cancel(world.book, ticket.id, world.now)
    assert not world.book.tickets
    (todo,) = turns.to_do(world.book)
    assert (todo.kind, todo.why) == ("stop", "cancelled")
    wishes.release(world.book, todo.claim, "cancelled", world.now)
    world.look()
    assert not world.book.claims


def test_while_the_hub_is_silent_nobodys_time_runs_out(turn):
    world, ticket = turn
    for _ in range(40):
        world.look(60)
        turns.start_unheard(world.book, ticket, world.now)
    assert ticket.state == HELD


def test_who_has_another_workspace_running_is_told_and_has_the_hold_time(turn):
    world, ticket = turn
    for _ in range(3):
        turns.start_blocked(world.book, ticket, world.now)
    assert world.kinds().count("ticket-held") == 1
    world.pass_time(901)
    assert not world.book.tickets


def test_the_line_survives_a_crash(durable):
    durable.start("ada", count=2)
    tickets = [durable.ask(name) for name in ("bea", "cleo", "dora")]
    durable.crash()
    durable.look()
    assert [entry.ticket_id for entry in durable.book.line.values()] == [ticket.id for ticket in tickets]


def test_a_turn_survives_a_crash_and_its_start_is_asked_for_again(durable):
    durable.start("ada", count=2)
    ticket = durable.ask("bea")
    durable.stop("ada")
    durable.look()
    durable.crash()
    durable.look()
    (todo,) = turns.to_do(durable.book)
    assert (todo.kind, todo.ticket) == ("start", ticket.id)
    assert len(durable.book.claims) == 1


def test_a_broker_that_was_away_does_not_let_a_turn_pass_at_once(durable):
    """Its user may have come meanwhile: the Hub is asked first."""
    durable.start("ada", count=2)
    ticket = durable.ask("bea")
    durable.stop("ada")
    durable.look()
    durable.start("bea")
    turns.server_ready(durable.book, durable.book.tickets[ticket.id], durable.now)
    durable.now += 3600
    durable.crash()
    durable.look()
    assert [todo.kind for todo in turns.to_do(durable.book)] == ["watch"]
    durable.pass_time(70)
    assert [todo.why for todo in turns.to_do(durable.book)] == ["no-show"]


def test_a_container_that_was_to_be_removed_and_runs_after_all_stays(world):
    ada = world.start("ada")
    world.die(ada.id)
    wishes.release(world.book, ada.id, "died", world.now)
    world.pass_time(70, every=10)
    assert [todo.kind for todo in turns.to_do(world.book)] == ["remove"]
    wishes.commit(world.book, ada.id, world.container_of(ada).id, world.now)
    assert not turns.to_do(world.book)


def test_what_is_being_taken_back_is_not_extended(world):
    ada = world.start("ada")
    wishes.end(world.book, ada.id, "", world.now)
    with pytest.raises(Refused, match="being taken back"):
        wishes.extend(world.book, ada.id, 600, world.now)


def test_an_ending_survives_a_crash(durable):
    ada = durable.start("ada")
    wishes.end(durable.book, ada.id, "maintenance", durable.now)
    durable.crash()
    durable.look()
    assert [(todo.kind, todo.user) for todo in turns.to_do(durable.book)] == [("stop", "ada")]


def test_an_admin_moves_a_ticket(world):
    world.start("ada", count=2)
    world.ask("bea")
    cleo = world.ask("cleo")
    wishes.move(world.book, cleo.id, 1, world.now)
    assert next(iter(world.book.line)) == cleo.id


def test_what_this_machine_can_never_give_is_refused(world):
    with pytest.raises(Refused) as refused:
        world.ask("ada", count=3)
    assert (refused.value.status, refused.value.code) == (409, "impossible")
    assert set(refused.value.text) == {"en", "zh"}
    assert not world.book.tickets


def test_who_would_not_wait_is_told_and_has_no_place(world):
    world.start("ada", count=2)
    with pytest.raises(Refused) as refused:
        world.ask("bea", may_wait=False)
    assert refused.value.code == "no-wait"
    assert not world.book.tickets


def test_over_ones_limit_is_refused():
    from jupyterhub_tf29.gpu.scheduler.policy import Limit, Limits, Policy

    world = World(gpus=2, rules=Rules(policy=Policy(limits=Limits(user=Limit(gpus=1)))))
    world.start("ada")
    with pytest.raises(Refused) as refused:
        world.ask("ada", "second")
    assert refused.value.code == "limit"


def test_a_machine_without_gpus_refuses_and_is_well(world):
    empty = World(gpus=0)
    with pytest.raises(Refused) as refused:
        empty.ask("ada", request=Request())
    assert refused.value.code == "impossible"
    assert empty.book.ready
