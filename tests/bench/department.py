"""A department in synthetic weeks: who asks for which GPUs when, and what becomes of it under a policy.

The same seeded people and jobs meet each policy. Nobody gives up, nobody reacts to a long line, and a job takes as
long as it takes; so what differs between two runs is the policy alone.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from heapq import heappop, heappush

from jupyterhub_tf29.gpu.devices import usable_mib
from jupyterhub_tf29.gpu.request import Request
from jupyterhub_tf29.gpu.scheduler import fairshare
from jupyterhub_tf29.gpu.scheduler.decide import decide
from jupyterhub_tf29.gpu.scheduler.policy import Policy
from jupyterhub_tf29.gpu.scheduler.state import Holding, State, Ticket, Unit, Use

HOUR, DAY = 3600.0, 86400.0
MONDAY = 1_800_230_400.0
"""2027-01-18, 0:00 UTC: the weeks begin on a Monday, on the department's own clock."""

BY_HOUR = (2, 1, 1, 1, 1, 1, 2, 4, 9, 14, 16, 15, 11, 14, 17, 17, 15, 12, 8, 6, 6, 5, 4, 3)
"""Starts by hour of a working day, in parts: mornings and afternoons, a dip at lunch, few at night."""

BY_DAY = (1.15, 1.2, 1.15, 1.1, 0.95, 0.3, 0.25)
"""Monday to Sunday."""

WISHES = (
    (0.56, Request()),
    (0.13, Request(count=2)),
    (0.07, Request(count=4)),
    (0.02, Request(count=8)),
    (0.22, Request("share", share_mib=9500)),
)
"""Most people want one GPU; notebooks in a course want a quarter of one; few train on a whole board."""

MEDIAN_S, SPREAD = 1.6 * HOUR, 1.35
"""Time that a job needs: log-normal, from minutes of trying to days of training."""

LEASES_S = tuple(hours * HOUR for hours in (1, 2, 4, 8, 12, 24))
"""What people choose from: the shortest that seems long enough, and often one more to be safe."""


@dataclass(frozen=True)
class Job:
    """Somebody presses Start at `at` and is done `needs_s` after it began, or when the lease ends."""

    id: str
    user: str
    at: float
    request: Request
    needs_s: float
    lease_s: float

    @property
    def runs_s(self) -> float:
        return min(self.needs_s, self.lease_s)

    @property
    def gpu_s(self) -> float:
        return self.runs_s * self.request.weight(USABLE_MIB)


USABLE_MIB = usable_mib(40960, 600)


def jobs(gpus: int, users: int, weeks: float, load: float, seed: int) -> list[Job]:
    """Seeded jobs of `weeks` whose GPU-seconds are about `load` of all that there are, in order of time."""
    dice = random.Random(seed)
    # a few people use most: each has a weight from a Pareto distribution, so a fifth asks for about two thirds
    people = [(f"user-{number:03d}", dice.paretovariate(1.2)) for number in range(users)]
    names, weights = [name for name, _ in people], [min(weight, 40.0) for _, weight in people]
    wanted = load * gpus * weeks * 7 * DAY
    made: list[Job] = []
    asked = 0.0
    while asked < wanted:
        wish = dice.choices([wish for _, wish in WISHES], [part for part, _ in WISHES])[0]
        if wish.count > gpus:
            continue
        needs_s = min(max(dice.lognormvariate(math.log(MEDIAN_S), SPREAD), 120.0), 24 * HOUR)
        enough = [lease for lease in LEASES_S if lease >= needs_s] or [LEASES_S[-1]]
        lease_s = enough[min(dice.choice((0, 0, 1)), len(enough) - 1)]
        job = Job(
            f"{len(made):06d}", dice.choices(names, weights)[0], _moment(dice, weeks), wish, needs_s, lease_s
        )
        made.append(job)
        asked += job.gpu_s
    return sorted(made, key=lambda job: (job.at, job.id))


def _moment(dice: random.Random, weeks: float) -> float:
    """When somebody presses Start: by the week's and the day's habit."""
    while True:
        at = dice.random() * weeks * 7 * DAY
        habit = BY_DAY[int(at // DAY) % 7] * BY_HOUR[int(at % DAY // HOUR)]
        if dice.random() * max(BY_DAY) * max(BY_HOUR) < habit:
            return MONDAY + at


def machine(gpus: int) -> tuple[tuple[Unit, ...], dict[tuple[str, str], int]]:
    """Boards of eight GPUs: pairs with an NVLink, fours on one CPU."""
    units = tuple(Unit(f"GPU-{n:04d}", "NVIDIA A100-SXM4-40GB", 40960, USABLE_MIB) for n in range(gpus))
    links = {}
    for one in range(gpus):
        for other in range(one + 1, min(gpus, one - one % 8 + 8)):
            near = 150 if one // 2 == other // 2 else 30 if one // 4 == other // 4 else 10
            links[units[one].uuid, units[other].uuid] = near
    return units, links


@dataclass
class Played:
    """What became of the jobs: `waits_s` in the order of `jobs`, and when how many GPUs were held."""

    waits_s: list[float]
    held: list[tuple[float, float]]
    """Time, and GPUs by weight from then on."""
    end: float
    decisions: int


def play(every: list[Job], gpus: int, policy: Policy) -> Played:
    """All jobs to their end. A decision follows each press of Start, and each end."""
    units, links = machine(gpus)
    by_id = {job.id: job for job in every}
    holdings: dict[str, Holding] = {}
    tickets: dict[str, Ticket] = {}
    uses: dict[str, Use] = {}
    begun: dict[str, float] = {}
    held = [(MONDAY, 0.0)]
    events: list[tuple[float, int, str]] = []
    for job in every:
        heappush(events, (job.at, 1, job.id))
    decisions, now = 0, MONDAY
    while events:
        now, kind, job_id = heappop(events)
        job = by_id[job_id]
        if kind == 0:
            gone = holdings.pop(job_id)
            use = uses.get(job.user) or Use(job.user, (), 0.0, gone.since)
            uses[job.user] = fairshare.charge(use, gone.weight, gone.since, now, policy.fair.half_life_s)
        else:
            tickets[job_id] = Ticket(job_id, job.user, (), job.request, now, job.lease_s)
        state = State(
            units,
            tuple(holdings.values()),
            tuple(tickets.values()),
            uses=tuple(uses.values()),
            links=links,
            policy=policy,
        )
        decisions += 1
        for grant in decide(state, now).grants:
            ticket = tickets.pop(grant.ticket_id)
            holdings[ticket.id] = Holding(
                ticket.id, ticket.user, (), grant.uuids, grant.mib, now, grant.lease_end, grant.weight
            )
            begun[ticket.id] = now
            heappush(events, (now + by_id[ticket.id].runs_s, 0, ticket.id))
        held.append((now, sum(holding.weight for holding in holdings.values())))
    return Played([begun[job.id] - job.at for job in every], held, now, decisions)
