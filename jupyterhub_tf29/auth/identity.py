"""Whose a name is: each name of the hub belongs to one person of one method, from their first sign-in on.

Prefixes keep methods apart (`octocat`, `github:octocat`). What they cannot see is time: a login that its owner
gave up and another person took, a name of the directory that was handed on, methods put in another order in
hub.yaml. So the hub also remembers who came first, by what never changes at their provider (a GitHub account's
number, a directory's entryUUID, an OpenID Connect `sub`):

- who is known keeps their name here, and with it their files, also when they were renamed there;
- who comes under a name that is another's is refused.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from .database import Database
from .models import Account, Identity

LOCAL = "local"


class NameTaken(Exception):
    """The name belongs to somebody else; `owner` is the method that they come by."""

    def __init__(self, name: str, owner: str) -> None:
        super().__init__(f"the name {name} belongs to somebody who signs in by {owner}")
        self.name, self.owner = name, owner


class IdentityStore:
    """The table of who is who, beside the local accounts. All methods block: the hub calls them in threads."""

    def __init__(self, where: str | Path) -> None:
        """`where`: as for AccountStore. Raises StoreError."""
        self._database = Database(where)

    def close(self) -> None:
        """Give the database's connections back."""
        self._database.close()

    def claim(self, name: str, method: str, subject: str, *, known: bool = False) -> str:
        """The hub's name of the person `subject` of `method`, who would be `name` if they were new.

        `known`: the hub has a user of that name already. Raises NameTaken.
        """
        with self._database.reads() as session:  # the common case needs no writing
            found = _of_person(session, method, subject)
            if found is not None:
                return found.name
        with self._database.writes() as session:
            found = _of_person(session, method, subject)
            if found is not None:
                return found.name
            holder = _of_name(session, name)
            if holder is None:
                _refuse_accounts_of_before(session, name, method, known)
                session.add(Identity(name=name, method=method, subject=subject))
            elif holder.method == method and holder.subject is None:
                holder.subject = subject
            else:
                raise NameTaken(name, holder.method)
            return name

    def method_of(self, name: str) -> str | None:
        """By which method the user `name` comes; None for one who has not come yet."""
        with self._database.reads() as session:
            found = _of_name(session, name)
            return found.method if found else None

    def subject_of(self, name: str) -> str | None:
        """Who `name` is at their method; None for one who has not come yet."""
        with self._database.reads() as session:
            found = _of_name(session, name)
            return found.subject if found else None

    def all(self) -> list[Identity]:
        """Everybody who ever came in, by name."""
        with self._database.reads() as session:
            return list(session.scalars(select(Identity).order_by(Identity.name)))

    def give(self, name: str, method: str) -> None:
        """Whoever comes next by `method` under the name gets it, and the files under it."""
        with self._database.writes() as session:
            holder = _of_name(session, name)
            if holder is None:
                session.add(Identity(name=name, method=method, subject=None))
            else:
                holder.method, holder.subject = method, None

    def forget(self, name: str) -> bool:
        """Whoever comes next under the name gets it; False where nobody had it."""
        with self._database.writes() as session:
            holder = _of_name(session, name)
            if holder is not None:
                session.delete(holder)
            return holder is not None


def _refuse_accounts_of_before(session: Session, name: str, method: str, known: bool) -> None:
    """A user with a local account who came before this table was kept, or before their first sign-in since."""
    if known and method != LOCAL and session.scalar(select(Account.id).where(Account.name == name)):
        raise NameTaken(name, LOCAL)


def _of_person(session: Session, method: str, subject: str) -> Identity | None:
    query = select(Identity).where(Identity.method == method, Identity.subject == subject)
    return session.scalar(query)


def _of_name(session: Session, name: str) -> Identity | None:
    return session.scalar(select(Identity).where(Identity.name == name))
