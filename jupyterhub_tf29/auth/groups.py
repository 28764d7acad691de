"""Groups of the hub: where each comes from is the first word of its name.

- `university:staff`: the group `staff` of the method that hub.yaml calls `university`;
- `course:tf101`, `instructors:tf101`: who takes and who teaches a course, by its roster;
- `anything` without a colon: made by hand by an admin, and left alone.

No directory can give a course away: whatever it calls a group, the method's name stands before it, and no method
may be called `course` or `instructors`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .method_settings import SEPARATOR

COURSE, INSTRUCTORS = "course", "instructors"
MAX_LENGTH = 255
"""Characters of a group's name in JupyterHub's database."""

INSTRUCTOR_SCOPES = (
    "admin-ui",
    "list:users!group={group}",
    "read:users:activity!group={group}",
    "servers!group={group}",
    "access:servers!group={group}",
    "read:groups!group={group}",
)
"""What an instructor may do: the stock Admin page with the students of one course, their servers, nothing else.
Not `groups!group=…`, whose holder can put anybody into the group and so reach them; never `admin:users`."""


@dataclass(frozen=True)
class Place:
    """Somebody's place in a course."""

    course: str
    """Its slug: lower-case letters, digits and hyphens."""
    instructor: bool = False


RosterProvider = Callable[[str, frozenset[str]], Iterable[Place]]
"""`places(user, groups)`: the courses of the hub's user `user`, who is in the directory's `groups` (with their
sources). It is asked often, on the event loop, and answers from memory."""


def no_rosters(user: str, groups: frozenset[str]) -> Iterable[Place]:
    """Where there are no courses."""
    return ()


def united_groups(
    user: str,
    source: str,
    directory: Iterable[str] | None,
    present: Iterable[str],
    rosters: RosterProvider,
) -> list[str]:
    """All groups of `user`, sorted: the hub replaces what it has by this at each sign-in and each refresh.

    `directory` is what the method `source` says, in its own words, or None where it was not asked: then its groups
    among `present`, which the user has in the hub, stay. Groups of other sources go: a person comes by one method.
    Groups that an admin made by hand stay.
    """
    present = set(present)
    if directory is None:
        directories = {group for group in present if source_of(group) == source}
    else:
        directories = {name for name in (sourced(source, group) for group in directory) if name}
    by_hand = {group for group in present if not source_of(group)}
    courses = {group_of(place) for place in rosters(user, frozenset(directories))}
    return sorted(directories | by_hand | courses)


def sourced(source: str, group: str) -> str:
    """`("ldap", "staff")` → `ldap:staff`; empty for a name that is nothing, or too long to be kept apart."""
    plain = "".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in group)
    name = " ".join(unicodedata.normalize("NFC", plain).split()).replace("/", "∕")
    full = f"{source}{SEPARATOR}{name}"
    return full if name and len(full) <= MAX_LENGTH else ""


def source_of(group: str) -> str:
    """`ldap` for `ldap:staff`; empty for a group that an admin made."""
    before, separator, _ = group.partition(SEPARATOR)
    return before if separator else ""


def group_of(place: Place) -> str:
    """The group that stands for a place. Instructors have one of their own: they do not reach one another."""
    return f"{INSTRUCTORS if place.instructor else COURSE}{SEPARATOR}{place.course}"


def instructor_role(course: str) -> dict[str, Any]:
    """JupyterHub's role for those who teach `course`."""
    return {
        "name": f"instructor-{course}",
        "description": f"Instructors of the course {course}",
        "scopes": [scope.format(group=f"{COURSE}{SEPARATOR}{course}") for scope in INSTRUCTOR_SCOPES],
    }
