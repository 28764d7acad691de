"""Ending what a user is signed in to: the hub's own cookie, and those of their servers."""

from __future__ import annotations

from typing import Any

from jupyterhub import orm


def end_sessions(db: Any, orm_user: Any) -> None:
    """Sign the user out of every browser.

    The hub's cookies name the user by `cookie_id`: another one, and none fits any more. A browser's access to
    a server is a token with a session. Tokens without one stay: the running server's own, and those that the
    user made for programs.
    """
    orm_user.cookie_id = orm.new_token()
    tokens = orm.APIToken
    for token in db.query(tokens).filter(tokens.user_id == orm_user.id, tokens.session_id.isnot(None)):
        db.delete(token)
    db.commit()
