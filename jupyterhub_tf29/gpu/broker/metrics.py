"""The broker's figures for Prometheus. Labels are bounded: states, causes, kinds, and the first USERS users.

Counters of events begin at 0 with the process, as Prometheus expects; GPU-seconds come from the accounts.
"""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Iterator
from typing import Any, get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from ..scheduler.state import UnitState
from .accounting import usage
from .book import Book
from .records import HELD, OFFERED, WAITING, EventRecord
from .view import device_state

USERS = 200
"""Users with a label of their own; what others used is added up under OTHERS."""

OTHERS = "_others"
ENDINGS = ("lease", "idle", "overrun", "window", "asked", "cancelled", "no-show", "not-started")
WAIT_BUCKETS_S = (1, 10, 60, 300, 900, 1800, 3600, 4 * 3600, 12 * 3600, 86400, 3 * 86400)


class Metrics:
    """Listens to the book's events; `text()` is what a scrape answers."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._registry = CollectorRegistry()
        self._grants = Counter("tf29hub_gpu_grants", "Claims granted", registry=self._registry)
        self._wait = Histogram(
            "tf29hub_gpu_wait_seconds",
            "From pressing Start to the grant",
            buckets=WAIT_BUCKETS_S,
            registry=self._registry,
        )
        self._endings = Counter(
            "tf29hub_gpu_endings", "Servers that were stopped for their GPUs", ["cause"], registry=self._registry
        )
        for cause in ENDINGS:
            self._endings.labels(cause)
        self._quarantines = Counter("tf29hub_gpu_quarantines", "GPUs taken out", registry=self._registry)
        self._lost = Counter("tf29hub_gpu_lost", "GPUs lost by a running container", registry=self._registry)
        self._expired = Counter(
            "tf29hub_gpu_turns_expired", "Turns for which nobody came", registry=self._registry
        )
        self._registry.register(_Now(book))
        book.listeners.append(self._heard)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)

    def _heard(self, event: EventRecord) -> None:
        if event.kind == "grant":
            self._grants.inc()
            self._wait.observe(max(0.0, float(event.detail.get("waited_s", 0.0))))
        elif event.kind == "ending":
            cause = str(event.detail.get("cause"))
            self._endings.labels(cause if cause in ENDINGS else "asked").inc()
        elif event.kind == "device-quarantined":
            self._quarantines.inc()
        elif event.kind == "lost-device":
            self._lost.inc()
        elif event.kind == "ticket-expired":
            self._expired.inc()


class _Now:
    """What is true at the moment of a scrape."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def collect(self) -> Iterator[Any]:
        now, book = time.time(), self._book
        states = Tally(device_state(book, device, now)[0] for device in book.devices.values())
        yield _gauge("tf29hub_gpu_devices", "GPUs and MIG slices by state", "state", get_args(UnitState), states)
        tickets = Tally(ticket.state for ticket in book.tickets.values())
        yield _gauge(
            "tf29hub_gpu_tickets", "Places in the line by state", "state", (WAITING, HELD, OFFERED), tickets
        )
        held = GaugeMetricFamily("tf29hub_gpu_held", "What is held, in units of a whole GPU")
        held.add_metric([], sum(claim.weight for claim in book.claims.values()))
        yield held
        longest = GaugeMetricFamily("tf29hub_gpu_longest_wait_seconds", "How long the oldest ticket has waited")
        longest.add_metric([], max((now - ticket.submitted for ticket in book.waiting()), default=0.0))
        yield longest
        yield self._seconds(now)

    def _seconds(self, now: float) -> Any:
        family = CounterMetricFamily("tf29hub_gpu_seconds", "GPU-seconds held, by user", labels=["user"])
        rows = usage(self._book.store, self._book.claims.values(), now, start=0.0, end=now, by=("user",))
        others = 0.0
        # whoever used most has a label; among so many, those at the end come and go at the bottom only
        for number, row in enumerate(rows):
            if number < USERS:
                family.add_metric([row["user"]], row["gpu_seconds"])
            else:
                others += row["gpu_seconds"]
        family.add_metric([OTHERS], others)
        return family


def _gauge(name: str, words: str, label: str, values: Any, found: Tally[str]) -> Any:
    family = GaugeMetricFamily(name, words, labels=[label])
    for value in values:
        family.add_metric([value], found[value])
    return family
