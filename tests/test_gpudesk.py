"""The Hub's way to the broker: bounded where a page waits, patient where something is to be given back."""

import asyncio
import json
import logging
import time

import pytest

from jupyterhub_tf29.gpu.client import BrokerUnavailable
from jupyterhub_tf29.profiles import Gpu
from jupyterhub_tf29.settings import Paths, Settings
from jupyterhub_tf29.spawner import gpudesk
from jupyterhub_tf29.spawner.gpudesk import GpuDesk, is_for_user
from tests.brokerlike import BrokerLike

ADA = ("ada", "")
ONE = {"uuid": "GPU-1"}


@pytest.fixture
def make_desk(tmp_path, monkeypatch):
    monkeypatch.setattr(gpudesk, "RETRY_AFTER", 0.02)
    desks = []

    def make(managed="auto"):
        paths = Paths(config=tmp_path, state=tmp_path, logs=tmp_path)
        desk = GpuDesk(Settings.model_validate({"gpu": {"managed": managed}}), paths, logging.getLogger("test"))
        desks.append(desk)
        return desk

    yield make
    for desk in desks:
        for task in desk._tasks:
            task.cancel()


@pytest.fixture
async def broker(tmp_path):
    async with BrokerLike(tmp_path / "broker.sock") as broker:
        broker.answers["GET /v1/devices"] = {"devices": [{"uuid": "GPU-1"}]}
        broker.answers["POST /v1/forecast"] = {"gpu": {"free": 1}}
        broker.answers["GET /v1/tickets"] = {"tickets": []}
        yield broker


async def settled(condition):
    async def wait():
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    await asyncio.wait_for(wait(), 5)


@pytest.mark.parametrize(
    ("managed", "devices", "known"),
    [("auto", [ONE], True), ("auto", [], False), (True, [], True), (False, [ONE], False)],
    ids=["auto, some", "auto, none", "yes", "no"],
)
async def test_whether_gpus_are_handed_out(broker, make_desk, managed, devices, known):
    broker.answers["GET /v1/devices"] = {"devices": devices}
    assert await make_desk(managed).managed() is known


async def test_nobody_knows_while_the_broker_was_never_heard(make_desk):
    assert await make_desk().managed() is None


async def test_what_is_known_stays_known_while_the_broker_is_away(broker, make_desk, monkeypatch):
    monkeypatch.setattr(gpudesk, "LOOK_AGAIN_AFTER", 0)
    desk = make_desk()
    assert await desk.managed() is True
    broker.answers["GET /v1/devices"] = 500
    assert await desk.managed() is True
    assert broker.asked.count("GET /v1/devices") == 2


async def test_a_hanging_broker_is_not_asked_by_everybody(broker, make_desk, monkeypatch):
    monkeypatch.setattr(gpudesk, "RETRY_AFTER", 60)
    monkeypatch.setattr(gpudesk, "PAGE_WAITS", 0.05)
    broker.delay = 30
    desk = make_desk()
    assert [await desk.managed() for _ in range(3)] == [None, None, None]
    assert broker.asked == ["GET /v1/devices"]


async def test_a_page_waits_for_a_hanging_broker_only_so_long(broker, make_desk, monkeypatch):
    monkeypatch.setattr(gpudesk, "PAGE_WAITS", 0.05)
    broker.delay = 30
    desk = make_desk()
    answers = asyncio.gather(desk.managed(), desk.forecast(ADA, [], {"gpu": Gpu()}), desk.tickets("ada"))
    assert await asyncio.wait_for(answers, 5) == [None, {}, None]


async def test_a_claim_goes_back_as_soon_as_the_broker_answers(broker, make_desk):
    desk = make_desk()
    broker.answers["DELETE /v1/claims/c1"] = 503
    desk.give_back(ADA, "c1", "stopped")
    await settled(lambda: broker.asked.count("DELETE /v1/claims/c1") > 2)
    broker.answers["DELETE /v1/claims/c1"] = {}
    await desk.given_back(ADA)
    asked = len(broker.asked)
    await desk.given_back(ADA)
    assert len(broker.asked) == asked


async def test_a_start_does_not_wait_for_ever_for_the_claim_before_it(make_desk, monkeypatch):
    monkeypatch.setattr(gpudesk, "RETURN_WITHIN", 0.05)
    desk = make_desk()
    desk.give_back(ADA, "c1", "stopped")
    with pytest.raises(BrokerUnavailable, match="could not be given back yet"):
        await desk.given_back(ADA)
    await desk.given_back(("bea", ""))


class Heard:
    def __init__(self):
        self.events = []

    async def on_gpu_event(self, event):
        self.events.append(event["id"])


def event(number, kind="warn-lease", user="ada", level="warning", **more):
    said = {"kind": kind, "user": user, "server": "", "level": level, "text": {"en": "Soon.", "zh": "很快。"}}
    return {"id": number, "time": 0, **said, **more}


class Stream:
    """`client.events`, from a list that a test fills; a None in it breaks the stream."""

    def __init__(self):
        self.queue, self.after = asyncio.Queue(), []

    def say(self, *events):
        for one in events:
            self.queue.put_nowait(one)

    async def __call__(self, after=None):
        self.after.append(after)
        while True:
            one = await self.queue.get()
            if one is None:
                raise BrokerUnavailable("gone")
            yield json.loads(json.dumps(one))


async def test_events_reach_the_server_they_are_about_once_and_over_restarts(make_desk):
    desk, stream, ada = make_desk(), Stream(), Heard()
    desk.client.events = stream
    desk.join(ADA, ada)
    desk.listen()
    stream.say(event(1), event(2, user="bea"), None, event(3), event(4, kind="grant", level="info"))
    await settled(lambda: ada.events == [1, 3])
    await settled(lambda: desk._heard._last == 4)
    assert stream.after == [None, 2]
    restarted, again = make_desk(), Stream()
    restarted.client.events = again
    restarted.listen()
    await settled(lambda: again.after == [4])


async def test_of_a_broker_with_another_book_only_what_is_new_is_told(make_desk):
    desk, stream, ada = make_desk(), Stream(), Heard()
    desk.client.events = stream
    desk.join(ADA, ada)
    desk.listen()
    stream.say(event(5000), None, event(4001), event(4002, time=time.time()), None, event(4003))
    await settled(lambda: ada.events == [5000, 4002, 4003])
    assert stream.after == [None, 5000, 4002]


async def test_what_was_said_before_the_hub_knew_the_server_is_told_when_it_does(make_desk):
    desk, stream, ada = make_desk(), Stream(), Heard()
    desk.client.events = stream
    desk.listen()
    stream.say(event(1), event(2, user="bea"))
    await settled(lambda: desk._heard._last == 2)
    desk.join(ADA, ada)
    await settled(lambda: ada.events == [1])


@pytest.mark.parametrize(
    ("kind", "level", "told"),
    [
        ("warn-idle", "warning", True),
        ("lost-device", "error", True),
        ("grant", "info", False),
        ("ticket-held", "info", True),
        ("ticket-new", "info", False),
    ],
)
def test_which_events_become_notices(kind, level, told):
    assert is_for_user(event(1, kind=kind, level=level)) is told


def test_events_about_a_card_alone_are_for_admins():
    assert not is_for_user({"id": 1, "kind": "device-quarantined", "level": "error", "text": {"en": "x"}})
