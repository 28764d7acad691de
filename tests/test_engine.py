"""Calls are bounded, off the event loop, and slow ones hold up nobody."""

import asyncio
import threading
from collections import defaultdict
from typing import ClassVar

from jupyterhub_tf29.spawner.engine import EngineCalls


class Client:
    """Counts who calls at once; `gate` holds every call until the test opens it."""

    gate = threading.Event()
    lock = threading.Lock()
    reached: ClassVar = defaultdict(threading.Event)
    made = now = most = 0

    def __init__(self):
        with self.lock:
            type(self).made += 1

    def inspect(self, name, upper=False):
        with self.lock:
            type(self).now += 1
            type(self).most = max(self.most, self.now)
            self.reached[self.now].set()
        self.gate.wait(10)
        with self.lock:
            type(self).now -= 1
        return name.upper() if upper else name

    def pull(self, name):
        self.gate.wait(10)
        return name


def fresh():
    return type(
        "Fresh", (Client,), {"gate": threading.Event(), "reached": defaultdict(threading.Event), "made": 0}
    )


async def test_no_more_calls_at_once_than_allowed_and_a_client_for_each_thread():
    client = fresh()
    engine = EngineCalls(client, calls_at_once=3)
    calls = [engine.submit("inspect", f"c{number}", upper=True) for number in range(12)]
    await asyncio.to_thread(client.reached[3].wait, 10)
    client.gate.set()
    assert await asyncio.gather(*calls) == [f"C{number}" for number in range(12)]
    assert client.most == 3
    assert client.made == 3


async def test_a_pull_does_not_hold_up_other_calls():
    client = fresh()
    engine = EngineCalls(client, calls_at_once=1)
    pulls = [engine.submit("pull", f"image{number}") for number in range(5)]
    other = engine.submit("inspect", "c")
    await asyncio.to_thread(client.reached[1].wait, 10)
    client.gate.set()
    assert await asyncio.wait_for(other, 5) == "c"
    assert await asyncio.gather(*pulls) == [f"image{number}" for number in range(5)]


async def test_an_error_of_the_engine_reaches_the_caller():
    class Down:
        def __init__(self):
            raise ConnectionRefusedError("no engine")

    engine = EngineCalls(Down, calls_at_once=1)
    for _ in range(2):  # and it is tried anew each time
        try:
            await engine.submit("ping")
        except ConnectionRefusedError as error:
            assert "no engine" in str(error)  # noqa: PT017
        else:
            raise AssertionError("the error was lost")
