"""The machine that a `Book` is shown: what there is is plain data, and time passes when a test says so.

world = World(gpus=2)
claim = world.start("ada")            # asks for a GPU, makes the container, commits
world.stop("ada")                     # removes the container, gives the claim back
world.look()                          # a round of the broker: engine, NVML, settle, decide
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from pathlib import Path

from jupyterhub_tf29.gpu.broker import accounting, lookout, truth, turns, wishes
from jupyterhub_tf29.gpu.broker.book import Book, Seen
from jupyterhub_tf29.gpu.broker.records import Claim, Ticket
from jupyterhub_tf29.gpu.broker.rules import Rules
from jupyterhub_tf29.gpu.broker.store import Store
from jupyterhub_tf29.gpu.devices import Device, Inventory, Process, Sample, Trouble, usable_mib
from jupyterhub_tf29.gpu.request import Request

START = 1_790_000_000.0
MEMORY_MIB = 40960


@dataclass
class Card:
    device: Device
    there: bool = True
    answers: bool = True
    utilisation: int = 0
    strangers: list[int] = field(default_factory=list)


class World:
    """See the module's text. `path` None keeps the store in memory, where a crash cannot be played."""

    def __init__(self, gpus: int = 2, rules: Rules | None = None, path: Path | None = None) -> None:
        self.rules = rules or Rules()
        self.path = path
        self.now = START
        self.cards = {f"GPU-{number}": Card(_device(number)) for number in range(gpus)}
        self.containers: dict[str, Seen] = {}
        self.used: dict[tuple[str, str], int] = {}
        """(container, device) → MiB that its processes hold; they may outlive the container."""
        self.troubles: list[Trouble] = []
        self.engine_answers = True
        self._ids = itertools.count(1)
        self.book = self._open()
        self.look()

    # -- the broker's process ----------------------------------------------------------------------------------

    def _open(self) -> Book:
        self.store = Store(self.path)
        return Book(self.store, self.rules, lambda: f"id{next(self._ids)}")

    def crash(self) -> None:
        """`kill -9` of the broker, and its next start: nothing is left but the store."""
        assert self.path is not None, "a crash needs a store on the disk"
        self.store.close()
        self.book = self._open()

    def look(self, seconds: float = 1.0) -> None:
        """A round, as `loop` does it, `seconds` later."""
        self.now += seconds
        inventory = Inventory("535.1", "12.2", tuple(card.device for card in self.cards.values() if card.there))
        samples = [self._sample(card) for card in self.cards.values() if card.there and card.answers]
        listed_at = self.now
        self.now += 0.1
        with self.book.change(self.now):
            accounting.turn_of_period(self.book, listed_at - seconds, self.now)
            truth.counted(self.book, inventory, self.now)
            if self.engine_answers:
                truth.listed(self.book, list(self.containers.values()), listed_at, self.now)
            lookout.sampled(self.book, samples, self.troubles, self.now)
            self.troubles = []
            if self.book.ready:
                truth.settle(self.book, self.now)
                turns.decide_now(self.book, self.now)

    def pass_time(self, seconds: float, every: float = 30.0) -> None:
        """Rounds, until so many seconds have passed."""
        end = self.now + seconds
        while self.now < end:
            self.look(min(every, max(0.2, end - self.now)))

    def _sample(self, card: Card) -> Sample:
        uuid = card.device.uuid
        mine = [(container, mib) for (container, device), mib in self.used.items() if device == uuid]
        processes = [Process(abs(hash(one)) % 30000 + 2, mib, one) for one, mib in mine]
        processes += [Process(pid, 500, None) for pid in card.strangers]
        return Sample(uuid, self.now, sum(mib for _, mib in mine), card.utilisation, 40, tuple(processes))

    # -- the Hub -----------------------------------------------------------------------------------------------

    def ask(self, user: str, server: str = "", *, groups: tuple[str, ...] = (), **wish: object) -> Claim | Ticket:
        """Press Start: `share_mib=…` or `count=…`, or `request=…`; also lease_s, may_wait."""
        request = wish.pop("request", None) or request_of(wish)
        self.now += 0.01
        return wishes.submit(
            self.book,
            wishes.Wish(user, server, request, groups, **wish),
            self.now,  # type: ignore[arg-type]
        )

    def start(self, user: str, server: str = "", **wish: object) -> Claim:
        """Press Start where there is room: the claim, with its container running and the broker told."""
        claim = self.ask(user, server, **wish)
        assert isinstance(claim, Claim), f"{user} has to wait: {claim}"
        self.create(claim)
        self.now += 0.01
        return wishes.commit(self.book, claim.id, self.container_of(claim).id, self.now)

    def stop(self, user: str, server: str = "", reason: str = "stopped") -> None:
        """Remove the container, then tell the broker."""
        claim = self.book.claim_of(user, server)
        assert claim is not None, f"{user} holds nothing"
        self.remove(claim.id)
        self.now += 0.01
        wishes.release(self.book, claim.id, reason, self.now)

    # -- the engine --------------------------------------------------------------------------------------------

    def create(self, claim: Claim, running: bool = True) -> Seen:
        one = Seen(
            id=f"{claim.id:0>12}".ljust(64, "c"),
            claim=claim.id,
            user=claim.user,
            server=claim.server,
            uuids=tuple(claim.uuids),
            mib=claim.mib,
            lease_end=claim.lease_end,
            running=running,
        )
        self.containers[one.id] = one
        return one

    def container_of(self, claim: Claim) -> Seen:
        return next(one for one in self.containers.values() if one.claim == claim.id)

    def compute(self, claim: Claim, mib: int = 1000) -> None:
        """A process of its container holds memory on each of its devices."""
        for uuid in claim.uuids:
            self.used[(self.container_of(claim).id, uuid)] = mib

    def die(self, claim_id: str) -> None:
        """Its container stops by itself, and stays."""
        for one in list(self.containers.values()):
            if one.claim == claim_id:
                self.containers[one.id] = replace(one, running=False)
                self._end_processes(one.id)

    def remove(self, claim_id: str, leave_processes: bool = False) -> None:
        for one in list(self.containers.values()):
            if one.claim == claim_id:
                del self.containers[one.id]
                if not leave_processes:
                    self._end_processes(one.id)

    def _end_processes(self, container_id: str) -> None:
        self.used = {key: mib for key, mib in self.used.items() if key[0] != container_id}

    # -- what tests ask ----------------------------------------------------------------------------------------

    def kinds(self) -> list[str]:
        """The kinds of all events so far, oldest first."""
        from jupyterhub_tf29.gpu.broker.records import EventRecord

        return [event.kind for event in self.store.all(EventRecord)]

    def state(self, uuid: str) -> str:
        from jupyterhub_tf29.gpu.broker.view import device_state

        return device_state(self.book, self.book.devices[uuid], self.now)[0]


def request_of(wish: dict[str, object]) -> Request:
    if "share_mib" in wish:
        return Request(kind="share", share_mib=int(str(wish.pop("share_mib"))))
    return Request(count=int(str(wish.pop("count", 1))))


def _device(number: int) -> Device:
    return Device(
        uuid=f"GPU-{number}",
        model="A100",
        memory_mib=MEMORY_MIB,
        usable_mib=usable_mib(MEMORY_MIB),
        bus_id=f"00000000:{number:02X}:00.0",
        minor=number,
    )
