"""Random histories of a machine with a broker: users, the Hub, the engine, cards and crashes, step by step.

What must hold after every step is `check()`. The Hub here keeps its contract (no container without a claim, a
claim given back after its container) but for the moments in which it, the broker or the engine is killed.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from random import Random

import sqlalchemy as sa

from jupyterhub_tf29.gpu.broker import accounting, turns, wishes
from jupyterhub_tf29.gpu.broker.records import (
    ALLOCATED,
    HELD,
    OFFERED,
    RESERVED,
    Claim,
    DeviceRecord,
    Holding,
    ReleaseRecord,
    Ticket,
    UseRecord,
)
from jupyterhub_tf29.gpu.broker.rules import Rules
from jupyterhub_tf29.gpu.broker.store import TABLES
from jupyterhub_tf29.gpu.broker.wishes import Refused
from jupyterhub_tf29.gpu.devices import Trouble
from jupyterhub_tf29.gpu.scheduler.policy import Idle, Leases, Policy

from .world import World

USERS = [f"user{number}" for number in range(8)]
ACTIONS = {
    "ask": 20,
    "create": 14,
    "commit": 12,
    "stop": 10,
    "look": 24,
    "later": 8,
    "obey": 12,
    "cancel": 3,
    "come": 4,
    "compute": 6,
    "die": 2,
    "vanish": 2,
    "linger": 4,
    "too_soon": 2,
    "late": 2,
    "crash": 3,
    "hub_crash": 2,
    "engine": 2,
    "card": 2,
    "hang": 1,
    "stranger": 2,
    "fault": 1,
    "mend": 4,
    "end": 2,
    "extend": 2,
    "drain": 1,
    "move": 2,
}
"""What can happen, and how often."""

STORE_EVERY = 40
"""Steps between two comparisons of memory and disk, which take longer than forty steps."""

NAMES, WEIGHTS = list(ACTIONS), list(ACTIONS.values())

QUICK = Rules(
    policy=Policy(
        leases=Leases(max_s=7200.0, protected_s=300.0), idle=Idle(warn_s=900.0, take_back_waited_s=1800.0)
    ),
    default_lease_s=3600.0,
)


class History:
    """One machine's story. `step(name, pick)`: `pick` (any integer) chooses whom it happens to."""

    def __init__(self, gpus: int, path: Path | None = None) -> None:
        self.world = World(gpus, QUICK, path)
        self.steps = 0
        self.mine: dict[str, Claim] = {}
        """Claims that the Hub knows of: they have no container, or one that was not told."""
        self.story: list[str] = []
        self.overdue: dict[str, tuple[int, float]] = {}
        """Claim → in how many looks in a row its lease was over, and when that was first seen."""

    def step(self, name: str, pick: int) -> None:
        self.steps += 1
        self.story.append(f"{name} {pick % 1000}")
        before = set(self.world.book.claims)
        getattr(self, f"do_{name}")(pick)
        self.check()
        self.check_grants(before)
        if name in ("look", "later", "mend"):
            self.check_bounds()
        if self.steps % STORE_EVERY == 0:
            self.check_store()

    def random_steps(self, random: Random, many: int) -> None:
        for name in random.choices(NAMES, WEIGHTS, k=many):
            self.step(name, random.randrange(1 << 20))

    # -- users and the Hub -------------------------------------------------------------------------------------

    def do_ask(self, pick: int) -> None:
        user, server = USERS[pick % 8], ("", "two")[pick // 8 % 2]
        kinds = ({"count": 1}, {"count": 1}, {"count": 2}, {"share_mib": 9000}, {"share_mib": 25000}, {"count": 4})
        wish = dict(kinds[pick // 16 % 6])
        lease_s = (900, 3600, 7200)[pick // 96 % 3]
        if any(one.user == user and one.server == server for one in self.world.containers.values()):
            return  # its server runs: there is no Start to press
        try:
            found = self.world.ask(user, server, lease_s=lease_s, may_wait=pick % 5 > 0, **wish)
        except Refused:
            return
        if isinstance(found, Claim):
            self.mine[found.id] = found

    def do_create(self, pick: int) -> None:
        claim = self._one([one for one in self.mine.values() if not self._container(one.id)], pick)
        if claim and claim.id in self.world.book.claims:
            self.world.create(claim, running=pick % 4 > 0)

    def do_commit(self, pick: int) -> None:
        claim = self._one([one for one in self.mine.values() if self._container(one.id)], pick)
        if claim is None:
            return
        del self.mine[claim.id]
        self.world.now += 0.01
        try:
            wishes.commit(self.world.book, claim.id, self._container(claim.id).id, self.world.now)
        except Refused:
            self.world.remove(claim.id)  # as the spawner does

    def do_stop(self, pick: int) -> None:
        claim = self._held(pick)
        if claim is None:
            return
        self.mine.pop(claim.id, None)
        self.world.remove(claim.id)
        self.world.now += 0.01
        reason = ("stopped", "failed", "cancelled", "died")[pick % 4]
        wishes.release(self.world.book, claim.id, reason, self.world.now)

    def do_hub_crash(self, pick: int) -> None:
        """What it had under way is forgotten; its containers stay, told or not."""
        self.mine.clear()

    def do_cancel(self, pick: int) -> None:
        ticket = self._one(list(self.world.book.tickets.values()), pick)
        if ticket:
            wishes.cancel(self.world.book, ticket.id, self.world.now)

    def do_come(self, pick: int) -> None:
        ticket = self._one([one for one in self.world.book.tickets.values() if one.state == OFFERED], pick)
        if ticket:
            turns.user_came(self.world.book, ticket, self.world.now)

    def do_move(self, pick: int) -> None:
        ticket = self._one(self.world.book.waiting(), pick)
        if ticket and self.world.book.ready:
            wishes.move(self.world.book, ticket.id, pick % 3, self.world.now)

    def do_end(self, pick: int) -> None:
        claim = self._held(pick)
        if claim:
            wishes.end(self.world.book, claim.id, "", self.world.now)

    def do_extend(self, pick: int) -> None:
        claim = self._held(pick)
        if claim and self.world.book.ready:
            try:
                wishes.extend(self.world.book, claim.id, 1800.0, self.world.now)
            except Refused:
                return

    def do_obey(self, pick: int) -> None:
        """Hub and engine do what the broker asks for."""
        todo = self._one(turns.to_do(self.world.book), pick)
        if todo is None:
            return
        book, world = self.world.book, self.world
        if todo.kind == "start":
            self._start_turn(book.tickets[todo.ticket], pick)
        elif todo.kind == "stop":
            self.mine.pop(todo.claim, None)
            world.remove(todo.claim)
            wishes.release(book, todo.claim, todo.why, world.now)
        elif todo.kind == "remove":
            world.containers.pop(todo.container, None)
            world._end_processes(todo.container)

    def _start_turn(self, ticket: Ticket, pick: int) -> None:
        world = self.world
        if pick % 5 == 0 or not world.book.ready:
            turns.start_unheard(world.book, ticket, world.now)
        elif pick % 7 == 0:
            turns.start_failed(world.book, ticket, world.now, counts=True)
        elif pick % 11 == 0:
            turns.dropped(world.book, ticket, world.now)
        else:
            claim = world.book.claims[ticket.claim]
            if claim.held and not self._container(claim.id):
                world.create(claim)
                wishes.commit(world.book, claim.id, self._container(claim.id).id, world.now)
                self.mine.pop(claim.id, None)
            if ticket.state == HELD:
                turns.server_ready(world.book, ticket, world.now)

    # -- the machine -------------------------------------------------------------------------------------------

    def do_look(self, pick: int) -> None:
        self.world.look(1 + pick % 20)

    def do_later(self, pick: int) -> None:
        for _ in range(3):
            self.world.look((30, 120, 400, 900)[pick % 4])

    def do_compute(self, pick: int) -> None:
        claim = self._one([one for one in self.world.book.claims.values() if self._container(one.id)], pick)
        if claim and self._container(claim.id).running:
            self.world.compute(claim, 4000 + pick % 30000)
            self.world.cards[claim.uuids[0]].utilisation = pick % 100

    def do_die(self, pick: int) -> None:
        claim = self._held(pick)
        if claim:
            self.world.die(claim.id)

    def do_vanish(self, pick: int) -> None:
        """A container is removed and nobody says so."""
        claim = self._held(pick)
        if claim:
            self.mine.pop(claim.id, None)
            self.world.remove(claim.id)

    def do_linger(self, pick: int) -> None:
        """A container goes and its process stays on the card (an uninterruptible sleep in the driver)."""
        claim = self._held(pick)
        if claim:
            self.mine.pop(claim.id, None)
            if claim.container_id and self._container(claim.id):
                self.world.compute(claim)
            self.world.remove(claim.id, leave_processes=True)
            wishes.release(self.world.book, claim.id, "stopped", self.world.now)

    def do_too_soon(self, pick: int) -> None:
        """It is given back, and its container is still there; in time it is removed, or it runs on."""
        claim = self._held(pick)
        if claim:
            self.mine.pop(claim.id, None)
            wishes.release(self.world.book, claim.id, "stopped", self.world.now)

    def do_late(self, pick: int) -> None:
        """The engine takes so long to create a container that its claim was given back meanwhile."""
        claim = self._one([one for one in self.mine.values() if not self._container(one.id)], pick)
        if claim:
            del self.mine[claim.id]
            self.world.create(claim)

    def do_crash(self, pick: int) -> None:
        if self.world.path is not None:
            self.world.crash()
            if pick % 3:
                self.world.look(pick % 300)

    def do_engine(self, pick: int) -> None:
        self.world.engine_answers = pick % 3 > 0
        if pick % 7 == 0:  # and without live-restore every container has stopped
            for one in list(self.world.containers.values()):
                self.world.die(one.claim)

    def do_card(self, pick: int) -> None:
        card = list(self.world.cards.values())[pick % len(self.world.cards)]
        card.there = pick % 3 > 0

    def do_hang(self, pick: int) -> None:
        card = list(self.world.cards.values())[pick % len(self.world.cards)]
        card.answers = pick % 3 > 0

    def do_stranger(self, pick: int) -> None:
        card = list(self.world.cards.values())[pick % len(self.world.cards)]
        card.strangers = [99999] if pick % 2 else []

    def do_fault(self, pick: int) -> None:
        uuid = list(self.world.cards)[pick % len(self.world.cards)]
        self.world.troubles = [Trouble(uuid, "xid", 79, "XID 79", quarantine=True)]

    def do_drain(self, pick: int) -> None:
        device = self._one(list(self.world.book.devices.values()), pick)
        if device:
            wishes.drain(self.world.book, device.uuid, "a test", self.world.now)

    def do_mend(self, pick: int) -> None:
        """Somebody looks after the machine: strangers and dead processes go, cards come back into service."""
        world = self.world
        world.engine_answers = True
        world.used = {key: mib for key, mib in world.used.items() if key[0] in world.containers}
        for card in world.cards.values():
            card.there = card.answers = True
            card.strangers = []
        world.look()
        for device in list(world.book.devices.values()):
            if device.quarantined or device.drained:
                wishes.bring_back(world.book, device.uuid, world.now)

    # -- what must hold ----------------------------------------------------------------------------------------

    def check(self) -> None:
        book = self.world.book
        _no_over_commit(book)
        _one_claim_and_one_ticket_each(book)
        if book.ready:
            self._what_runs_is_held()
            self._what_is_free_is_empty()

    def check_grants(self, before: set[str]) -> None:
        """What was granted in this step is on cards that are in service, as far as the broker was shown them."""
        book = self.world.book
        for claim in book.claims.values():
            if claim.id in before or claim.state != RESERVED:
                continue
            for uuid in claim.uuids:
                device, sample = book.devices[uuid], book.sights[uuid].sample
                assert not device.quarantined, f"{uuid} was granted in quarantine"
                assert not device.drained, f"{uuid} was granted though an admin took it out"
                assert book.inventory.device(uuid), f"{uuid} was granted and is missing"
                assert self.world.now - sample.time < 60, f"{uuid} was granted and does not answer"
                strangers = [one for one in sample.processes if one.container_id is None]
                assert not strangers, f"{uuid} was granted with a stranger on it"

    def check_bounds(self) -> None:
        """After a look: nobody waits for what never comes, no turn and no lease lasts for ever."""
        book = self.world.book
        if not book.ready:
            return
        self.overdue = {one: seen for one, seen in self.overdue.items() if one in book.claims}
        for claim in book.claims.values():
            wanted = max(claim.since, claim.asked_at)
            if claim.state == RESERVED and not claim.ticket and not claim.ending_cause:
                assert book.listed_at - wanted < QUICK.start_s, f"the container of {claim.id} never came"
            over = claim.held and claim.lease_end < book.sampled_at and not claim.ending_cause
            looks, first = self.overdue.get(claim.id, (0, self.world.now))
            self.overdue[claim.id] = (looks + 1, first) if over else (0, self.world.now)
            late = self.world.now - first
            assert not over or looks < 4 or late < 1200, f"the lease of {claim.id} is over for {late:.0f} s"
        for ticket in book.tickets.values():
            assert not ticket.hold_until or ticket.hold_until > book.sampled_at, f"the turn of {ticket.user} lasts"

    def check_store(self) -> None:
        """Memory and disk say the same, and so do the months' sums and the history of holdings."""
        book = self.world.book
        for record, memory in (
            (Claim, book.claims),
            (Ticket, book.tickets),
            (DeviceRecord, book.devices),
            (UseRecord, book.uses),
            (ReleaseRecord, book.releases),
        ):
            disk = {next(iter(vars(one).values())): vars(one) for one in self.world.store.all(record)}
            assert disk == {key: vars(one) for key, one in memory.items()}, f"{record.__name__}: disk and memory"
        _conserved(self.world)

    def _what_runs_is_held(self) -> None:
        """Of containers that the engine showed: each is covered by its claim, or on its way out."""
        for one in self.world.book.containers.values():
            if one.id in self.world.book.intruders:
                continue
            claim = self.world.book.claims.get(one.claim)
            assert claim is not None, f"container {one.id[:12]} of {one.user} has GPUs and no claim"
            assert set(one.uuids) <= set(claim.uuids)

    def _what_is_free_is_empty(self) -> None:
        """A card that the broker calls free has no container and no process, as far as it was shown them."""
        world = self.world
        for uuid in world.book.devices:
            if world.state(uuid) == "free":
                theirs = [one for one in world.book.containers.values() if uuid in one.uuids]
                assert all(one.id in world.book.intruders for one in theirs), f"{uuid} is free with a container"
                sample = world.book.sights[uuid].sample
                assert sample is not None
                assert not sample.processes, f"{uuid} is free with a process"

    # -- choosing ----------------------------------------------------------------------------------------------

    def _held(self, pick: int) -> Claim | None:
        return self._one([one for one in self.world.book.claims.values() if one.held], pick)

    def _container(self, claim_id: str):
        return next((one for one in self.world.containers.values() if one.claim == claim_id), None)

    @staticmethod
    def _one(many, pick):
        return many[pick % len(many)] if many else None


def _no_over_commit(book) -> None:
    for uuid in {uuid for claim in book.claims.values() for uuid in claim.uuids}:
        holders = book.holders(uuid)
        whole = [claim for claim in holders if not claim.mib]
        assert len(whole) <= 1, f"{uuid} has two exclusive holders"
        assert not (whole and len(holders) > 1), f"{uuid} is held whole and shared"
        taken = sum(claim.mib for claim in holders)
        assert taken <= book.devices[uuid].usable_mib, f"{uuid}: {taken} MiB are held"


def _one_claim_and_one_ticket_each(book) -> None:
    servers = [(ticket.user, ticket.server) for ticket in book.tickets.values()]
    assert len(set(servers)) == len(servers), "two tickets of one server"
    for ticket in book.tickets.values():
        claim = book.claims.get(ticket.claim)
        if ticket.state in (HELD, OFFERED):
            assert claim is not None, f"the turn of {ticket.user} holds nothing"
            assert claim.held, f"the turn of {ticket.user} holds nothing any more"
        else:
            assert not ticket.claim
    for claim in book.claims.values():
        assert not (claim.state == ALLOCATED and not claim.container_id)


def _conserved(world: World) -> None:
    """GPU-seconds of the accounts = those of the history, for each user."""
    accounts = defaultdict(float)
    for row in accounting.usage(
        world.store, world.book.claims.values(), world.now, start=0.0, end=world.now, by=("user",)
    ):
        accounts[row["user"]] += row["gpu_seconds"]
    history = defaultdict(float)
    for one in world.store.all(Holding):
        history[one.user] += one.weight * max(0.0, (one.end or world.now) - one.start)
    for user in accounts.keys() | history.keys():
        difference = abs(accounts[user] - history[user])
        assert difference < 0.01, f"{user}: {accounts[user]} in the accounts, {history[user]} in the history"
    held = {claim.id for claim in world.book.claims.values() if claim.held}
    still_open = {
        row["claim"] for row in world.store.rows(sa.select(TABLES[Holding]).where(TABLES[Holding].c.end == 0))
    }
    assert still_open == held, "what is held and what the history calls open are not the same"
