"""`sign_in` of hub.yaml: the ways in, and who may come in by each.

    sign_in:
      methods:
      - type: ldap
        label: University account
        servers: [ldaps://ldap.example.edu]
        bind_dn: uid={username},ou=people,dc=example,dc=edu
        allowed_groups: [gpu-users]

What a directory needs is in `ldap_settings`, what OAuth and OpenID Connect need in `oauth_settings`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from .ldap_settings import LdapMethod
from .method_settings import SEPARATOR, MethodSettings, Section
from .oauth_settings import AzureAdMethod, GitHubMethod, GitLabMethod, GoogleMethod, OidcMethod

BREAK_GLASS = "break-glass"
"""The name of the way in that stays where local accounts are off."""
RESERVED = frozenset({"course", "instructors", BREAK_GLASS})
"""Sources of groups and names that no method may pass for."""


class LocalMethod(MethodSettings):
    """Accounts of this hub's own. Every active account may come in: the accounts are the allow list."""

    type: Literal["local"] = "local"
    name: Literal["local"] = "local"
    """There is one such method, and commands know it by this name; `prefix` and `label` are free."""
    admins: list[str] = Field(default=["admin"])
    sign_up: Literal["approval", "closed"] = "approval"
    """`approval`: anyone may ask for an account and an admin approves. `closed`: admins make accounts."""
    allow_all: bool = True


class BreakGlassMethod(MethodSettings):
    """Made of `break_glass`; not for the list of methods."""

    type: Literal["break-glass"] = "break-glass"


AnyMethod = Annotated[
    LocalMethod | LdapMethod | OidcMethod | GitHubMethod | GitLabMethod | GoogleMethod | AzureAdMethod,
    Field(discriminator="type"),
]


class SignIn(Section):
    """Who comes in, and how."""

    methods: list[AnyMethod] = Field(default=[LocalMethod()], min_length=1)
    break_glass: str = ""
    """A local account that gets in, as an admin, where no method is `local`: for the day when the directory is
    gone. Its page is not linked, and each use of it is shouted about in the log."""

    @model_validator(mode="before")
    @classmethod
    def _one_local_method(cls, data: Any) -> Any:
        """`{method: local, admins: …, sign_up: …}`, as it was written before there were several methods."""
        if not isinstance(data, dict) or "methods" in data or not data.keys() & {"method", "admins", "sign_up"}:
            return data
        local = {key: data[key] for key in ("admins", "sign_up") if key in data}
        rest = {key: value for key, value in data.items() if key not in {"method", "admins", "sign_up"}}
        return {**rest, "methods": [{"type": data.get("method", "local"), **local}]}

    @model_validator(mode="after")
    def _tell_methods_apart(self) -> SignIn:
        names = [method.name for method in self.methods]
        for word in {*names, *(method.prefix for method in self.methods)} & RESERVED:
            raise ValueError(f"{word} means something here already: give the method another name or prefix")
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two methods are named {name}: give each a name of its own (name: …)")
        prefixes = [self.prefix(method) for method in self.methods]
        for prefix in prefixes:
            if prefixes.count(prefix) > 1:
                raise ValueError(
                    f"the users of two methods would have the same names (prefix {prefix!r}): whoever signs in by"
                    " one could be taken for a user of the other; leave prefix out, or give each its own"
                )
        if self.break_glass and self.local:
            raise ValueError(
                "sign_in.break_glass is for hubs without a method of type local: use an account of that"
            )
        return self

    def prefix(self, method: MethodSettings) -> str:
        """What the names of its users begin with here: nothing for the first method, `<name>:` for the others."""
        if method.name == BREAK_GLASS:
            return BREAK_GLASS + SEPARATOR
        if method.prefix is not None:
            return method.prefix + SEPARATOR if method.prefix else ""
        return "" if method is self.methods[0] else method.name + SEPARATOR

    @property
    def all_methods(self) -> list[MethodSettings]:
        """Those of the list, and the one behind the glass."""
        glass = [BreakGlassMethod(admins=[self.break_glass])] if self.break_glass else []
        return [*self.methods, *glass]

    @property
    def local(self) -> LocalMethod | None:
        """The method of local accounts, where there is one."""
        return next((method for method in self.methods if isinstance(method, LocalMethod)), None)

    @property
    def first_admin(self) -> str:
        """The local account that `deploy/up` makes; empty where there is no such."""
        if self.break_glass:
            return self.break_glass
        return next(iter(self.local.admins), "") if self.local else ""
