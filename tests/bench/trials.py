"""What is tried with a hub: one start, and many at the same second."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import requests

from jupyterhub_tf29.visitor import VisitFailed

from . import meters
from .contender import Contender, main_process
from .person import Person, StartFailed

SETTLE_S = 3.0
"""After Lab answered: whatever a server put off until then counts, too."""


def single_start(hub: Contender, user: str) -> dict[str, Any]:
    """One start of a new user's server: its times, its CPU seconds until it is idle, its memory. Then the stop."""
    with closing(Person(hub, user)) as person:
        return _single_start(hub, person)


def _single_start(hub: Contender, person: Person) -> dict[str, Any]:
    hub_before = hub.cpu_s()
    result: dict[str, Any] = {"who": hub.title, "lab_s": person.click()}
    pid = main_process(hub.server(person.username))
    result["cpu_at_lab_s"] = meters.container_cpu_s(pid)
    time.sleep(SETTLE_S)
    result["cpu_container_s"] = meters.container_cpu_s(pid)
    result["cpu_hub_s"] = hub.cpu_s() - hub_before
    result["memory_bytes"] = meters.container_memory(pid)
    result["stop_s"] = person.leave()
    return result


def single_cell(hub: Contender, user: str) -> dict[str, Any]:
    """One start of a new user's server, and the first cell at once."""
    with closing(Person(hub, user)) as person:
        began = time.monotonic()
        result: dict[str, Any] = {"who": hub.title, "lab_s": person.click()}
        person.first_cell()
        result["cell_s"] = time.monotonic() - began
        result["stop_s"] = person.leave()
        return result


def burst(hub: Contender, size: int, timeouts: str) -> dict[str, Any]:
    """`size` people press Start at the same second. Nothing of theirs runs afterwards."""
    people = [Person(hub, f"burst{size}-{number:02}") for number in range(size)]
    together = threading.Barrier(size + 1)
    hub_before = hub.cpu_s()

    def press(person: Person) -> float | str:
        together.wait()
        try:
            return person.click()
        except StartFailed as error:
            return str(error)

    with ExitStack() as stack:
        # a kept connection would hold up the proxy's end
        for person in people:
            stack.callback(person.close)
        pool = ThreadPoolExecutor(size, thread_name_prefix="person")
        # without waiting: where the run is ended halfway, the end of the hub ends their requests
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        answers = [pool.submit(press, person) for person in people]
        together.wait()
        began = time.monotonic()
        results = [answer.result() for answer in answers]
        wall_s = time.monotonic() - began
        time.sleep(SETTLE_S)
        pids = [main_process(server) for server in hub.servers()]
        times = [one for one in results if isinstance(one, float)]
        found = {
            "who": hub.title,
            "size": size,
            "timeouts": timeouts,
            "wall_s": wall_s,
            "lab_s": sorted(times),
            "failures": [one for one in results if isinstance(one, str)],
            "cpu_containers_s": sum(meters.container_cpu_s(pid) for pid in pids),
            "cpu_hub_s": hub.cpu_s() - hub_before,
            "memory_bytes": [meters.container_memory(pid) for pid in pids],
        }
        stopping = time.monotonic()
        list(pool.map(_leave, people))
        found["stop_all_s"] = time.monotonic() - stopping
    return found


def _leave(person: Person) -> None:
    try:
        person.leave()
    except (VisitFailed, requests.RequestException):
        return  # what did not start cannot be stopped; what is left goes with the hub
