"""What slows guessing down: a growing delay, and locks that end by themselves.

- For each account *and* address: after a few wrong passwords each further try waits, 2 s, 4 s, … up to a minute.
- For each address, over all accounts: a lock, for who tries one password on many names.
- For each account, over all addresses: a lock, for who tries from many addresses. It does not hold for addresses
  from which the account was signed in to before, nor for this machine's own (an SSH tunnel): nobody can lock
  another person out, the admin least of all.

What it answers depends on tries alone and never on whether there is such an account. It decides in memory, where
the Hub's event loop asks it; `throttlefile` saves it behind.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..audit.trail import record
from .lockout_settings import Lockout
from .throttlefile import Row, ThrottleFile

FREE_TRIES = 4
"""Wrong passwords before the first delay: people mistype, and try their other password."""
LONGEST_DELAY_S = 60.0
"""At this pace one address gets through some 1,400 guesses a day at one account."""
FORGET_AFTER_S = 15 * 60.0
MAX_REMEMBERED = 10_000
"""Of each kind; the oldest go first."""
BUCKET_EMPTIES_IN_S = 3600.0
"""So long after the last try all tries at an account, or from an address, are forgotten."""
KNOWN_FOR_S = 30 * 86400.0
"""How long an address stays known to an account after a sign-in."""

Kind = Literal["account", "address"]


@dataclass
class _Tries:
    count: int
    last: float


@dataclass
class _Bucket:
    """Tries that leak away: `level` of them at the time `last`."""

    level: float = 0.0
    last: float = 0.0
    locked_until: float = 0.0

    def add(self, amount: float, now: float, capacity: float) -> None:
        self.level = max(0.0, self.level - (now - self.last) * capacity / BUCKET_EMPTIES_IN_S) + amount
        self.level, self.last = max(0.0, self.level), now


@dataclass(frozen=True)
class Lock:
    """One lock that holds now."""

    kind: Kind
    what: str
    """`method:name` of an account, "" where nobody has ever signed in to it; an address, of IPv6 its /64."""
    id: str
    """For `release`."""
    seconds: float
    """Until it ends by itself."""
    tries: int


@dataclass
class _Book:
    """All that is remembered; accounts by their ids, see `Throttle._id`."""

    pairs: dict[tuple[str, str], _Tries] = field(default_factory=dict)
    buckets: dict[tuple[Kind, str], _Bucket] = field(default_factory=dict)
    known: dict[tuple[str, str], float] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """Id → account, of those that somebody has signed in to."""


class Throttle:
    """Counts tries. Its methods take microseconds and may be called from any thread."""

    def __init__(
        self,
        clock: Callable[[], float] | None = None,
        *,
        path: Path | None = None,
        settings: Lockout | None = None,
    ) -> None:
        """`clock` gives seconds since 1970. `path`: where it is kept over restarts; None: nowhere."""
        self._clock = clock or time.time
        self._settings = settings or Lockout()
        self._book = _Book()
        self._mutex = threading.Lock()
        self._file = ThrottleFile(path, self._forget) if path is not None else None
        if self._file is not None:
            for row in self._file.load():
                self._take(row)
            self._file.begin()

    def attempt(self, account: str, address: str) -> float:
        """0 where a try may be made now, and it is counted; else the seconds to wait, and nothing changes.

        It counts before the outcome is known, so that a hundred tries at once are not one.
        """
        account, address = account[:256], network_of(address)
        key = self._id(account)
        with self._mutex:
            now = self._clock()
            wait = max(self._pair_wait(key, address, now), self._lock_wait(key, address, now))
            locked = self._count(key, address, now) if wait <= 0 else []
        for kind in locked:
            self._tell_lock(kind, account, address)
        return wait

    def succeeded(self, account: str, address: str) -> None:
        """The password was right: the try does not count, and the address is known from now on."""
        name, address = account[:256], network_of(address)
        account = self._id(name)
        with self._mutex:
            now = self._clock()
            self._book.names[account] = name
            self._book.pairs.pop((account, address), None)
            self._changed("pair", account, address)
            for kind, what, capacity in self._both(account, address):
                bucket = self._book.buckets.get((kind, what))
                if bucket is not None:
                    bucket.add(-1, now, capacity)
                    self._changed(kind, what)
            self._book.known.pop((account, address), None)
            self._book.known[account, address] = now
            _keep_newest(self._book.known)
            self._changed("known", account, address)

    def locks(self) -> list[Lock]:
        """Those that hold now, the longest first."""
        with self._mutex:
            now = self._clock()
            names = self._book.names
            found = [
                Lock(
                    kind,
                    names.get(key, "") if kind == "account" else key,
                    key,
                    bucket.locked_until - now,
                    round(bucket.level),
                )
                for (kind, key), bucket in self._book.buckets.items()
                if bucket.locked_until > now
            ]
        return sorted(found, key=lambda lock: -lock.seconds)

    def release(self, kind: Kind, key: str) -> bool:
        """End the lock with that id and forget its tries; whether there was anything to forget."""
        with self._mutex:
            return self._release(kind, key)

    def close(self) -> None:
        """Save what is not saved yet."""
        if self._file is not None:
            self._file.close()

    # -- inside, with the mutex held ---------------------------------------------------------------------------

    def _id(self, account: str) -> str:
        """What stands for an account in the book and in its file, which is not to hold mistyped passwords."""
        return self._file.hash_of(account) if self._file is not None else account

    def _both(self, account: str, address: str) -> list[tuple[Kind, str, int]]:
        settings = self._settings
        accounts: list[tuple[Kind, str, int]] = [("account", account, settings.account_tries)]
        return accounts if is_this_machine(address) else [*accounts, ("address", address, settings.address_tries)]

    def _pair_wait(self, account: str, address: str, now: float) -> float:
        tries = self._book.pairs.get((account, address))
        if tries is None or now - tries.last > FORGET_AFTER_S:
            return 0.0
        return max(0.0, tries.last + _delay(tries.count) - now)

    def _lock_wait(self, account: str, address: str, now: float) -> float:
        if is_this_machine(address):
            return 0.0
        waits = [self._left("address", address, now)]
        if now - self._book.known.get((account, address), float("-inf")) > KNOWN_FOR_S:
            waits.append(self._left("account", account, now))
        return max(waits)

    def _left(self, kind: Kind, what: str, now: float) -> float:
        bucket = self._book.buckets.get((kind, what))
        return max(0.0, bucket.locked_until - now) if bucket else 0.0

    def _count(self, account: str, address: str, now: float) -> list[Kind]:
        """Count a try; the locks that come of it."""
        tries = self._book.pairs.pop((account, address), None)  # put back as the newest
        if tries is None or now - tries.last > FORGET_AFTER_S:
            tries = _Tries(0, now)
        self._book.pairs[account, address] = _Tries(tries.count + 1, now)
        _keep_newest(self._book.pairs)
        self._changed("pair", account, address)
        locked: list[Kind] = []
        for kind, what, capacity in self._both(account, address):
            bucket = self._book.buckets.pop((kind, what), None) or _Bucket(last=now)
            bucket.add(1, now, capacity)
            if bucket.level > capacity:
                bucket.locked_until = now + self._settings.lock
                locked.append(kind)
            self._book.buckets[kind, what] = bucket
            _keep_newest(self._book.buckets)
            self._changed(kind, what)
        return locked

    def _release(self, kind: Kind, what: str) -> bool:
        bucket = self._book.buckets.pop((kind, what), None)
        place = 0 if kind == "account" else 1
        pairs = [pair for pair in self._book.pairs if pair[place] == what]
        for pair in pairs:
            del self._book.pairs[pair]
            self._changed("pair", *pair)
        self._changed(kind, what)
        return bucket is not None or bool(pairs)

    def _tell_lock(self, kind: Kind, account: str, address: str) -> None:
        method, _, name = account.partition(":")
        whom = {"method": method, "name": name} if kind == "account" else {}
        record("lock", reason=kind, address=address, seconds=self._settings.lock, **whom)

    # -- kept over restarts ------------------------------------------------------------------------------------

    def _changed(self, kind: str, *key: str) -> None:
        if self._file is not None:
            self._file.save(self._row(kind, key))

    def _row(self, kind: str, key: tuple[str, ...]) -> Row:
        book = self._book
        if kind == "pair":
            tries = book.pairs.get((key[0], key[1]))
            return Row(kind, key, tries.count if tries else None, tries.last if tries else 0.0, 0.0)
        if kind == "known":
            return Row(kind, key, 1, book.known[key[0], key[1]], 0.0, book.names.get(key[0], ""))
        bucket = book.buckets.get((kind, key[0]))  # type: ignore[arg-type]
        return (
            Row(kind, key, bucket.level, bucket.last, bucket.locked_until)
            if bucket
            else Row(kind, key, None, 0, 0)
        )

    def _take(self, row: Row) -> None:
        """A row of the file, at the start."""
        amount = row.amount or 0
        if row.kind == "pair":
            self._book.pairs[row.key[0], row.key[1]] = _Tries(int(amount), row.last)
        elif row.kind == "known":
            self._book.known[row.key[0], row.key[1]] = row.last
            self._book.names[row.key[0]] = row.clear
        elif row.kind in ("account", "address"):
            self._book.buckets[row.kind, row.key[0]] = _Bucket(amount, row.last, row.locked_until)  # type: ignore[index]

    def _forget(self, kind: str, what: str) -> None:
        """Released by somebody else, in the file."""
        with self._mutex:
            self._release("account" if kind == "account" else "address", what)


def _keep_newest(book: dict[Any, Any]) -> None:
    while len(book) > MAX_REMEMBERED:
        del book[next(iter(book))]


def _delay(tries: int) -> float:
    """Seconds to wait after so many tries: 0 for the first ones, then 2, 4, 8, … up to the longest."""
    if tries < FREE_TRIES:
        return 0.0
    return min(LONGEST_DELAY_S, 2.0 ** min(tries - FREE_TRIES + 1, 10))


def network_of(address: str) -> str:
    """What counts as one address: of IPv6 the /64, which one subscriber has whole."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if parsed.version == 6 and not parsed.is_loopback:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address


def is_this_machine(address: str) -> bool:
    """Whether a try comes from this machine itself: through an SSH tunnel, say."""
    try:
        return ipaddress.ip_network(address, strict=False).is_loopback
    except ValueError:
        return False
