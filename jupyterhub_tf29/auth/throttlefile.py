"""Where the throttle is kept over restarts: a small SQLite file, written behind by a thread of its own.

Names of accounts are in it as keyed hashes only, for people type passwords into the field for the name; the name
itself is kept once somebody has signed in with it. `tf29hub user locks` reads the same file, and leaves word in
it of what it released.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SAVE_EVERY_S = 1.0
"""What a crash can lose; also how soon a release by the command line is noticed."""
FORGET_ROWS_AFTER_S = 31 * 86400.0

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tries (
    kind TEXT NOT NULL, key TEXT NOT NULL, clear TEXT NOT NULL, address TEXT NOT NULL,
    amount REAL NOT NULL, last REAL NOT NULL, locked_until REAL NOT NULL, PRIMARY KEY (kind, key, address));
CREATE TABLE IF NOT EXISTS released (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT NOT NULL);
"""

log = logging.getLogger("tf29hub.throttle")


@dataclass(frozen=True)
class Row:
    """One thing that is remembered. `key`: the account's hash, the address, or both; `amount` None: forgotten."""

    kind: str
    key: tuple[str, ...]
    amount: float | None
    last: float
    locked_until: float
    clear: str = ""
    """The account, where somebody has signed in to it."""


@dataclass(frozen=True)
class LockedRow:
    """A lock as it stands in the file."""

    kind: str
    key: str
    clear: str
    """The account or the address; "" for an account that nobody has ever signed in to."""
    tries: float
    locked_until: float


class ThrottleFile:
    """The Hub's end of the file. Where it cannot be used, that is logged, and the memory alone counts."""

    def __init__(self, path: Path, forget: Callable[[str, str], None]) -> None:
        """`forget(kind, what)` is called, in the thread, for what somebody else released."""
        self._path, self._forget = path, forget
        self._dirty: dict[tuple[str, ...], Row] = {}
        self._mutex = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._key = secrets.token_bytes(32)
        """Until `load` has found the file's own."""
        self._released = 0

    def load(self) -> list[Row]:
        """What was remembered; empty where that cannot be told."""
        try:
            with opened(self._path) as database:
                self._key = _key_of(database)
                self._released = database.execute("SELECT COALESCE(MAX(id), 0) FROM released").fetchone()[0]
                old = time.time() - FORGET_ROWS_AFTER_S
                database.execute("DELETE FROM tries WHERE last < ?", (old,))
                found = database.execute("SELECT kind, key, clear, address, amount, last, locked_until FROM tries")
                return [_row(*columns) for columns in found]
        except (sqlite3.Error, OSError) as error:
            log.error("%s cannot be read, wrong passwords of before count no more: %s", self._path, error)
            return []

    def begin(self) -> None:
        """Save behind from now on."""
        self._thread = threading.Thread(target=self._run, name="throttle", daemon=True)
        self._thread.start()

    def save(self, row: Row) -> None:
        """Note what changed; the newest word about a key is the one that is saved."""
        with self._mutex:
            self._dirty[(row.kind, *row.key)] = row

    def close(self) -> None:
        """Save the rest and end the thread."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(5)

    def hash_of(self, account: str) -> str:
        """What stands for the account in the file."""
        return hash_account(self._key, account)

    # -- the thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        told = False
        while True:
            ended = self._ended.wait(SAVE_EVERY_S)
            try:
                self._exchange()
                told = False
            except (sqlite3.Error, OSError) as error:
                if not told:
                    log.error("%s cannot be written, a restart will forget wrong passwords: %s", self._path, error)
                told = True
            if ended:
                return

    def _exchange(self) -> None:
        with self._mutex:
            rows, self._dirty = self._dirty, {}
        with opened(self._path) as database:
            for kind, key in self._new_releases(database):
                self._forget(kind, key)
                rows = {words: row for words, row in rows.items() if key not in row.key}
            for row in rows.values():
                _write(database, row)

    def _new_releases(self, database: sqlite3.Connection) -> list[tuple[str, str]]:
        query = "SELECT id, kind, key FROM released WHERE id > ? ORDER BY id"
        found = database.execute(query, (self._released,)).fetchall()
        if found:
            self._released = found[-1][0]
        return [(kind, key) for _, kind, key in found]


def _row(kind: str, key: str, clear: str, address: str, amount: float, last: float, until: float) -> Row:
    whole = (key,) if kind in ("account", "address") else (key, address)
    return Row(kind, whole, amount, last, until, clear)


def _write(database: sqlite3.Connection, row: Row) -> None:
    address = "" if row.kind == "account" else row.key[-1]
    if row.amount is None:
        query = "DELETE FROM tries WHERE kind = ? AND key = ? AND address = ?"
        database.execute(query, (row.kind, row.key[0], address))
        return
    query = "INSERT OR REPLACE INTO tries VALUES (?, ?, ?, ?, ?, ?, ?)"
    values = (row.kind, row.key[0], row.clear, address, row.amount, row.last, row.locked_until)
    database.execute(query, values)


def hash_account(key: bytes, account: str) -> str:
    """A keyed hash: who reads over somebody's shoulder, or a backup, sees no mistyped password."""
    return hashlib.blake2b(account.encode("utf-8", "surrogatepass"), key=key, digest_size=16).hexdigest()


def locked_rows(path: Path, candidates: list[str]) -> list[LockedRow]:
    """The locks that hold now; accounts by name where they are among `candidates` or have signed in before."""
    if not path.exists():
        return []
    with opened(path) as database:
        secret = _key_of(database)
        names = {hash_account(secret, account): account for account in candidates}
        names |= dict(database.execute("SELECT key, clear FROM tries WHERE kind = 'known'"))
        query = (
            "SELECT kind, key, amount, locked_until FROM tries WHERE kind IN ('account', 'address') "
            "AND locked_until > ? ORDER BY locked_until"
        )
        return [
            LockedRow(kind, key, names.get(key, "") if kind == "account" else key, amount, until)
            for kind, key, amount, until in database.execute(query, (time.time(),))
        ]


def release_row(path: Path, row: LockedRow) -> None:
    """End a lock; a hub that runs notices within SAVE_EVERY_S."""
    with opened(path) as database:
        column = "key" if row.kind == "account" else "address"
        query = f"DELETE FROM tries WHERE kind IN (?, 'pair') AND {column} = ?"  # noqa: S608  (one of two words)
        database.execute(query, (row.kind, row.key))
        database.execute("INSERT INTO released (kind, key) VALUES (?, ?)", (row.kind, row.key))


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """One transaction on the file, which is made for its owner alone. Raises sqlite3.Error, OSError."""
    if not path.exists():  # else not even opened: closing it here would give up SQLite's locks
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    folder, file = path.parent.stat(), path.stat()
    if os.geteuid() == 0 and file.st_uid != folder.st_uid:
        os.chown(path, folder.st_uid, folder.st_gid)  # made by root, but it is the hub's
    database = sqlite3.connect(path, timeout=10)
    try:
        with database:
            database.executescript(_TABLES)
            yield database
    finally:
        database.close()


def _key_of(database: sqlite3.Connection) -> bytes:
    made = json.dumps(secrets.token_hex(32))
    database.execute("INSERT OR IGNORE INTO meta VALUES ('key', ?)", (made,))
    return bytes.fromhex(json.loads(database.execute("SELECT value FROM meta WHERE key = 'key'").fetchone()[0]))
