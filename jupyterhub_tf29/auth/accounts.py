"""The store of local accounts: an SQLite file (or any SQLAlchemy URL) that the hub and `tf29hub user` share.

Nothing here knows JupyterHub. Every operation is one short transaction, and the slow work (hashing) is done
outside of it, so that neither process makes the other wait. All methods block: the hub calls them in threads.
"""

from __future__ import annotations

from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from .database import Database
from .errors import AccountError
from .models import NOTE_LENGTH, Account, SignUp, Status, now
from .names import check_name, normalize_name
from .passwords import ARGON2, check_password, generate_password, hash_password, is_outdated, verify_password

MAX_WAITING = 500
"""Sign-ups that wait at once: a disk that anyone can fill from outside is a bad idea."""
MAX_WAITING_PER_NAME = 3
"""Each is tried at sign-in, and each try costs 0.1 s."""


class Outcome(Enum):
    """What a name and a password amount to."""

    WRONG = "wrong"
    """No such name, or not its password: which of the two is not said."""
    ACTIVE = "active"
    DISABLED = "disabled"
    WAITING = "waiting"


class AccountStore:
    """Accounts and sign-ups in one database. Every method raises AccountError where it cannot do its work."""

    def __init__(self, where: str | Path, *, hasher: PasswordHasher = ARGON2) -> None:
        """`where`: the path of an SQLite file, made with mode 0600 where it is missing, or a database URL."""
        self._database = Database(where)
        self._hasher = hasher

    def close(self) -> None:
        """Give the database's connections back."""
        self._database.close()

    # reading

    def get(self, name: str, *, also_removed: bool = False) -> Account | None:
        """The account of that name, also a disabled one; None where there is none."""
        with self._database.reads() as session:
            account = _find(session, normalize_name(name))
            removed = account is not None and account.status == Status.REMOVED
            return None if removed and not also_removed else account

    def accounts(self) -> list[Account]:
        """All accounts but removed ones, by name."""
        with self._database.reads() as session:
            query = select(Account).where(Account.status != Status.REMOVED.value).order_by(Account.name)
            return list(session.scalars(query))

    def waiting(self) -> list[SignUp]:
        """All sign-ups that wait for approval, oldest first."""
        with self._database.reads() as session:
            return list(session.scalars(select(SignUp).order_by(SignUp.created, SignUp.id)))

    def count_waiting(self) -> int:
        """How many sign-ups wait for approval."""
        with self._database.reads() as session:
            return session.scalar(select(func.count(SignUp.id))) or 0

    def taken_names(self) -> dict[str, Status]:
        """Every name that has or had an account."""
        with self._database.reads() as session:
            return {name: Status(status) for name, status in session.execute(select(Account.name, Account.status))}

    def verify(self, name: str, password: str) -> tuple[Outcome, Account | None]:
        """Whether `password` opens the account `name`, which is given back where it does.

        A wrong password and an unknown name take the same work. A right one is hashed anew where today's
        parameters are stronger, and noted as the last sign-in.
        """
        name = normalize_name(name)
        with self._database.reads() as session:
            account = _find(session, name)
            if account is not None and account.status == Status.REMOVED:
                account = None
            query = select(SignUp.password_hash).where(SignUp.name == name).limit(MAX_WAITING_PER_NAME)
            waiting = list(session.scalars(query)) if is_storable(name) else []
        stored = account.password_hash if account else self._nobodys_hash
        if verify_password(stored, password) and account:
            if account.status == Status.DISABLED:
                return Outcome.DISABLED, account
            self._note_sign_in(account, self._hash(password) if is_outdated(stored, self._hasher) else None)
            return Outcome.ACTIVE, account
        matches = [verify_password(password_hash, password) for password_hash in waiting]  # all, always
        return (Outcome.WAITING if any(matches) else Outcome.WRONG), None

    # sign-up

    def sign_up(self, name: str, password: str, note: str = "", address: str = "") -> None:
        """Note that someone asks for an account. Says nothing about whether the name is taken."""
        name = normalize_name(name)
        check_name(name)
        check_password(password, name)
        request = SignUp(name=name, password_hash=self._hash(password), note=_line(note), address=address)
        with self._database.writes() as session:
            if (session.scalar(select(func.count(SignUp.id))) or 0) >= MAX_WAITING:
                raise AccountError("Too many people are waiting for approval. Ask an admin directly.")
            for_name = select(func.count(SignUp.id)).where(SignUp.name == name)
            if (session.scalar(for_name) or 0) < MAX_WAITING_PER_NAME:
                session.add(request)

    def approve(self, name: str, *, by: str, request: int | None = None, reuse: bool = False) -> Account:
        """Make an account of a sign-up, with the password that was chosen there.

        `request`: which one, where several people asked for the name. `reuse`: also a name whose account was
        removed, and with it whatever files were left under it.
        """
        name = normalize_name(name)
        with self._database.writes() as session:
            asked = _sign_ups(session, name, request)
            if len(asked) > 1:
                numbers = ", ".join(str(one.id) for one in asked)
                raise AccountError(
                    "More than one person asks for the name {name}: say which request: {numbers}.",
                    name=name,
                    numbers=numbers,
                )
            account = _new_account(session, name, asked[0].password_hash, by, asked[0].note, reuse)
            session.delete(asked[0])
            return account

    def refuse(self, name: str, *, request: int | None = None) -> int:
        """Drop the sign-ups for `name`, or one of them; the number that was dropped."""
        name = normalize_name(name)
        with self._database.writes() as session:
            asked = _sign_ups(session, name, request)
            for one in asked:
                session.delete(one)
            return len(asked)

    # accounts

    def add(
        self,
        name: str,
        password: str,
        *,
        by: str,
        note: str = "",
        temporary: bool = False,
        make_admin: bool = False,
        reuse: bool = False,
    ) -> Account:
        """A new account that may sign in at once. `temporary`: they are asked to choose another password."""
        name = normalize_name(name)
        check_name(name)
        check_password(password, name)
        password_hash = self._hash(password)
        with self._database.writes() as session:
            account = _new_account(session, name, password_hash, by, _line(note), reuse)
            account.temporary_password, account.make_admin = temporary, make_admin
            return account

    def set_password(self, name: str, password: str, *, temporary: bool = False) -> None:
        """Another password; whoever is signed in with the old one is signed out by the hub."""
        name = normalize_name(name)
        check_password(password, name)
        password_hash = self._hash(password)
        with self._database.writes() as session:
            account = _present(session, name)
            account.password_hash, account.temporary_password = password_hash, temporary
            account.password_changed, account.end_sessions = now(), True

    def disable(self, name: str) -> None:
        """Nobody signs in to this account any more, and the hub signs out whoever is."""
        with self._database.writes() as session:
            account = _present(session, normalize_name(name))
            if account.status == Status.DISABLED:
                raise AccountError("The account {name} is disabled already.", name=account.name)
            account.status, account.end_sessions = Status.DISABLED.value, True

    def enable(self, name: str) -> None:
        """Undo `disable`; the password is what it was."""
        with self._database.writes() as session:
            account = _present(session, normalize_name(name))
            if account.status == Status.ACTIVE:
                raise AccountError("The account {name} is not disabled.", name=account.name)
            account.status = Status.ACTIVE.value

    def remove(self, name: str) -> None:
        """Take the account away. The name is remembered, so that nobody gets its files unnoticed."""
        with self._database.writes() as session:
            account = _present(session, normalize_name(name))
            account.status, account.password_hash, account.note = Status.REMOVED.value, "", ""
            account.end_sessions = True

    def sessions_ended(self, name: str) -> None:
        """The hub did what `end_sessions` asked for."""
        self._update(name, end_sessions=False)

    def made_admin(self, name: str) -> None:
        """The hub did what `make_admin` asked for."""
        self._update(name, make_admin=False)

    # inside

    @cached_property
    def _nobodys_hash(self) -> str:
        """What an unknown name's password is compared with, for the time that it takes."""
        return self._hash(generate_password())

    def _hash(self, password: str) -> str:
        return hash_password(password, self._hasher)

    def _update(self, name: str, **values: Any) -> None:
        with self._database.writes() as session:
            account = _find(session, normalize_name(name))
            for column, value in values.items() if account else ():
                setattr(account, column, value)

    def _note_sign_in(self, account: Account, new_hash: str | None) -> None:
        with self._database.writes() as session:
            stored = session.get(Account, account.id)
            if stored is None:
                return
            stored.last_sign_in = now()
            if new_hash and stored.password_hash == account.password_hash:  # not changed meanwhile
                stored.password_hash = new_hash


def is_storable(name: str) -> bool:
    """Whether a database can be asked about the name at all: no unpaired surrogates, no zeros."""
    return "\0" not in name and not any("\ud800" <= character <= "\udfff" for character in name)


def _find(session: Session, name: str) -> Account | None:
    return session.scalar(select(Account).where(Account.name == name)) if is_storable(name) else None


def _present(session: Session, name: str) -> Account:
    account = _find(session, name)
    if account is None or account.status == Status.REMOVED:
        raise AccountError("There is no account named {name}.", name=name)
    return account


def _sign_ups(session: Session, name: str, request: int | None) -> list[SignUp]:
    """Those who ask for `name`, or the one with that number. Raises AccountError where there is none."""
    query = select(SignUp).where(SignUp.name == name)
    asked = list(session.scalars(query if request is None else query.where(SignUp.id == request)))
    if not asked:
        raise AccountError("Nobody named {name} is waiting for approval.", name=name)
    return asked


def _new_account(session: Session, name: str, password_hash: str, by: str, note: str, reuse: bool) -> Account:
    account = _find(session, name)
    if account is not None and account.status != Status.REMOVED:
        raise AccountError("There is an account named {name} already.", name=name)
    if account is not None and not reuse:
        raise AccountError(
            "The name {name} belonged to an account that was removed, and whoever gets it gets the files left"
            " under it. Say so (--reuse), or choose another name.",
            name=name,
        )
    if account is None:
        account = Account(name=name)
        session.add(account)
    account.password_hash, account.status, account.note, account.approved_by = (
        password_hash,
        "active",
        note,
        by,
    )
    account.created = account.password_changed = now()
    account.last_sign_in, account.temporary_password, account.make_admin = None, False, False
    return account


def _line(text: str) -> str:
    """One line of at most NOTE_LENGTH characters that can be shown anywhere."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:NOTE_LENGTH]


__all__ = ["Account", "AccountStore", "Outcome", "SignUp", "Status"]
