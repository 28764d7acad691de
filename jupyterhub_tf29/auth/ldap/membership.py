"""Groups of a person in a directory, and groups of those groups, with an end."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from ldap3.utils.conv import escape_filter_chars

from ..ldap_settings import LdapGroups
from .servers import Connection

AT_ONCE = 25
"""Groups whose own groups are asked for in one search: directories limit the length of a filter."""
MEMBER_OF_CHAIN = "(member:1.2.840.113556.1.4.1941:={dn})"
"""Active Directory's rule LDAP_MATCHING_RULE_IN_CHAIN: it follows nested groups itself."""

log = logging.getLogger("tf29hub.ldap")


@dataclass(frozen=True)
class Group:
    """A group that a person is in, directly or by another."""

    name: str
    dn: str


def groups_of(reader: Connection, settings: LdapGroups, dn: str, username: str) -> list[Group]:
    """All groups of the person `dn`, named `username`, without their order meaning anything.

    Nested groups are followed level by level; each group is looked at once, so a circle ends by itself. What is
    beyond `max_depth` or `max_groups` is left out, which can only take rights away, and the log says so.
    """
    condition = MEMBER_OF_CHAIN if settings.nested == "active-directory" else settings.filter
    found: dict[str, Group] = {}
    level, depth = _search(reader, settings, [_filled(condition, dn, username)]), 1
    while True:
        new = {one.dn.casefold(): one for one in level if one.dn.casefold() not in found}
        room = settings.max_groups - len(found)
        if len(new) > room:
            log.warning("%s is in more than %d groups: the rest is left out", dn, settings.max_groups)
            new = dict(list(new.items())[:room])
        found.update(new)
        if not new or settings.nested != "search":
            break
        if depth >= settings.max_depth or len(found) >= settings.max_groups:
            log.warning("%s: groups within groups beyond level %d are left out", dn, depth)
            break
        level = _search(reader, settings, [_filled(condition, one.dn, one.dn) for one in new.values()])
        depth += 1
    return list(found.values())


def _search(reader: Connection, settings: LdapGroups, conditions: list[str]) -> list[Group]:
    groups = []
    for first in range(0, len(conditions), AT_ONCE):
        condition = f"(|{''.join(conditions[first : first + AT_ONCE])})"
        most = settings.max_groups + 1
        for dn, attributes in reader.search(
            settings.base, condition, [settings.attribute], whole_tree=True, most=most
        ):
            names = attributes.get(settings.attribute.lower(), [])
            if names:
                groups.append(Group(names[0].decode("utf-8", errors="replace"), dn))
    return groups


def _filled(condition: str, dn: str, username: str) -> str:
    """Both values escaped, and neither looked into for the other's placeholder."""
    pieces = condition.split("{dn}")
    return escape_filter_chars(dn).join(
        piece.replace("{username}", escape_filter_chars(username)) for piece in pieces
    )
