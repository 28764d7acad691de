"""The trail inside the Hub: what is watched there, from its start on."""

from __future__ import annotations

import atexit
from typing import Any

from jupyterhub import orm

from .changes import listen
from .trail import record, the_trail


def watch(app: Any) -> None:
    """Begin: the Hub's database is listened to, and its start is the first event. `app` is JupyterHub."""
    trail = the_trail()
    session = getattr(app, "db", None)
    if trail is None or session is None or trail.is_known is not None:
        return
    trail.is_known = lambda name: orm.User.find(session, name) is not None
    listen(session)
    admins = [name for (name,) in session.query(orm.User.name).filter(orm.User.admin)]
    record("hub-start", actor={"kind": "hub"}, admins=sorted(admins))
    atexit.register(record, "hub-stop", actor={"kind": "hub"})
    app.template_vars["audit_problem"] = problem_for  # the Hub calls it with who reads the page


def problem_for(user: Any) -> str:
    """What admins are told on every page; "" where all is well, and to everybody else."""
    trail = the_trail()
    if trail is None or user is None or not getattr(user, "admin", False):
        return ""
    return trail.writer.problem or ""
