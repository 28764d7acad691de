"""Courses in the hub's database: groups that follow the rosters, and the role of those who teach.

A sign-in brings its own user's groups. This is for everybody else: a student who is taken off a roster while they
are away must not stay in reach of the instructor until they come back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jupyterhub import orm, roles

from .groups import COURSE, INSTRUCTORS, Place, RosterProvider, group_of, instructor_role, source_of


def apply_rosters(db: Any, rosters: RosterProvider) -> list[str]:
    """Put every user of the hub into the groups of their courses and out of others; the names of those moved."""
    moved = []
    for user in db.query(orm.User):
        present = {group.name for group in user.groups}
        others = {name for name in present if source_of(name) not in (COURSE, INSTRUCTORS)}
        places = list(rosters(user.name, frozenset(others)))
        wanted = others | {group_of(place) for place in places}
        if wanted == present:
            continue
        ensure_roles(db, places)
        user.groups = [_group(db, name) for name in sorted(wanted)]
        moved.append(user.name)
    if moved:
        db.commit()
    return moved


def ensure_roles(db: Any, places: Iterable[Place]) -> None:
    """See that the role of each course that is taught here exists, and that its instructors' group has it."""
    changed = False
    for place in places:
        if not place.instructor:
            continue
        wanted, group = instructor_role(place.course), _group(db, group_of(place))
        role = orm.Role.find(db, wanted["name"])
        if role is None or role.scopes != wanted["scopes"]:
            # "managed by auth": the hub deletes at its next start what is neither that nor in load_roles
            role = roles.create_role(db, {**wanted, "managed_by_auth": True}, commit=False)
            changed = True
        if role not in group.roles:
            group.roles.append(role)
            changed = True
    if changed:
        db.commit()


def _group(db: Any, name: str) -> Any:
    group = orm.Group.find(db, name)
    if group is None:
        group = orm.Group(name=name)
        db.add(group)
        db.flush()
    return group
