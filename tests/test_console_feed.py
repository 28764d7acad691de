"""One subscription for everybody, against a broker on a real socket that goes and comes back."""

import asyncio
import contextlib

import pytest

from jupyterhub_tf29.console import feed as module
from jupyterhub_tf29.console.feed import Feed
from jupyterhub_tf29.gpu.client import BrokerClient, BrokerUnavailable
from tests.console_broker import BrokerStandIn

PATIENCE_S = 20


@pytest.fixture
def broker(tmp_path):
    stand_in = BrokerStandIn(tmp_path / "broker.sock")
    stand_in.card(0)
    yield stand_in
    stand_in.stop()


@pytest.fixture
async def feed(broker, monkeypatch):
    # tests are about what follows what, so nothing here waits for its turn
    monkeypatch.setattr(module, "RETRY_S", (0.05,))
    monkeypatch.setattr(module, "SETTLE_S", 0.01)
    client = BrokerClient(broker.socket)
    feed = Feed(client)
    running = asyncio.create_task(feed.run())
    yield feed
    feed.close()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await client.close()


async def until(feed, condition):
    """The first snapshot for which that holds."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while not condition(feed.snapshot):
        assert asyncio.get_running_loop().time() < deadline, f"last seen: {feed.snapshot}"
        await feed.after(feed.snapshot.version, 0.5)
    return feed.snapshot


async def test_a_page_is_answered_while_no_broker_runs_and_says_so(feed):
    snapshot = await feed.current()
    assert not snapshot.reachable
    assert not snapshot.known
    assert snapshot.devices == []


async def test_what_happens_is_there_without_being_asked_for(broker, feed):
    broker.start()
    await until(feed, lambda now: now.reachable)
    broker.wait("wang")
    broker.tell("ticket-new", user="wang")
    snapshot = await until(feed, lambda now: now.tickets)
    assert snapshot.ticket(snapshot.tickets[0]["id"])["user"] == "wang"
    assert snapshot.ticket("another") is None


async def test_a_broker_that_goes_leaves_what_was_known_and_is_found_again(broker, feed):
    broker.start()
    before = await until(feed, lambda now: now.reachable)
    broker.stop()
    gone = await until(feed, lambda now: not now.reachable)
    assert gone.devices == before.devices
    assert gone.time == before.time
    broker.hold(broker.inventory["devices"][0], "lin")
    broker.start()
    back = await until(feed, lambda now: now.reachable)
    assert [claim["user"] for claim in back.claims] == ["lin"]


async def test_many_that_ask_at_once_cost_the_broker_one_look(broker, feed, monkeypatch):
    broker.start()
    await until(feed, lambda now: now.reachable)
    looks = 0
    ask = feed.broker.devices

    async def count():
        nonlocal looks
        looks += 1
        return await ask()

    monkeypatch.setattr(feed.broker, "devices", count)
    await asyncio.gather(*(feed.refresh() for _ in range(50)))
    assert 1 <= looks <= 2, "those who came while one looked share the next look"


async def test_many_that_ask_a_broker_that_hangs_do_not_queue_up(broker, feed, monkeypatch):
    broker.start()
    await until(feed, lambda now: now.reachable)
    looks, let_go = 0, asyncio.Event()

    async def hang():
        nonlocal looks
        looks += 1
        await let_go.wait()
        raise BrokerUnavailable("time is up")

    monkeypatch.setattr(feed.broker, "devices", hang)
    asking = [asyncio.create_task(feed.refresh()) for _ in range(50)]
    while not looks:  # noqa: ASYNC110  (a turn of the loop, no waiting)
        await asyncio.sleep(0)
    let_go.set()
    await asyncio.wait_for(asyncio.gather(*asking), PATIENCE_S)
    assert looks <= 2


async def test_nothing_new_is_no_new_version(broker, feed):
    broker.start()
    before = await until(feed, lambda now: now.reachable)
    await feed.refresh()
    assert feed.snapshot.version == before.version
    assert feed.snapshot.time > before.time


async def test_events_come_once_and_in_order_also_over_a_restart(broker, feed):
    told = [broker.tell("grant", user="lin")]
    broker.start()
    heard = []

    async def listen():
        async for event in feed.events(0, silence_s=PATIENCE_S):
            heard.append(event)
            if len(heard) == 4:
                return

    listening = asyncio.create_task(listen())
    await until(feed, lambda now: now.reachable)
    told.append(broker.tell("grant", user="wang"))
    broker.stop()
    await until(feed, lambda now: not now.reachable)
    told.append(broker.tell("ended", user="lin"))
    broker.start()
    told.append(broker.tell("ended", user="wang"))
    await asyncio.wait_for(listening, PATIENCE_S)
    assert heard == told


async def test_a_broker_that_comes_back_with_another_book_is_heard_from_its_first_event(broker, feed):
    broker.tell("grant", user="lin", id=5000)
    broker.start()
    await until(feed, lambda now: now.reachable)
    heard = []

    async def listen():
        async for event in feed.events(0, silence_s=PATIENCE_S):
            heard.append(event["user"])
            if len(heard) == 3:
                return

    listening = asyncio.create_task(listen())
    broker.stop()
    await until(feed, lambda now: not now.reachable)
    broker.events.clear()
    broker.tell("grant", user="wang", id=1)
    broker.start()
    await until(feed, lambda now: now.reachable)
    broker.tell("ended", user="wang", id=2)
    await asyncio.wait_for(listening, PATIENCE_S)
    assert heard == ["lin", "wang", "wang"]


async def test_events_from_now_on_leave_out_the_past_and_silence_is_told(broker, feed):
    past = broker.tell("grant", user="lin")
    broker.start()
    await until(feed, lambda now: now.reachable)
    async for event in feed.events(0, silence_s=PATIENCE_S):
        assert event == past
        break
    async for event in feed.events(None, silence_s=0.05):
        assert event is None
        break


async def test_whoever_waits_is_let_go_at_the_end(broker, feed):
    waiting = asyncio.create_task(feed.after(feed.snapshot.version + 0, 3600))
    await asyncio.sleep(0)
    feed.close()
    await asyncio.wait_for(waiting, PATIENCE_S)
    assert [event async for event in feed.events(0, silence_s=3600)] == []
