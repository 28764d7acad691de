"""How each device did over the last days, minute by minute: the highest figures of each minute, in the store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from ..devices import Sample
from .store import MINUTES, Store, put_minutes

MINUTE_S = 60.0
KEPT_S = 7 * 86400.0
MOST_POINTS = 240
"""For each device, whatever the span: what a page can show."""


class Minutes:
    """Collects samples; what is of a minute that is over is written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._minute = 0.0
        self._highest: dict[str, dict[str, Any]] = {}

    def add(self, samples: Iterable[Sample], now: float) -> None:
        minute = now // MINUTE_S * MINUTE_S
        if minute != self._minute:
            self.flush()
            self._minute = minute
        for sample in samples:
            row = self._highest.setdefault(sample.uuid, {"uuid": sample.uuid, "time": minute, "used_mib": 0})
            row["used_mib"] = max(row["used_mib"], sample.used_mib)
            for name in ("utilisation", "temperature"):
                row[name] = _highest(row.get(name), getattr(sample, name))

    def flush(self) -> None:
        """Write what there is; a crash before it loses a minute of a curve."""
        if self._highest:
            self._store.write(statements=[put_minutes(list(self._highest.values()))])
            self._highest = {}

    def prune(self, now: float) -> None:
        self._store.write(statements=[sa.delete(MINUTES).where(MINUTES.c.time < now - KEPT_S)])


def history(store: Store, hours: float, now: float) -> dict[str, list[list[Any]]]:
    """UUID → `[time, used_mib, utilisation, temperature]`, oldest first, at most MOST_POINTS of each device."""
    since = now - hours * 3600
    step = max(MINUTE_S, hours * 3600 / MOST_POINTS)
    buckets: dict[str, dict[int, list[Any]]] = {}
    query = sa.select(MINUTES).where(MINUTES.c.time >= since).order_by(MINUTES.c.time)
    for row in store.rows(query):
        bucket = int((row["time"] - since) // step)
        new = [row["time"], row["used_mib"], row["utilisation"], row["temperature"]]
        old = buckets.setdefault(row["uuid"], {}).setdefault(bucket, new)
        for index in (1, 2, 3):
            old[index] = _highest(old[index], new[index])
    return {uuid: list(points.values())[-MOST_POINTS:] for uuid, points in buckets.items()}


def _highest(one: Any, other: Any) -> Any:
    known = [value for value in (one, other) if value is not None]
    return max(known) if known else None
