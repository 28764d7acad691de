"""The broker's claims, from the grant to the free GPU, whatever happens in between."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jupyterhub_tf29.gpu.broker import truth, turns, wishes
from jupyterhub_tf29.gpu.broker.records import ALLOCATED, DRAINING, Ticket
from jupyterhub_tf29.gpu.broker.wishes import Refused
from tests.broker.world import World


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
