"""Shares that are overrun, leases that end, GPUs that idle."""

from __future__ import annotations

from jupyterhub_tf29.gpu.broker import turns, wishes
from jupyterhub_tf29.gpu.broker.records import Ticket
from tests.broker.world import World


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
