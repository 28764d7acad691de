"""What changes in the Hub's database and matters: users, roles, groups, tokens, shares, entries.

It is seen where it is written, in the session of SQLAlchemy that the Hub uses for everything, through the
session's own events; so it does not matter by which page, API call or sign-in it came. An event is told when
the change is committed, and forgotten when it is rolled back.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from jupyterhub import orm
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import inspect
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import PASSIVE_NO_INITIALIZE, get_history

from .acting import HUB, by_whom
from .trail import record

HUBS_OWN_CLIENT = "jupyterhub"
"""The OAuth client of tokens that are no browser's access to a server."""

log = logging.getLogger("tf29hub.audit")

Found = tuple[str, dict[str, Any]]


def listen(session: Session) -> None:
    """Tell the trail of what is committed in `session` from now on. Once is enough."""
    if session.info.get("tf29_audited"):
        return
    session.info["tf29_audited"] = True
    pending: list[Found] = []

    def flushed(session: Session, _context: Any) -> None:
        try:
            pending.extend(find_changes(session))
        except Exception:  # it must not be the trail that keeps the Hub from its database
            log.exception("AUDIT TRAIL: a change of the Hub's database could not be told")

    def committed(_session: Session) -> None:
        for name, fields in pending:
            record(name, **fields)
        pending.clear()

    def rolled_back(_session: Session, _previous: Any) -> None:
        pending.clear()

    sqlalchemy_event.listen(session, "after_flush", flushed)
    sqlalchemy_event.listen(session, "after_commit", committed)
    sqlalchemy_event.listen(session, "after_soft_rollback", rolled_back)


def find_changes(session: Session) -> Iterator[Found]:
    """Events of what was flushed just now: their names and fields."""
    for one in session.new:
        yield from _added(one)
    for one in session.deleted:
        yield from _removed(getattr(one, "orm_user", one))  # the Hub deletes a user by its wrapper
    gains: dict[tuple[str, str], dict[str, set[str]]] = {}
    for one in {*session.new, *session.dirty} - {*session.deleted}:
        if isinstance(one, orm.User):
            yield from _renamed(one)
        for kind, name, what, how in _memberships(one):
            gains.setdefault((kind, name), {"gained": set(), "lost": set()})[how].add(what)
    for (kind, name), change in gains.items():
        gained, lost = change["gained"] - change["lost"], change["lost"] - change["gained"]
        if gained or lost:
            whom = {"name" if kind == "user" else kind: name}
            yield "role-change", {**whom, **_by(name), "gained": sorted(gained), "lost": sorted(lost)}


def _added(one: Any) -> Iterator[Found]:
    if isinstance(one, orm.User):
        yield "user-add", {"name": one.name, **_by(one.name), "admin": bool(one.admin)}
    elif isinstance(one, orm.Group):
        yield "group-add", {"group": one.name, **_by(None)}
    elif isinstance(one, orm.APIToken) and _is_a_token_of_its_own(one):
        yield "token-create", {**_token(one), **_by(one.user.name if one.user else None)}
    elif isinstance(one, orm.OAuthCode):
        yield from _entered(one)
    elif isinstance(one, orm.Share):
        yield "share-add", _share(one)


def _removed(one: Any) -> Iterator[Found]:
    if isinstance(one, orm.User):
        yield "user-remove", {"name": one.name, **_by(one.name)}
    elif isinstance(one, orm.Group):
        yield "group-remove", {"group": one.name, **_by(None)}
    elif isinstance(one, orm.APIToken) and _is_a_token_of_its_own(one) and not _is_servers(one):
        yield "token-revoke", {**_token(one), **_by(one.user.name if one.user else None)}
    elif isinstance(one, orm.Share):
        yield "share-remove", _share(one)


def _entered(code: Any) -> Iterator[Found]:
    """A code lets a browser into a server; told where the server is another's."""
    client = code.client or _client_of(code)
    spawner = client.spawner if client is not None else None
    if spawner is not None and code.user is not None and code.user.name != spawner.user.name:
        owner = spawner.user.name
        yield "server-enter", {"name": owner, "server": spawner.name, "outcome": "success", **_by(owner)}


def _client_of(code: Any) -> Any:
    session = inspect(code).session
    found = session.query(orm.OAuthClient).filter_by(identifier=code.client_id) if session else None
    return found.first() if found is not None else None


def _renamed(user: Any) -> Iterator[Found]:
    history = inspect(user).attrs.name.history
    if history.added and history.deleted:
        yield "user-rename", {"name": user.name, "was": history.deleted[0], **_by(user.name)}


def _memberships(one: Any) -> Iterator[tuple[str, str, str, str]]:
    """(user|group|service, its name, what, "gained" or "lost"); told by one end or by both."""
    if isinstance(one, orm.User):
        admin = inspect(one).attrs.admin.history
        before = bool(admin.deleted and admin.deleted[0])
        if admin.added and bool(one.admin) != before:
            yield "user", one.name, "admin", "gained" if one.admin else "lost"
        yield from (("user", one.name, f"group:{group.name}", how) for group, how in _collection(one, "groups"))
    if isinstance(one, orm.User | orm.Group | orm.Service):
        kind = one.kind
        yield from ((kind, one.name, f"role:{role.name}", how) for role, how in _collection(one, "roles"))
    if isinstance(one, orm.Group):
        yield from (("user", user.name, f"group:{one.name}", how) for user, how in _collection(one, "users"))
    if isinstance(one, orm.Role):
        for members in ("users", "groups", "services"):
            for member, how in _collection(one, members):
                yield member.kind, member.name, f"role:{one.name}", how


def _collection(one: Any, key: str) -> Iterator[tuple[Any, str]]:
    history = get_history(one, key, passive=PASSIVE_NO_INITIALIZE)
    yield from ((member, "gained") for member in history.added or ())
    yield from ((member, "lost") for member in history.deleted or ())


def _is_a_token_of_its_own(token: Any) -> bool:
    """Not a browser's access to a server or service, which comes and goes with each visit."""
    return (token.client_id or HUBS_OWN_CLIENT) == HUBS_OWN_CLIENT


def _is_servers(token: Any) -> bool:
    return bool(token.note) and token.note.startswith("Server at ")


def _token(token: Any) -> dict[str, Any]:
    described = {
        "id": token.api_id,
        "note": token.note or None,
        "scopes": list(token.scopes or ()),
        "expires": token.expires_at.isoformat(timespec="seconds") + "Z" if token.expires_at else None,
    }
    return {
        "name": token.user.name if token.user else None,
        "service": token.service.name if token.service else None,
        "token": described,
    }


def _share(share: Any) -> dict[str, Any]:
    owner = share.owner.name if share.owner else None
    return {
        "name": owner,
        "server": share.spawner.name if share.spawner else None,
        "group": share.group.name if share.group else None,
        "shared_with": share.user.name if share.user else None,
        **_by(owner),
    }


def _by(owner: str | None) -> dict[str, Any]:
    """At a sign-in nobody is signed in yet: what changes then is the hub's doing."""
    whom = by_whom(owner)
    return whom if whom["actor"] else {**whom, "actor": HUB}
