"""The broker's SQLite file: rows of the records, written in one transaction for each thing that happens.

A `kill -9` at any moment leaves what was before or what was after, never half. Whoever deletes the file loses the
line and the accounts; what runs is found again by the containers' labels.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from .records import Claim, DeviceRecord, EventRecord, Holding, ReleaseRecord, Ticket, UseRecord

SCHEMA_VERSION = 1
_BUSY_TIMEOUT_MS = 10_000

Record = TypeVar("Record")


class StoreProblem(Exception):
    """The store cannot be used; the text says which file and why."""


def _columns(record: type) -> Iterable[sa.Column[Any]]:
    """One column for each field of a dataclass; the first is the key. A new field needs a default, and no more."""
    hints = get_type_hints(record)
    kinds: dict[Any, Any] = {str: sa.Text, float: sa.Float, int: sa.Integer}
    for number, one in enumerate(fields(record)):
        yield sa.Column(one.name, kinds.get(hints[one.name], sa.JSON), primary_key=number == 0)


_METADATA = sa.MetaData()
TABLES: dict[type, sa.Table] = {
    record: sa.Table(name, _METADATA, *_columns(record))
    for record, name in (
        (Claim, "claims"),
        (Ticket, "tickets"),
        (DeviceRecord, "devices"),
        (Holding, "holdings"),
        (UseRecord, "uses"),
        (ReleaseRecord, "releases"),
        (EventRecord, "events"),
    )
}
USAGE = sa.Table(
    "usage",
    _METADATA,
    sa.Column("month", sa.Text, primary_key=True),
    sa.Column("user", sa.Text, primary_key=True),
    sa.Column("group", sa.Text, primary_key=True),
    sa.Column("gpu_seconds", sa.Float, nullable=False),
    sa.Column("claims", sa.Integer, nullable=False),
)
"""What was given back, by month (`2026-11`, UTC). It is kept for ever; holdings are pruned."""

MINUTES = sa.Table(
    "minutes",
    _METADATA,
    sa.Column("uuid", sa.Text, primary_key=True),
    sa.Column("time", sa.Float, primary_key=True),
    sa.Column("used_mib", sa.Integer, nullable=False),
    sa.Column("utilisation", sa.Integer),
    sa.Column("temperature", sa.Integer),
)
"""The highest figures of each device in each minute."""

_META = sa.Table("meta", _METADATA, sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text))
sa.Index("holdings_by_end", TABLES[Holding].c.end)
sa.Index("minutes_by_time", MINUTES.c.time)


class Store:
    """Reads everything at the start and writes what changed. Raises StoreProblem where the file cannot be used."""

    def __init__(self, path: Path | None) -> None:
        """`path` None keeps it in memory, for tests."""
        self.path = path
        if path is not None:
            _make_private(path)
        self._engine = sa.create_engine(
            f"sqlite:///{path}" if path else "sqlite://", poolclass=sa.StaticPool, connect_args=_CONNECT
        )
        sa.event.listen(self._engine, "connect", _set_up)
        try:
            _METADATA.create_all(self._engine)
            self._add_new_columns()
        except sa.exc.DatabaseError as error:
            raise StoreProblem(f"{path}: cannot be used: {error.orig}") from error

    def close(self) -> None:
        self._engine.dispose()

    def all(self, record: type[Record], where: Any = None, limit: int | None = None) -> list[Record]:
        """All rows of a kind of record, in the order of their keys; `where` is an SQLAlchemy condition."""
        table = TABLES[record]
        query = sa.select(table).order_by(next(iter(table.primary_key)))
        if where is not None:
            query = query.where(where)
        with self._engine.connect() as connection:
            return [_made(record, row) for row in connection.execute(query.limit(limit)).mappings()]

    def rows(self, query: Any) -> list[Any]:
        """The answer to any query, as mappings."""
        with self._engine.connect() as connection:
            return list(connection.execute(query).mappings())

    def write(
        self,
        changed: Iterable[Any] = (),
        removed: Iterable[Any] = (),
        statements: Iterable[Any] = (),
    ) -> None:
        """Insert or replace `changed` records, delete `removed` ones, run `statements`: all of it or nothing."""
        rows: dict[sa.Table, list[dict[str, Any]]] = {}
        for record in changed:
            rows.setdefault(TABLES[type(record)], []).append(vars(record))
        with self._engine.begin() as connection:
            for table, values in rows.items():
                connection.execute(_upsert(table), values)
            for record in removed:
                table = TABLES[type(record)]
                key = next(iter(table.primary_key))
                connection.execute(sa.delete(table).where(key == getattr(record, key.name)))
            for statement in statements:
                connection.execute(statement)

    def _add_new_columns(self) -> None:
        """A newer version's records have more fields: give the older file's tables their columns."""
        inspector = sa.inspect(self._engine)
        with self._engine.begin() as connection:
            for table in _METADATA.tables.values():
                there = {column["name"] for column in inspector.get_columns(table.name)}
                for column in table.columns:
                    if column.name not in there:
                        kind = column.type.compile(self._engine.dialect)
                        connection.execute(sa.text(f'ALTER TABLE {table.name} ADD COLUMN "{column.name}" {kind}'))


def add_usage(month: str, user: str, group: str, gpu_seconds: float, claims: int) -> Any:
    """A statement for `Store.write` that adds to one row of the accounts."""
    statement = insert(USAGE).values(month=month, user=user, group=group, gpu_seconds=gpu_seconds, claims=claims)
    return statement.on_conflict_do_update(
        index_elements=[USAGE.c.month, USAGE.c.user, USAGE.c.group],
        set_={"gpu_seconds": USAGE.c.gpu_seconds + gpu_seconds, "claims": USAGE.c.claims + claims},
    )


def put_minutes(rows: list[dict[str, Any]]) -> Any:
    """A statement for `Store.write` that keeps figures of one minute."""
    return insert(MINUTES).values(rows).on_conflict_do_nothing()


_CONNECT = {"check_same_thread": False}
"""The broker uses its store from its one event loop; tests look into it from where they run."""

_upserts: dict[sa.Table, Any] = {}


def _upsert(table: sa.Table) -> Any:
    if table not in _upserts:
        _upserts[table] = sa.insert(table).prefix_with("OR REPLACE")
    return _upserts[table]


def _made(record: type[Record], row: Mapping[Any, Any]) -> Record:
    """A row as a record; a column that an older version left empty has the field's default."""
    known = {}
    for one in fields(record):  # type: ignore[arg-type]
        value = row[one.name]
        if value is None and one.default is not MISSING:
            value = one.default
        elif value is None and one.default_factory is not MISSING:
            value = one.default_factory()
        known[one.name] = value
    return record(**known)


def _make_private(path: Path) -> None:
    """Make the file for its owner's eyes only, before SQLite makes it for everyone's."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise StoreProblem(f"{path}: {error.strerror}") from error


def _set_up(connection: Any, _record: Any) -> None:
    for pragma in (f"busy_timeout = {_BUSY_TIMEOUT_MS}", "journal_mode = WAL", "synchronous = NORMAL"):
        connection.execute(f"PRAGMA {pragma}")
