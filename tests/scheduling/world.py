"""A machine with people: random events, every decision applied as the broker does, every decision checked.

Nothing here knows how the scheduler works inside; `rules.py` says what must hold.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from jupyterhub_tf29.gpu.scheduler import fairshare
from jupyterhub_tf29.gpu.scheduler import policy as p
from jupyterhub_tf29.gpu.scheduler.decide import decide
from jupyterhub_tf29.gpu.scheduler.decisions import Decisions
from jupyterhub_tf29.gpu.scheduler.state import Holding, Release, State, Ticket, Unit, Use, Window
from tests.scheduling import rules
from tests.scheduling.happenings import HAPPENINGS, HOUR, WEIGHTS
from tests.scheduling.watch import Watch

START = 1_800_000_000.0
"""A Friday in January 2027, 8:00 UTC."""

MODELS = {"NVIDIA A100-SXM4-40GB": 40960, "Tesla T4": 15360}


@dataclass(frozen=True)
class Setting:
    """What kind of machine and people; small, so that what is rare elsewhere happens all the time."""

    gpus: int = 4
    users: int = 6
    two_models: bool = False
    slices: int = 0
    windows: bool = False
    limits: bool = False
    faults: bool = False
    groups: bool = False
    extend: str = "ask"
    backfill: bool = True
    take_back: bool = False
    longest_s: float = 12 * HOUR


@dataclass
class Entry:
    """A line of the history: who held how much from when until when."""

    claim_id: str
    user: str
    weight: float
    start: float
    end: float | None = None


@dataclass
class World:
    """The state, the people's dice, and the history that the scheduler is not shown."""

    setting: Setting
    dice: random.Random
    decide: Callable[[State, float], Decisions] = decide
    now: float = START
    units: dict[str, Unit] = field(default_factory=dict)
    holdings: dict[str, Holding] = field(default_factory=dict)
    tickets: dict[str, Ticket] = field(default_factory=dict)
    releases: list[Release] = field(default_factory=list)
    uses: dict[str, Use] = field(default_factory=dict)
    windows: tuple[Window, ...] = ()
    policy: p.Policy = field(default_factory=p.Policy)
    links: dict[tuple[str, str], int] = field(default_factory=dict)
    history: list[Entry] = field(default_factory=list)
    events: int = 0
    numbers: int = 0
    last: Decisions | None = None
    watch: Watch = field(default_factory=Watch)

    def __post_init__(self) -> None:
        build(self)

    # -- what happens ----------------------------------------------------------------------------------------

    def run(self, events: int) -> None:
        """So many events (what people do, and what comes due by itself), each decided, checked and applied."""
        while self.events < events:
            happening = self.dice.choices(HAPPENINGS, WEIGHTS)[0]
            happening(self)
            self.step()

    def step(self) -> Decisions:
        """Decide, check, apply."""
        self.events += 1
        state = self.state()
        decisions = self.decide(state, self.now)
        rules.check(state, self.now, decisions, self.setting)
        self.watch.look(self, state, decisions)
        self.apply(decisions)
        self.last = decisions
        if self.events % 16 == 0:
            assert decisions == self.decide(state, self.now), "the same question, another answer"
            if not decisions.endings and not self.windows:  # these may make room for others, at the next decision
                assert not self.decide(self.state(), self.now).grants, "what was applied is granted again"
        return decisions

    def state(self) -> State:
        return State(
            units=tuple(self.units.values()),
            holdings=tuple(self.holdings.values()),
            tickets=tuple(self.tickets.values()),
            windows=self.windows,
            releases=tuple(self.releases),
            uses=tuple(self.uses.values()),
            links=self.links,
            policy=self.policy,
        )

    def apply(self, decisions: Decisions) -> None:
        """What the broker does with an answer."""
        for grant in decisions.grants:
            ticket = self.tickets.pop(grant.ticket_id)
            claim_id = self.new_id("claim")
            self.holdings[claim_id] = Holding(
                claim_id, ticket.user, ticket.groups, grant.uuids, grant.mib, self.now, grant.lease_end,
                grant.weight, protected_until=grant.protected_until, request=ticket.request,
            )  # fmt: skip
            self.history.append(Entry(claim_id, ticket.user, grant.weight, self.now))
        for notice in decisions.warnings:
            held = self.holdings[notice.claim_id]
            self.holdings[notice.claim_id] = replace(held, warned=(*held.warned, (notice.key, self.now)))
        for extension in decisions.extensions:
            held = self.holdings[extension.claim_id]
            self.holdings[extension.claim_id] = replace(held, lease_end=extension.lease_end)
        for ending in decisions.endings:
            self.end(ending.claim_id)
        self.releases.extend(decisions.releases)

    def end(self, claim_id: str) -> None:
        """A claim is given back: its user's account is settled, and it is gone."""
        held = self.holdings.pop(claim_id)
        start = fairshare.counted_from(held)
        use = fairshare.charge(self.use_of(held), held.weight, start, self.now, self.policy.fair.half_life_s)
        self.uses[held.user] = use
        next(entry for entry in reversed(self.history) if entry.claim_id == claim_id).end = self.now

    def settle(self) -> None:
        """As the broker does now and then: all that was used so far goes into the accounts."""
        for claim_id, held in self.holdings.items():
            use = fairshare.settle(self.use_of(held), [held], self.now, self.policy.fair.half_life_s)
            self.uses[held.user] = use
            self.holdings[claim_id] = replace(held, counted_to=self.now)

    def use_of(self, held: Holding) -> Use:
        return self.uses.get(held.user) or Use(held.user, held.groups, 0.0, held.since)

    def new_id(self, kind: str) -> str:
        """Names say nothing about who came first."""
        self.numbers += 1
        return f"{kind}-{self.dice.randrange(1000):03d}-{self.numbers}"

    def pass_time(self, seconds: float) -> None:
        """Let time pass, deciding whenever something is due, as the broker does every few seconds."""
        until = self.now + seconds
        while (due := self.next_due()) is not None and due < until:
            self.now = due
            self.step()
        self.now = until

    def next_due(self) -> float | None:
        """The next moment at which a notice or an end is due."""
        notices = (0.0, *self.policy.leases.notice_s)
        moments = [held.lease_end - before for held in self.holdings.values() for before in notices]
        if self.last and self.last.endings:
            moments.append(self.now + self.policy.leases.drain_s)  # what they held is free by then
        return min((moment for moment in moments if moment > self.now), default=None)


# -- what there is at first -------------------------------------------------------------------------------------


def build(world: World) -> None:
    """Units, links, windows and policy, as the setting says."""
    setting = world.setting
    names = list(MODELS)
    for number in range(setting.gpus):
        model = names[number % 2 if setting.two_models else 0]
        memory = MODELS[model]
        world.units[f"GPU-{number}"] = Unit(f"GPU-{number}", model, memory, memory - memory * 3 // 100 - 600)
    for number in range(setting.slices):
        uuid, model = f"MIG-{number}", names[0]
        world.units[uuid] = Unit(uuid, model, 4864, 4600, parent="GPU-cut", mig_profile="1g.5gb", slices=1)
    if setting.slices:
        world.units["GPU-cut"] = Unit("GPU-cut", names[0], 40960, 39000, mig_mode=True)
    for one in range(setting.gpus):
        for other in range(one + 1, setting.gpus):
            world.links[f"GPU-{one}", f"GPU-{other}"] = 260 if one // 2 == other // 2 else 20
    if setting.windows:
        world.windows = (
            Window("class", "course", 2, (0, 1, 2, 3, 4), "10:00", 2 * HOUR, "Europe/Berlin"),
            Window("reading", "lab", 1, (0, 2, 4, 5), "15:30", 1.5 * HOUR, "UTC", model="A100", no_show_s=1200.0),
        )
    world.policy = policy_of(setting)


def policy_of(setting: Setting) -> p.Policy:
    """The defaults, made tighter so that a history of days shows every rule."""
    limits = p.Limits()
    if setting.limits:
        limits = p.Limits(
            user=p.Limit(gpus=2, gpu_hours=40),
            members={"lab": p.Limit(gpus=3, gpu_hours=80)},
            users={"user-5": p.Limit(gpus=1)},
            groups={"course": p.Limit(gpus=3, gpu_hours=120)},
        )
    weights = {"lab": 2.0, "course": 1.0} if setting.groups else {}
    return p.Policy(
        fair=p.FairShare(half_life_s=24 * HOUR, group_weights=weights, max_age_s=24 * HOUR),
        leases=p.Leases(
            max_s=setting.longest_s, extend=setting.extend, max_total_s=36 * HOUR, protected_s=2.5 * HOUR
        ),
        limits=limits,
        windows=p.Windows(take_back=setting.take_back),
        backfill=setting.backfill,
    )
