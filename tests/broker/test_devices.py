"""What troubles a card, and who may have it then."""

from __future__ import annotations

from jupyterhub_tf29.gpu.broker import lookout, wishes
from jupyterhub_tf29.gpu.broker.records import ALLOCATED, HELD, Ticket
from jupyterhub_tf29.gpu.devices import Trouble


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
