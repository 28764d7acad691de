"""The database under the accounts: how it is opened, by two processes at once, and for its owner's eyes only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, DatabaseError, IntegrityError
from sqlalchemy.orm import Session

from .errors import AccountError, StoreError
from .models import Base

_BUSY_TIMEOUT_MS = 10_000
"""How long one process waits for the other's transaction; each takes milliseconds."""


class Database:
    """Short transactions on an SQLite file or any SQLAlchemy URL. Raises StoreError where it cannot be used."""

    def __init__(self, where: str | Path) -> None:
        self._engine = _engine(where)
        self._writing = self._engine.execution_options(tf29_writing=True)
        try:
            Base.metadata.create_all(self._writing)
        except DatabaseError as error:
            raise StoreError("{where}: cannot be used: {cause}", where=where, cause=error.orig) from error

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    @contextmanager
    def reads(self) -> Iterator[Session]:
        """A session that only looks; what it read stays usable afterwards."""
        with Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writes(self) -> Iterator[Session]:
        """A session that is committed at the end, or not at all."""
        try:
            with Session(self._writing, expire_on_commit=False) as session, session.begin():
                yield session
        except IntegrityError as error:  # two at once on a database without locks: its constraint decided
            raise AccountError("Someone else changed this account at the same moment. Try again.") from error


def _engine(where: str | Path) -> Engine:
    if "://" in str(where):
        try:
            engine = create_engine(str(where), pool_pre_ping=True)
        except (ArgumentError, ImportError) as error:
            raise StoreError("{where}: cannot be used: {cause}", where=where, cause=error) from error
    else:
        _prepare_file(Path(where))
        engine = create_engine(f"sqlite:///{where}")
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_file(path: Path) -> None:
    """Make the file, for its owner's eyes only, before SQLite makes it for everyone's.

    Where root makes it, it belongs to the owner of its folder, which is the hub's account. One that is there is
    not even opened: closing any descriptor of a file gives up all locks that this process has on it, SQLite's
    too, and the next process to close the database would then take its log away from under us.
    """
    try:
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        folder, file = path.parent.stat(), path.stat()
        if os.geteuid() == 0 and file.st_size == 0 and file.st_uid != folder.st_uid:
            os.chown(path, folder.st_uid, folder.st_gid)
        if file.st_mode & 0o077:
            path.chmod(0o600)
    except FileNotFoundError:
        raise StoreError("{path}: its folder does not exist", path=path) from None
    except OSError as error:
        raise StoreError("{path}: {cause}", path=path, cause=error.strerror) from error


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver's guess
    for pragma in (f"busy_timeout = {_BUSY_TIMEOUT_MS}", "journal_mode = WAL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:
    """A writer takes its lock before it reads: one that has read already cannot wait for it, only fail."""
    writing = connection.get_execution_options().get("tf29_writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
