"""How fast the scheduler decides, from the size of a department to far beyond one machine.

Each decision is one `decide()` of another state: between two, somebody presses Start, a lease ends, or only time
passes, and what was decided is applied; the line is kept as long as it is said to be. Only `decide()` is timed,
in CPU time (it waits for nothing), with Python's garbage collector at work as in the broker.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import random
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from jupyterhub_tf29.gpu.request import Request
from jupyterhub_tf29.gpu.scheduler.decide import decide
from jupyterhub_tf29.gpu.scheduler.decisions import Decisions
from jupyterhub_tf29.gpu.scheduler.policy import FairShare, Limit, Limits, Policy
from jupyterhub_tf29.gpu.scheduler.state import Holding, State, Ticket, Use, Window

from .department import HOUR, LEASES_S, MONDAY, WISHES, machine

SIZES = ((16, 200), (64, 1_250), (256, 5_000), (1024, 20_000))
"""GPUs and waiting: both grow by the same factor, about, from one to the next."""

EVERY_RULE = Policy(
    fair=FairShare(group_weights={"group-0": 2.0, "group-1": 1.0, "group-2": 1.0}),
    limits=Limits(user=Limit(gpus=8, gpu_hours=2000), groups={"group-1": Limit(gpus=4096)}),
)
IN_A_ROW = 100
"""The best of so many decisions one after the other says what the machine can when nothing else runs on it."""

WEEKDAYS = (0, 1, 2, 3, 4)


def main() -> int:
    args = _arguments()
    sizes = SIZES[:2] if args.quick else SIZES
    result: dict[str, Any] = {"machine": _machine(), "sizes": []}
    for gpus, waiting in sizes:
        count = args.decisions or max(40, 400_000 // waiting)
        row = {"gpus": gpus, "waiting": waiting, **measured(gpus, waiting, count, every_rule=False)}
        row["every_rule"] = measured(gpus, waiting, max(5, count // 4), every_rule=True)
        result["sizes"].append(row)
        print(line(row), flush=True)
    first, last = result["sizes"][0], result["sizes"][-1]
    result["growth"] = growth(first, last)
    print(
        f"from {first['waiting']} to {last['waiting']} waiting: {result['growth']['measured']:.0f} times the "
        f"time; n log n would be {result['growth']['n_log_n']:.0f} times, "
        f"n² {result['growth']['n_squared']:.0f} times"
    )
    if args.json:
        path = Path(os.environ.get("TF29HUB_BENCH_FROM", ".")) / args.json
        path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0


def measured(gpus: int, waiting: int, count: int, every_rule: bool) -> dict[str, float]:
    """Of `count` decisions; times in milliseconds."""
    scene = Scene(gpus, waiting, every_rule)
    scene.decide()  # the first is of a machine that nobody had looked at
    taken = [scene.decide() for _ in range(count)]
    ordered = sorted(taken)
    rows = [taken[first : first + IN_A_ROW] for first in range(0, count - IN_A_ROW + 1, IN_A_ROW)] or [taken]
    return {
        "decisions": count,
        "per_second": round(count / sum(taken), 1),
        "per_second_best": round(max(len(row) / sum(row) for row in rows), 1),
        "median_ms": round(statistics.median(taken) * 1e3, 3),
        "p99_ms": round(ordered[min(count - 1, math.ceil(count * 0.99) - 1)] * 1e3, 3),
        "grants": scene.granted,
    }


class Scene:
    """A full machine and a long line, one event after another."""

    def __init__(self, gpus: int, waiting: int, every_rule: bool) -> None:
        self.dice = random.Random(gpus)
        self.now = MONDAY + 9 * HOUR
        self.waiting = waiting
        self.units, self.links = machine(gpus)
        self.policy, self.windows = Policy(), ()
        self.every_rule = every_rule
        if every_rule:
            self.policy = EVERY_RULE
            self.windows = tuple(
                Window(f"class-{n}", f"group-{n}", max(1, gpus // 8), WEEKDAYS, f"{13 + n}:00", 5400, "UTC")
                for n in range(3)
            )
        self.numbers = self.granted = 0
        self.users = [f"user-{number}" for number in range(waiting)]
        dice = self.dice
        self.uses = {
            user: Use(user, self._groups(user), dice.random() * 1e6, self.now - 60) for user in self.users
        }
        self.holdings: dict[str, Holding] = {}
        for unit in self.units:
            user, since, end = (
                dice.choice(self.users),
                self.now - dice.random() * 6 * HOUR,
                dice.random() * 8 * HOUR,
            )
            claim_id = self._new("claim")
            self.holdings[claim_id] = Holding(
                claim_id, user, self._groups(user), (unit.uuid,), None, since, self.now + 60 + end, 1.0
            )
        self.tickets: dict[str, Ticket] = {}
        for number in range(waiting):
            self._arrive(self.now - (waiting - number) * 86400.0 / waiting)

    def decide(self) -> float:
        """The next event, and the seconds that its decision took."""
        self._happen()
        state = State(
            self.units, tuple(self.holdings.values()), tuple(self.tickets.values()), self.windows,
            uses=tuple(self.uses.values()), links=self.links, policy=self.policy,
        )  # fmt: skip
        begun = time.thread_time()
        decisions = decide(state, self.now)
        taken = time.thread_time() - begun
        self._apply(decisions)
        return taken

    def _happen(self) -> None:
        """A third each: somebody's lease ends, somebody comes, ten seconds pass. The line keeps its length."""
        self.now += 10
        event = self.dice.randrange(3)
        if event == 0:
            del self.holdings[min(self.holdings, key=lambda claim_id: self.holdings[claim_id].lease_end)]
        elif event == 1:
            del self.tickets[next(iter(self.tickets))]
        while len(self.tickets) < self.waiting:
            self._arrive(self.now)

    def _arrive(self, at: float) -> None:
        dice = self.dice
        wish = dice.choices([wish for _, wish in WISHES], [part for part, _ in WISHES])[0]
        request = Request(wish.kind, wish.count, wish.share_mib)  # its own, as the broker reads it from its store
        user = dice.choice(self.users)
        ticket = Ticket(self._new("ticket"), user, self._groups(user), request, at, dice.choice(LEASES_S))
        self.tickets[ticket.id] = ticket

    def _apply(self, decisions: Decisions) -> None:
        for grant in decisions.grants:
            ticket = self.tickets.pop(grant.ticket_id)
            self.holdings[ticket.id] = Holding(
                ticket.id,
                ticket.user,
                ticket.groups,
                grant.uuids,
                grant.mib,
                self.now,
                grant.lease_end,
                grant.weight,
            )
            self.granted += 1
        for notice in decisions.warnings:
            held = self.holdings[notice.claim_id]
            self.holdings[notice.claim_id] = replace(held, warned=(*held.warned, (notice.key, self.now)))
        for ending in decisions.endings:
            del self.holdings[ending.claim_id]

    def _groups(self, user: str) -> tuple[str, ...]:
        return (f"group-{int(user.rpartition('-')[2]) % 4}",) if self.every_rule else ()

    def _new(self, kind: str) -> str:
        self.numbers += 1
        return f"{kind}-{self.numbers:07d}"


def line(row: dict[str, Any]) -> str:
    every = row["every_rule"]
    return (
        f"{row['gpus']:>5} GPUs, {row['waiting']:>6} waiting: {row['per_second']:>7.1f} decisions/s "
        f"(best {row['per_second_best']:.1f}), median {row['median_ms']:.2f} ms, p99 {row['p99_ms']:.2f} ms; "
        f"with windows, groups and limits {every['per_second']:.1f}/s, p99 {every['p99_ms']:.2f} ms"
    )


def growth(first: dict[str, Any], last: dict[str, Any]) -> dict[str, float]:
    """The median decision, last against first, beside what n log n and n² make of the length of the line."""
    n, m = first["waiting"], last["waiting"]
    return {
        "measured": round(last["median_ms"] / first["median_ms"], 1),
        "n_log_n": round(m * math.log(m) / (n * math.log(n)), 1),
        "n_squared": round((m / n) ** 2, 1),
    }


def _machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests/bench/scheduler", description="How many decisions a second the GPU scheduler makes."
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--quick", action="store_true", help="only the two smaller sizes")
    parser.add_argument("--decisions", type=int, metavar="N", help="so many of each size")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
