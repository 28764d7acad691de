"""What an admin can do on the Accounts page: each action reads its form, changes the store, says what it did."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..i18n import N_
from .errors import AccountError
from .passwords import generate_password
from .sessions import end_sessions


@dataclass(frozen=True)
class Done:
    """What happened: an English sentence with `{name}`, and a password to show this once."""

    sentence: str
    name: str
    password: str = ""


async def _approve(page: Any) -> Done:
    name, store = page.field("name"), page.local.store
    if _is_admins(page, name):
        raise AccountError(
            "{name} is an admin of this hub: nobody gets that name by asking for it. Add the account yourself.",
            name=name,
        )
    reuse = page.field("reuse") == "yes"
    request = int(page.field("request")) if page.field("request").isdecimal() else None
    approve = partial(store.approve, by=page.current_user.name, request=request, reuse=reuse)
    await page.local.look(approve, name)
    return Done(N_("{name} may sign in now."), name)


async def _refuse(page: Any) -> Done:
    name = page.field("name")
    request = int(page.field("request")) if page.field("request").isdecimal() else None
    await page.local.look(partial(page.local.store.refuse, request=request), name)
    return Done(N_("The request for {name} was refused."), name)


async def _add(page: Any) -> Done:
    authenticator = page.local
    name, password = authenticator.normalize_username(page.field("name")), generate_password()
    reuse = page.field("reuse") == "yes"
    by, note = page.current_user.name, page.field("note")
    add = partial(authenticator.store.add, by=by, note=note, temporary=True, reuse=reuse)
    await authenticator.hash(page.translate, add, name, password)
    return Done(N_("The account {name} is made. Give them this password; it is shown only now:"), name, password)


async def _new_password(page: Any) -> Done:
    name, password = page.field("name"), generate_password()
    set_password = partial(page.local.store.set_password, temporary=True)
    await page.local.hash(page.translate, set_password, name, password)
    await _sign_out(page, name)
    return Done(N_("{name} has a new password. Give it to them; it is shown only now:"), name, password)


async def _disable(page: Any) -> Done:
    name = page.field("name")
    if page.local.hub_name(name) == page.current_user.name:
        raise AccountError("You cannot disable your own account: another admin can.")
    await page.local.look(page.local.store.disable, name)
    await _sign_out(page, name)
    return Done(
        N_("{name} cannot sign in any more, and their servers stop within two minutes. Their files stay."), name
    )


async def _enable(page: Any) -> Done:
    name = page.field("name")
    await page.local.look(page.local.store.enable, name)
    return Done(N_("{name} may sign in again, with the password of before."), name)


async def _unlock(page: Any) -> Done:
    kind = "account" if page.field("kind") == "account" else "address"
    throttle, key = page.authenticator.throttle, page.field("id")
    locked = next((lock for lock in throttle.locks() if (lock.kind, lock.id) == (kind, key)), None)
    if locked is None or not throttle.release(kind, key):
        raise AccountError("This lock has ended by itself.")
    return Done(N_("The lock of {name} is ended."), locked.what.partition(":")[2] or locked.what or "?")


async def _sign_out(page: Any, name: str) -> None:
    """At once, since this is the hub; for `tf29hub user` the hub sees to it at its next look."""
    name_here = page.local.hub_name(name)
    user = page.find_user(name_here)
    if user is not None:
        end_sessions(page.db, user.orm_user)
        user._auth_refreshed = None  # programs with a token are looked at anew, too
    if name_here == page.current_user.name:
        page.set_login_cookie(page.current_user)
    await page.local.look(page.local.store.sessions_ended, name)


def _is_admins(page: Any, name: str) -> bool:
    user = page.find_user(page.local.hub_name(name))
    return name in page.local.admin_users or (user is not None and bool(user.admin))


ACTIONS: dict[str, Callable[[Any], Awaitable[Done]]] = {
    "approve": _approve,
    "refuse": _refuse,
    "add": _add,
    "new-password": _new_password,
    "disable": _disable,
    "enable": _enable,
    "unlock": _unlock,
}

EVENTS = {action: f"account-{action.removeprefix('new-')}" for action in ACTIONS} | {"unlock": "unlock"}
"""What the audit trail calls them."""
