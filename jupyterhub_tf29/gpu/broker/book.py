"""The broker's book: claims, the line and the devices, in memory and in the store at once.

Theory of operation. Everything that happens is one `with book.change(now)`: records are changed and `put`, what
people should know becomes an `event`; at its end all of it is written in one transaction, and then told to who
listens. Where anything fails, the book reads its store again: memory never knows more than the disk.

A claim goes one way, `reserved → allocated → draining →` gone, and back from `draining` to `allocated` where the
engine says that its container runs after all. **What a claim names, it holds**, in every state: a device is free
when no claim names it. Only `truth` ends a claim, and only when engine and NVML have both been asked after it was
given back. The book knows no clock: `now` (UTC epoch seconds) comes from who calls.

What the Hub asks for is in `wishes`, what the machine shows in `truth`, what the policy wants in `turns`.
"""

from __future__ import annotations

import logging
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from ...i18n import LANGUAGES, in_language
from ..devices import Inventory, Sample
from ..scheduler.decisions import LineEntry, Offer
from .records import (
    WAITING,
    Claim,
    DeviceRecord,
    EventRecord,
    ReleaseRecord,
    Ticket,
    UseRecord,
)
from .rules import Rules
from .store import TABLES, Store

EVENTS_KEPT, PRUNE_EVERY = 2000, 100

log = logging.getLogger("tf29hub.broker")


@dataclass(frozen=True)
class Seen:
    """A container of this hub that has, or had, GPUs, as the engine lists it."""

    id: str
    claim: str
    user: str
    server: str
    uuids: tuple[str, ...]
    mib: int
    lease_end: float
    running: bool
    profile: str = ""


@dataclass
class Sight:
    """What was last seen of one device; not stored, since it is only true now."""

    sample: Sample | None = None
    foreign: str = ""
    """Who uses it without being allowed to; empty for nobody."""
    foreign_since: float = 0.0
    looks: dict[str, deque[Any]] = field(default_factory=dict)
    """Claim id → what the idle verdict looks at."""


class Book:
    """See the module's text."""

    def __init__(
        self, store: Store, rules: Rules, new_id: Callable[[], str] = lambda: secrets.token_hex(8)
    ) -> None:
        self.store, self.rules, self.new_id = store, rules, new_id
        self.listeners: list[Callable[[EventRecord], None]] = []
        self.inventory: Inventory | None = None
        self.sampled_at = self.listed_at = 0.0
        self.containers: dict[str, Seen] = {}
        self.intruders: dict[str, str] = {}
        """Containers that run on devices which others hold → why."""
        self.sights: dict[str, Sight] = {}
        self.idle_since: dict[str, float] = {}
        """Claim id → since when all its devices do nothing; not there while one works or nobody can tell."""
        self.verdicts: dict[str, str] = {}
        """Claim id → busy, idle or unknown."""
        self.busy_kernels: dict[str, bool | None] = {}
        """Claim id → whether a kernel of its server works, from whatever can tell; not there: nobody can."""
        self.line: dict[str, LineEntry] = {}
        self.offers: dict[str, Offer] = {}
        """The scheduler's last answer, by ticket."""
        self.troubled: dict[tuple[str, str, int], float] = {}
        """Device, kind and code of a trouble → when it was told last."""
        self.shortages_told: set[str] = set()
        self.was_here = False
        """Whether this process has looked after the line before."""
        self._depth = 0
        self._read()

    # -- reading -----------------------------------------------------------------------------------------------

    def _read(self) -> None:
        self.claims: dict[str, Claim] = {one.id: one for one in self.store.all(Claim)}
        self.tickets: dict[str, Ticket] = {one.id: one for one in self.store.all(Ticket)}
        self.devices: dict[str, DeviceRecord] = {one.uuid: one for one in self.store.all(DeviceRecord)}
        self.uses: dict[str, UseRecord] = {one.user: one for one in self.store.all(UseRecord)}
        self.releases: dict[str, ReleaseRecord] = {one.id: one for one in self.store.all(ReleaseRecord)}
        ids = TABLES[EventRecord].c.id
        self.last_event: int = self.store.rows(sa.select(sa.func.max(ids).label("id")))[0]["id"] or 0
        self._forget_changes()

    def _forget_changes(self) -> None:
        self._changed: dict[int, Any] = {}
        self._removed: dict[int, Any] = {}
        self._statements: list[Any] = []
        self._events: list[EventRecord] = []

    @property
    def ready(self) -> bool:
        """Whether engine and NVML have each been asked since this process began; before, nothing is granted."""
        return self.inventory is not None and self.sampled_at > 0 and self.listed_at > 0

    def claim_of(self, user: str, server: str) -> Claim | None:
        """What this server holds; not what it has given back."""
        return next(
            (one for one in self.claims.values() if (one.user, one.server) == (user, server) and one.held), None
        )

    def ticket_of(self, user: str, server: str) -> Ticket | None:
        return next((one for one in self.tickets.values() if (one.user, one.server) == (user, server)), None)

    def holders(self, uuid: str) -> list[Claim]:
        """The claims that name this device, whatever their state."""
        return [claim for claim in self.claims.values() if uuid in claim.uuids]

    def waiting(self) -> list[Ticket]:
        return [ticket for ticket in self.tickets.values() if ticket.state == WAITING]

    def fits(self, uuids: Iterable[str], mib: int) -> str:
        """Why these devices cannot be given, whole or `mib` of the one, beside all that is held; "" if they can.

        This is the broker's own rule, whatever a scheduler decided: never two exclusive holders, never more MiB
        than are usable.
        """
        for uuid in uuids:
            holders = self.holders(uuid)
            if not mib and holders:
                return f"{uuid} is held by claim {holders[0].id}"
            whole = next((one for one in holders if not one.mib), None)
            if whole:
                return f"{uuid} is held whole by claim {whole.id}"
            device = self.devices.get(uuid)
            taken = sum(one.mib for one in holders)
            if mib and device and taken + mib > device.usable_mib:
                return f"{uuid} has {device.usable_mib} usable MiB, of which {taken} are held"
        return ""

    # -- changing ----------------------------------------------------------------------------------------------

    @contextmanager
    def change(self, now: float) -> Iterator[None]:
        """All that is put, dropped and told inside is written together, or forgotten together. May be nested."""
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            if self._depth == 0:
                self._read()
            raise
        self._depth -= 1
        if self._depth == 0:
            self._write()

    def _write(self) -> None:
        events = self._events
        if not (self._changed or self._removed or self._statements or events):
            return
        statements = list(self._statements)
        if events and events[0].id // PRUNE_EVERY != self.last_event // PRUNE_EVERY:
            ids = TABLES[EventRecord].c.id
            statements.append(sa.delete(TABLES[EventRecord]).where(ids <= self.last_event - EVENTS_KEPT))
        try:
            self.store.write([*self._changed.values(), *events], self._removed.values(), statements)
        except BaseException:
            self._read()
            raise
        self._forget_changes()
        for event in events:
            for listener in list(self.listeners):
                listener(event)

    def put(self, record: Any) -> None:
        """Keep a record that is new or was changed."""
        self._shelf(record)[_key(record)] = record
        self._removed.pop(id(record), None)
        self._changed[id(record)] = record

    def drop(self, record: Any) -> None:
        self._shelf(record).pop(_key(record), None)
        self._changed.pop(id(record), None)
        self._removed[id(record)] = record

    def also(self, statement: Any) -> None:
        """Run an SQL statement in the transaction of this change."""
        self._statements.append(statement)

    def event(
        self,
        now: float,
        kind: str,
        sentence: str | Mapping[str, str],
        *,
        about: Claim | Ticket | None = None,
        device: str = "",
        level: str = "info",
        detail: dict[str, Any] | None = None,
        **values: Any,
    ) -> None:
        """An event with `sentence` (a key of the catalogues with `{fields}`, or its text in each language)."""
        if isinstance(sentence, str):
            text = {one: in_language(one)(sentence).format(**values) for one in LANGUAGES}
        else:
            text = dict(sentence)
        self.last_event += 1
        event = EventRecord(self.last_event, now, kind, level, text, device=device, detail=detail or {})
        if about is not None:
            event.user, event.server = about.user, about.server
            event.claim, event.ticket = (
                (about.id, about.ticket) if isinstance(about, Claim) else (about.claim, about.id)
            )
        self._events.append(event)
        log.log(_LEVELS[level], "%s: %s", _subject(event), text["en"])

    def _shelf(self, record: Any) -> dict[str, Any]:
        shelves: dict[type, dict[str, Any]] = {
            Claim: self.claims,
            Ticket: self.tickets,
            DeviceRecord: self.devices,
            UseRecord: self.uses,
            ReleaseRecord: self.releases,
        }
        return shelves.get(type(record), {})


_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def _key(record: Any) -> str:
    return str(next(iter(vars(record).values())))


def _subject(event: EventRecord) -> str:
    """Who and what, for the log: `grant ada/train claim 12ab`."""
    server = f"{event.user}/{event.server}" if event.server else event.user
    parts = [event.kind, server, event.claim and f"claim {event.claim}", event.device]
    return " ".join(part for part in parts if part)
