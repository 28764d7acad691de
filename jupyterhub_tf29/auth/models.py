"""The tables of local accounts."""

from __future__ import annotations

from datetime import datetime, timezone
from enum import Enum
from typing import Any, ClassVar

from sqlalchemy import DateTime, Dialect, String, TypeDecorator, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NOTE_LENGTH = 200
"""Characters of what a person says about themselves when they ask for an account."""


class Status(str, Enum):
    """Where an account stands; someone who still waits for approval has a `SignUp` and no account."""

    ACTIVE = "active"
    DISABLED = "disabled"
    REMOVED = "removed"
    """Kept as a name only: who gets this name next gets the files that were left under it."""


class _UtcDateTime(TypeDecorator[datetime]):
    """Aware times in UTC, also on SQLite, which forgets the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(timezone.utc) if value else None

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=timezone.utc) if value and value.tzinfo is None else value


def now() -> datetime:
    """To the second: nobody reads more, and databases differ in what they keep."""
    return datetime.now(timezone.utc).replace(microsecond=0)


class Base(DeclarativeBase):
    """All tables of the accounts' database."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: _UtcDateTime}


class Account(Base):
    """Someone who may sign in, or could."""

    __tablename__ = "account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    """Normalised, see `names`."""
    password_hash: Mapped[str] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(16), default=Status.ACTIVE.value)
    note: Mapped[str] = mapped_column(String(NOTE_LENGTH), default="")
    created: Mapped[datetime] = mapped_column(default=now)
    approved_by: Mapped[str] = mapped_column(String(255), default="")
    password_changed: Mapped[datetime] = mapped_column(default=now)
    last_sign_in: Mapped[datetime | None] = mapped_column(default=None)
    temporary_password: Mapped[bool] = mapped_column(default=False)
    """Made up for them by someone else: at sign-in they are asked to choose their own."""
    make_admin: Mapped[bool] = mapped_column(default=False)
    """The hub makes them an admin at their next sign-in; from then on its own database says who is one."""
    end_sessions: Mapped[bool] = mapped_column(default=False)
    """The hub still has to end what was signed in before the password changed or the account was disabled."""


class SignUp(Base):
    """Someone who asked for an account.

    Kept apart from accounts, so that asking for a name that is taken looks the same as asking for a free one,
    and so that nobody can sit on another's name by asking first.
    """

    __tablename__ = "sign_up"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255), index=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    note: Mapped[str] = mapped_column(String(NOTE_LENGTH), default="")
    address: Mapped[str] = mapped_column(String(64), default="")
    created: Mapped[datetime] = mapped_column(default=now)


class Identity(Base):
    """Whose a name of the hub is: the first who came in under it, by which method, and who they are there."""

    __tablename__ = "identity"
    __table_args__ = (UniqueConstraint("method", "subject"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    """The hub's name, prefix included."""
    method: Mapped[str] = mapped_column(String(64))
    """`name` of the method in hub.yaml."""
    subject: Mapped[str | None] = mapped_column(String(512))
    """What stays when they are renamed there; None until they come for the first time."""
    created: Mapped[datetime] = mapped_column(default=now)
