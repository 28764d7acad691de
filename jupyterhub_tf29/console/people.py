"""Who looks at the console, and what they may see and do. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

READ = "custom:gpus:read"
OWN = "custom:gpus:own"
READ_ALL = "custom:gpus:read:all"
ADMIN = "custom:gpus:admin"

SCOPES: dict[str, dict[str, Any]] = {
    READ: {"description": "See the GPUs, the line, and what you hold, wait for and have used yourself"},
    OWN: {
        "description": "Extend and give back what you hold yourself, give up your own places in the line",
        "subscopes": [READ],
    },
    READ_ALL: {"description": "See what everybody holds, waits for and has used, by name", "subscopes": [READ]},
    ADMIN: {
        "description": "Drain GPUs and return them to service; end and extend anybody's lease; change the line",
        "subscopes": [OWN, READ_ALL],
    },
}
"""As `c.JupyterHub.custom_scopes` wants them."""

ADMINS_HUB_SCOPE = "admin:servers"
"""Whoever may stop everybody's servers through the Hub may do so here; JupyterHub lets no custom scope into its
`admin` role, so an admin's own token is known by this one."""

Names = Literal["everyone", "admins"]
"""Who sees the names of others who hold a GPU or wait for one."""


@dataclass(frozen=True)
class Person:
    """A user of the Hub, or a service with a token."""

    name: str
    is_user: bool = True
    hub_admin: bool = False
    """Whether the Hub's pages show this person the way to its Admin page."""
    may_read: bool = False
    may_act_for_self: bool = False
    sees_all: bool = False
    is_admin: bool = False

    def owns(self, user: str) -> bool:
        """Whether something that belongs to the Hub's user of that name is this person's own."""
        return self.is_user and user == self.name

    def sees_name(self, user: str, names: Names) -> bool:
        """Whether this person may read that it is `user` who holds or waits for something."""
        return self.sees_all or self.owns(user) or names == "everyone"

    def may_act_on(self, user: str) -> bool:
        """Whether this person may end, extend or give up what belongs to that user."""
        return self.is_admin or (self.may_act_for_self and self.owns(user))


def person_from_model(model: Mapping[str, Any], *, in_browser: bool) -> Person:
    """From what the Hub says about a token (`GET /hub/api/user`).

    A token has the rights that its scopes name. `in_browser`: the token is one that only this service holds, for
    a person who signed in through the Hub; then it counts, too, that the person is an admin of the Hub.
    """
    scopes = set(model.get("scopes", ()))
    hub_admin = bool(model.get("admin"))
    is_admin = ADMIN in scopes or ADMINS_HUB_SCOPE in scopes or (in_browser and hub_admin)
    sees_all = is_admin or READ_ALL in scopes
    acts = is_admin or OWN in scopes
    return Person(
        name=str(model["name"]),
        is_user=model.get("kind", "user") == "user",
        hub_admin=hub_admin,
        may_read=sees_all or acts or READ in scopes,
        may_act_for_self=acts,
        sees_all=sees_all,
        is_admin=is_admin,
    )
