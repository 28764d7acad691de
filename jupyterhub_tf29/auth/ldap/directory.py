"""What the hub asks of a directory: whether a password is right, who somebody is, which groups they are in.

Names that people type become parts of filters and DNs here; each is escaped, so that it is a value and nothing
else. Everything blocks: the hub calls it in threads.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass, field
from typing import Any

from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import escape_rdn

from ..ldap_settings import LdapMethod
from .membership import Group, groups_of
from .servers import Connection, DirectoryDown, Servers, Session

Entry = tuple[str, dict[str, list[bytes]]]

log = logging.getLogger("tf29hub.ldap")


class Unusable(Exception):
    """The directory's answer does not make a person; the text says why, for the admin."""


@dataclass(frozen=True)
class Person:
    """Somebody as the directory has them."""

    dn: str
    name: str
    """The value of `username_attribute`."""
    subject: str
    """What stays when they are renamed: `id_attribute`, else the DN."""
    locked: bool
    groups: list[Group] = field(default_factory=list)


@dataclass(frozen=True)
class Wrong:
    """No such person, or not their password."""

    locked: bool = False
    """The directory says that the account is locked: for the log alone, since anyone can have typed the name."""


class Directory:
    """One method of hub.yaml. Raises DirectoryDown and Unusable."""

    def __init__(self, settings: LdapMethod, search_password: str = "", tls: dict[str, Any] | None = None) -> None:
        """`search_password` belongs to `settings.search_dn`; `tls` goes to ldap3."""
        self._settings, self._search_password = settings, search_password
        self._servers = Servers(settings, tls)

    @property
    def can_look_again(self) -> bool:
        """Whether it can be asked about somebody without their password."""
        return bool(self._settings.search_dn) or self._settings.users is not None

    def sign_in(self, typed: str, password: str) -> Person | Wrong:
        """The person who typed that name and that password."""
        if not typed or not password:  # no password is no wrong one to LDAP: it lets anybody in as nobody
            return Wrong()
        bind = self._search_and_bind if self._settings.users else self._bind
        return self._servers.ask(lambda session: bind(session, typed, password))

    def look_up(self, subject: str, name: str) -> Person | None:
        """Somebody who was here before, by what stays, or by name where nothing is known to stay; None: gone."""
        return self._servers.ask(lambda session: self._look_up(session, subject, name))

    # for those who set it up

    def greet(self) -> None:
        """Whether a server answers, is who it should be, and takes the search account."""
        if self.can_look_again:
            self._servers.ask(self._searcher)
        else:
            self._servers.ask(lambda session: session.bind("", ""))  # refused or not: it has answered

    def has_group(self, group: str) -> bool:
        """Whether there is a group of that name or DN; without `groups` in hub.yaml there is none."""
        settings = self._settings.groups
        if settings is None:
            return False
        by_name = f"({settings.attribute}={escape_filter_chars(group)})"

        def look(session: Session) -> bool:
            reader = self._searcher(session)
            if "=" in group and reader.search(group, "(objectClass=*)", ["1.1"], whole_tree=False, most=1):
                return True
            return bool(reader.search(settings.base, by_name, ["1.1"], whole_tree=True, most=1))

        return self._servers.ask(look)

    # the two ways in

    def _search_and_bind(self, session: Session, typed: str, password: str) -> Person | Wrong:
        searcher, users = self._searcher(session), self._settings.users
        condition = users.filter.replace("{username}", escape_filter_chars(typed)) if users else ""
        base = users.base if users else ""
        entry = self._only_one(searcher, base, condition)
        dn = entry[0] if entry else f"cn=nobody-{secrets.token_hex(8)},{base}"
        # the same questions for a name that nobody has: the time that they take must not tell
        if session.bind(dn, password) is None or entry is None:
            return Wrong(locked=self._is_locked(searcher, dn))
        return self._person(searcher, entry)

    def _bind(self, session: Session, typed: str, password: str) -> Person | Wrong:
        for template in self._settings.bind_templates:
            dn = template.replace("{username}", escape_rdn(typed))
            own = session.bind(dn, password)
            if own is None:
                continue
            reader = self._searcher(session) if self._settings.search_dn else own
            found = reader.search(dn, "(objectClass=*)", self._attributes, whole_tree=False, most=1)
            if not found:
                raise Unusable("a person's own entry cannot be read after they signed in: give search_dn")
            return self._person(reader, found[0])
        return Wrong()

    def _searcher(self, session: Session) -> Connection:
        connection = session.bind(self._settings.search_dn, self._search_password)
        if connection is None:
            raise DirectoryDown(f"the password of search_dn {self._settings.search_dn!r} is refused")
        return connection

    # who somebody is

    @property
    def _attributes(self) -> list[str]:
        return [self._settings.username_attribute, self._settings.id_attribute]

    def _only_one(self, searcher: Connection, base: str, condition: str) -> Entry | None:
        found = searcher.search(base, condition, self._attributes, whole_tree=True, most=2)
        if len(found) > 1:
            dns = " and ".join(repr(dn) for dn, _ in found)
            log.error("Nobody can sign in by a name that fits both %s: make users.filter tell them apart", dns)
            return None
        return found[0] if found else None

    def _person(self, reader: Connection, entry: Entry) -> Person:
        dn, attributes = entry
        wanted = self._settings.username_attribute
        names = [value.decode("utf-8", errors="replace") for value in attributes.get(wanted.lower(), [])]
        if len(names) != 1:
            raise Unusable(f"{dn}: expected one value of {wanted}, found {len(names)}: choose username_attribute")
        ids = attributes.get(self._settings.id_attribute.lower(), [])
        locked = self._is_locked(reader, dn)
        groups = groups_of(reader, self._settings.groups, dn, names[0]) if self._settings.groups else []
        return Person(dn, names[0], _subject(ids[0]) if ids else f"dn:{dn}", locked, groups)

    def _is_locked(self, reader: Connection, dn: str) -> bool:
        locked = self._settings.locked_filter
        return bool(locked) and bool(reader.search(dn, locked, ["1.1"], whole_tree=False, most=1))

    def _look_up(self, session: Session, subject: str, name: str) -> Person | None:
        reader, dn = self._searcher(session), ""
        if subject.startswith("dn:"):
            dn = subject.removeprefix("dn:")
        elif not self._settings.users and not subject:
            dn = self._settings.bind_templates[0].replace("{username}", escape_rdn(name))
        if dn:
            found = reader.search(dn, "(objectClass=*)", self._attributes, whole_tree=False, most=1)
            return self._person(reader, found[0]) if found else None
        attribute, value = self._settings.username_attribute, escape_filter_chars(name)
        if subject:
            attribute, value = self._settings.id_attribute, _filter_value(subject)
        for base in self._bases:
            entry = self._only_one(reader, base, f"({attribute}={value})")
            if entry is not None:
                return self._person(reader, entry)
        return None

    @property
    def _bases(self) -> list[str]:
        if self._settings.users:
            return [self._settings.users.base]
        return [_parent(template) for template in self._settings.bind_templates]


def _subject(value: bytes) -> str:
    """An entryUUID as it is, an objectGUID in hexadecimal."""
    try:
        text = value.decode("ascii")
    except UnicodeDecodeError:
        return f"hex:{value.hex()}"
    return text if text.isprintable() else f"hex:{value.hex()}"


def _filter_value(subject: str) -> str:
    if subject.startswith("hex:"):
        return "".join(f"\\{byte:02x}" for byte in bytes.fromhex(subject.removeprefix("hex:")))
    return escape_filter_chars(subject)


def _parent(template: str) -> str:
    """`uid={username},ou=people,dc=x` → `ou=people,dc=x`."""
    rest = template[template.index("{username}") :]
    return rest.partition(",")[2]
