"""The broker's book: claims from the grant to the free GPU, whatever happens in between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jupyterhub_tf29.gpu.broker import lookout, truth, turns, wishes
from jupyterhub_tf29.gpu.broker.records import ALLOCATED, DRAINING, HELD, OFFERED, RESERVED, Claim, Ticket
from jupyterhub_tf29.gpu.broker.rules import Rules
from jupyterhub_tf29.gpu.broker.wishes import Refused
from jupyterhub_tf29.gpu.devices import Trouble
from jupyterhub_tf29.gpu.request import Request
from tests.broker.world import START, World


@pytest.fixture
def world() -> World:
    return World(gpus=2)


@pytest.fixture
def durable(tmp_path: Path) -> World:
    return World(gpus=2, path=tmp_path / "broker.sqlite")


def test_two_users_get_different_gpus_and_a_third_waits(world):
    ada, bea = world.start("ada"), world.start("bea")
    assert set(ada.uuids) | set(bea.uuids) == {"GPU-0", "GPU-1"}
    waiting = world.ask("cleo")
    assert isinstance(waiting, Ticket)
    assert world.book.line[waiting.id].place == 1


def test_pressing_start_again_answers_the_same(world):
    claim = world.ask("ada")
    assert world.ask("ada") is claim
    world.start("bea")
    ticket = world.ask("cleo")
    assert world.ask("cleo") is ticket
    assert len(world.book.tickets) == 1


def test_another_request_replaces_the_place_in_the_line(world):
    world.start("ada"), world.start("bea")
    first = world.ask("cleo")
    world.ask("dora")
    second = world.ask("cleo", count=2)
    assert second.id != first.id
    assert [entry.ticket_id for entry in world.book.line.values()][-1] == second.id
    assert len(world.book.tickets) == 2


def test_what_was_given_back_is_free_when_engine_and_driver_say_so(world):
    ada = world.start("ada")
    world.compute(ada)
    world.remove(ada.id, leave_processes=True)
    wishes.release(world.book, ada.id, "stopped", world.now)
    assert world.state(ada.uuids[0]) == "draining"
    world.look()
    assert world.book.claims[ada.id].state == DRAINING, "its process is still there"
    world.used.clear()
    world.look()
    assert ada.id not in world.book.claims
    assert world.state(ada.uuids[0]) == "free"


def test_a_look_that_began_before_the_release_frees_nothing(world):
    ada = world.start("ada")
    listing = list(world.containers.values())
    world.remove(ada.id)
    before = world.now
    world.now += 1
    wishes.release(world.book, ada.id, "stopped", world.now)
    truth.listed(world.book, [], before, world.now)
    truth.settle(world.book, world.now)
    assert world.book.claims[ada.id].state == DRAINING
    truth.listed(world.book, listing, before, world.now)
    assert world.book.claims[ada.id].state == DRAINING, "nor does an old one bring the claim back"


def test_a_gpu_that_does_not_become_free_in_time_is_quarantined_with_the_reason(world):
    ada = world.start("ada")
    world.compute(ada)
    world.remove(ada.id, leave_processes=True)
    wishes.release(world.book, ada.id, "stopped", world.now)
    world.pass_time(120, every=10)
    uuid = ada.uuids[0]
    assert world.state(uuid) == "quarantined"
    assert "did not become free within 60 s: a process of the container" in world.book.devices[uuid].quarantined
    world.used.clear()
    world.look()
    assert world.state(uuid) == "quarantined", "an admin has to look"
    wishes.bring_back(world.book, uuid, world.now)
    assert world.state(uuid) == "free"


def test_memory_that_nobody_can_be_named_for_is_not_free(world, monkeypatch):
    """A process that dies at this moment is listed without an owner, or not at all."""
    ada = world.start("ada")
    world.stop("ada")
    whole = world._sample

    def full(card):
        return replace(whole(card), used_mib=5000)

    monkeypatch.setattr(world, "_sample", full)
    world.look()
    assert world.state(ada.uuids[0]) == "draining"
    monkeypatch.undo()
    world.look()
    assert world.state(ada.uuids[0]) == "free"


def test_a_stopped_container_is_a_claim_until_it_is_removed(world):
    ada = world.start("ada")
    world.die(ada.id)
    world.pass_time(3600)
    assert world.book.claims[ada.id].state == ALLOCATED
    world.remove(ada.id)
    world.look()
    world.look()
    assert ada.id not in world.book.claims


def test_what_the_hub_gave_back_and_nobody_removed_is_removed(world):
    ada = world.start("ada")
    world.die(ada.id)
    wishes.release(world.book, ada.id, "died", world.now)
    world.look()
    assert not world.book.intruders
    world.pass_time(61, every=10)
    container = world.container_of(ada)
    assert [todo.container for todo in turns.to_do(world.book)] == [container.id]
    world.pass_time(120, every=10)
    assert world.state(ada.uuids[0]) == "quarantined"
    assert ada.id in world.book.claims, "while its container is there it holds its GPU"


def test_a_container_that_runs_after_all_holds_its_gpus_again(world):
    ada = world.start("ada")
    wishes.release(world.book, ada.id, "stopped", world.now)
    world.look()
    assert world.book.claims[ada.id].state == ALLOCATED


def test_a_claim_whose_container_never_came_is_given_back_after_a_bound(world):
    claim = world.ask("ada")
    world.pass_time(700)
    assert world.ask("ada") is claim, "asked for again: the bound begins anew"
    world.pass_time(700)
    assert claim.id in world.book.claims
    world.pass_time(120)
    assert claim.id not in world.book.claims
    with pytest.raises(Refused) as refused:
        wishes.commit(world.book, claim.id, "c" * 64, world.now)
    assert (refused.value.status, refused.value.code) == (404, "unknown")


def test_a_container_that_comes_too_late_for_its_gpu_is_removed(world):
    late = world.ask("ada", count=2)
    world.pass_time(900)
    assert late.id not in world.book.claims
    world.start("bea")
    world.create(late)
    world.look()
    (todo,) = turns.to_do(world.book)
    assert (todo.kind, todo.container) == ("remove", world.container_of(late).id)
    assert "is held by claim" in todo.why
    assert [claim.user for claim in world.book.claims.values()] == ["bea"]


def test_a_container_whose_hub_died_before_it_said_so_is_found(world):
    claim = world.ask("ada")
    world.create(claim)
    world.look()
    assert world.book.claims[claim.id].state == ALLOCATED
    assert world.book.claims[claim.id].container_id == world.container_of(claim).id


def test_everything_is_found_again_after_a_crash(durable):
    ada, ticket = durable.start("ada", count=2), durable.ask("bea")
    durable.crash()
    with pytest.raises(Refused) as refused:
        durable.ask("cleo")
    assert refused.value.status == 503, "before engine and driver were asked nothing is granted"
    durable.look()
    assert vars(durable.book.claims[ada.id]) == vars(ada)
    assert isinstance(durable.ask("bea"), Ticket)
    assert list(durable.book.tickets) == [ticket.id]


def test_without_its_store_the_broker_finds_what_runs_by_the_labels(world):
    ada = world.start("ada", share_mib=8000)
    world.start("bea")
    fresh = World(gpus=2)
    fresh.containers = world.containers
    fresh.look()
    found = fresh.book.claims[ada.id]
    assert (found.user, found.uuids, found.mib, found.state) == ("ada", ada.uuids, 8000, ALLOCATED)
    assert found.lease_end == ada.lease_end
    assert isinstance(fresh.ask("cleo"), Ticket)


def test_a_container_that_vanished_gives_its_gpus_back(world):
    ada = world.start("ada")
    world.remove(ada.id)
    world.look()
    world.look()
    assert ada.id not in world.book.claims
    assert "ended" in world.kinds()


def test_an_engine_that_does_not_answer_ends_nothing(world):
    ada = world.start("ada")
    world.engine_answers = False
    world.containers.clear()
    world.pass_time(3600)
    assert world.book.claims[ada.id].state == ALLOCATED
    wishes.release(world.book, ada.id, "stopped", world.now)
    world.pass_time(3600)
    assert world.book.claims[ada.id].state == DRAINING
    assert world.state(ada.uuids[0]) != "quarantined", "nothing speaks against the GPU"
    world.engine_answers = True
    world.look()
    assert ada.id not in world.book.claims


# -- devices ---------------------------------------------------------------------------------------------------


def test_a_stranger_keeps_a_gpu_from_being_given(world):
    world.cards["GPU-0"].strangers = [4711]
    world.look()
    assert world.state("GPU-0") == "foreign"
    assert world.start("ada").uuids == ["GPU-1"]
    assert isinstance(world.ask("bea"), Ticket)
    world.cards["GPU-0"].strangers = []
    world.look()
    assert world.book.ticket_of("bea", "").state == HELD


def test_a_container_on_a_gpu_that_it_was_not_given_is_a_stranger(world):
    ada = world.start("ada")
    other = ({"GPU-0", "GPU-1"} - set(ada.uuids)).pop()
    world.used[(ada.container_id, other)] = 100
    world.look()
    assert world.state(other) == "foreign"


def test_a_missing_gpu_is_given_to_nobody_and_its_holder_is_told(world):
    ada = world.start("ada")
    world.cards[ada.uuids[0]].there = False
    world.look()
    assert world.state(ada.uuids[0]) == "missing"
    assert {"device-missing", "lost-device"} <= set(world.kinds())
    world.stop("ada")
    world.look()
    assert world.start("ada").uuids != ada.uuids
    world.cards[ada.uuids[0]].there = True
    world.look()
    assert world.state(ada.uuids[0]) == "free"


def test_a_card_that_hangs_is_given_to_nobody(world):
    world.cards["GPU-1"].answers = False
    world.pass_time(120)
    assert world.state("GPU-1") == "missing"
    world.start("ada")
    assert isinstance(world.ask("bea"), Ticket)


def test_a_missing_gpu_can_be_struck_off_the_list(world):
    world.cards["GPU-1"].there = False
    world.look()
    wishes.bring_back(world.book, "GPU-1", world.now)
    assert list(world.book.devices) == ["GPU-0"]


def test_a_fault_takes_a_gpu_out_of_service_until_an_admin_returns_it(durable):
    ada = durable.start("ada")
    uuid = ada.uuids[0]
    durable.troubles = [Trouble(uuid, "xid", 79, "XID 79: the GPU has fallen off the bus", quarantine=True)]
    durable.look()
    assert durable.state(uuid) == "quarantined"
    assert durable.book.claims[ada.id].state == ALLOCATED, "its server is its user's to stop"
    durable.stop("ada")
    durable.look()
    durable.crash()
    durable.look()
    assert durable.state(uuid) == "quarantined"
    assert durable.start("bea").uuids != [uuid]
    wishes.bring_back(durable.book, uuid, durable.now)
    assert durable.start("cleo").uuids == [uuid]


def test_a_trouble_that_lasts_is_not_told_at_every_look(world):
    for _ in range(5):
        world.troubles = [Trouble("GPU-0", "xid", 13, "XID 13", quarantine=False)]
        world.look()
    assert world.kinds().count("device-trouble") == 1
    assert world.state("GPU-0") == "free"


def test_a_drained_gpu_keeps_who_is_on_it_and_takes_nobody_new(world):
    ada = world.start("ada")
    wishes.drain(world.book, ada.uuids[0], "a new fan", world.now)
    world.look()
    assert world.state(ada.uuids[0]) == "draining"
    assert world.book.claims[ada.id].state == ALLOCATED
    world.stop("ada")
    world.look()
    world.start("bea")
    assert isinstance(world.ask("cleo"), Ticket)


def test_devices_lost_inside_a_container_are_told_once(world):
    ada = world.start("ada")
    for _ in range(3):
        lookout.lost(world.book, ada, ada.uuids, world.now)
    assert world.kinds().count("lost-device") == 1


# -- shares ----------------------------------------------------------------------------------------------------


def test_shares_of_one_gpu_never_add_up_to_more_than_is_usable():
    world = World(gpus=1)
    usable = world.book.devices["GPU-0"].usable_mib
    world.start("ada", share_mib=usable // 2)
    world.start("bea", share_mib=usable - usable // 2)
    assert isinstance(world.ask("cleo", share_mib=1), Ticket)
    assert isinstance(world.ask("dora"), Ticket), "nor is it given whole"


def test_a_share_that_is_overrun_is_warned_then_stopped():
    world = World(gpus=1)
    ada = world.start("ada", share_mib=8000)
    world.compute(ada, 8060)
    world.look()
    assert not world.book.claims[ada.id].over_since, "within the tolerance"
    world.compute(ada, 9000)
    world.look()
    assert "warn-share" in world.kinds()
    world.look()
    assert world.kinds().count("warn-share") == 1
    assert not turns.to_do(world.book)
    world.pass_time(130)
    (todo,) = turns.to_do(world.book)
    assert (todo.kind, todo.user, todo.why) == ("stop", "ada", "overrun")


def test_who_gives_the_surplus_back_is_not_stopped():
    world = World(gpus=1)
    ada = world.start("ada", share_mib=8000)
    world.compute(ada, 9000)
    world.look()
    world.compute(ada, 7000)
    world.pass_time(600)
    assert not turns.to_do(world.book)


# -- leases and idleness ---------------------------------------------------------------------------------------


def test_a_lease_ends_after_its_notices(world):
    ada = world.start("ada", lease_s=3600)
    for card in world.cards.values():
        card.utilisation = 90
    world.pass_time(3000)
    assert "warn-lease" in world.kinds()
    assert not turns.to_do(world.book)
    world.pass_time(700)
    assert [todo.why for todo in turns.to_do(world.book)] == ["lease"]
    world.stop("ada")
    world.look()
    assert not turns.to_do(world.book)
    assert ada.id not in world.book.claims


def test_an_extended_lease_goes_on(world):
    ada = world.start("ada", lease_s=3600)
    world.cards["GPU-0"].utilisation = world.cards["GPU-1"].utilisation = 90
    world.pass_time(3000)
    before = ada.lease_end
    claim = wishes.extend(world.book, ada.id, 7200, world.now)
    assert claim.lease_end == before + 7200
    world.pass_time(3600)
    assert not turns.to_do(world.book)


def test_an_idle_gpu_is_warned_and_taken_back(world):
    world.start("ada")
    world.pass_time(31 * 60)
    assert world.kinds().count("warn-idle") == 1
    world.pass_time(95 * 60)
    assert [todo.why for todo in turns.to_do(world.book)] == ["idle"]


def test_a_busy_kernel_is_not_idle(world):
    ada = world.start("ada")
    world.book.busy_kernels = {ada.id: True}
    world.pass_time(4 * 3600)
    assert not turns.to_do(world.book)


def test_what_others_do_on_a_shared_gpu_does_not_make_an_empty_one_busy():
    world = World(gpus=1)
    ada, bea = world.start("ada", share_mib=8000), world.start("bea", share_mib=8000)
    world.compute(bea)
    world.cards["GPU-0"].utilisation = 80
    world.pass_time(31 * 60)
    assert world.book.verdicts == {ada.id: "idle", bea.id: "busy"}


# -- the line --------------------------------------------------------------------------------------------------


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


# -- the book itself -------------------------------------------------------------------------------------------


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
