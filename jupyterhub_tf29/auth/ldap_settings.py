"""A directory in hub.yaml: `type: ldap`."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from ..units import Duration
from .method_settings import MethodSettings, Section


class LdapUsers(Section):
    """Search-and-bind: where people are, and how one is found by the name that they type."""

    base: str
    """Such as `ou=people,dc=example,dc=edu`."""
    filter: str = "(uid={username})"
    """Active Directory: `(sAMAccountName={username})`. What is typed stands in it as data, never as syntax."""

    @field_validator("filter")
    @classmethod
    def _has_a_username(cls, text: str) -> str:
        return _with_placeholder(text, "{username}")


class LdapGroups(Section):
    """Where groups are, and how those of a person are found."""

    base: str
    """Such as `ou=groups,dc=example,dc=edu`."""
    filter: str = "(|(member={dn})(uniqueMember={dn})(memberUid={username}))"
    """Groups that `{dn}` (a person's or, for nested groups, a group's) or `{username}` is a member of."""
    attribute: str = "cn"
    """What a group is called here."""
    nested: Literal["no", "search", "active-directory"] = "search"
    """Groups in groups: not at all, by searching level after level, or by Active Directory's own rule."""
    max_depth: Annotated[int, Field(ge=1, le=50)] = 10
    max_groups: Annotated[int, Field(ge=1, le=5000)] = 500
    """What one person can be in; beyond either the rest is left out, and the log says so."""


class LdapMethod(MethodSettings):
    """Sign-in with a directory (OpenLDAP, 389, FreeIPA, Active Directory …)."""

    type: Literal["ldap"]
    servers: Annotated[list[str], Field(min_length=1)]
    """`ldaps://host[:port]`, or `ldap://host[:port]`, which is upgraded by StartTLS. Tried in this order."""
    tls: Literal["required", "none"] = "required"
    """`none`: passwords cross the network readable by others."""
    verify_certificates: bool = True
    ca_file: str = ""
    """Whose certificates to trust; default: the machine's bundle."""
    bind_dn: str | list[str] = ""
    """Bind: the distinguished name of a person, such as `uid={username},ou=people,dc=example,dc=edu`."""
    users: LdapUsers | None = None
    """Search-and-bind: instead of `bind_dn`."""
    search_dn: str = ""
    """Who searches, and looks again at those who are signed in; its password is the secret `<name>-bind-password`.
    Empty: nobody; then searches are anonymous, or a person's own where `bind_dn` is used."""
    username_attribute: str = "uid"
    """Whose value is the person's name here; Active Directory: `sAMAccountName`."""
    id_attribute: str = "entryUUID"
    """What stays when a person is renamed; Active Directory: `objectGUID`."""
    groups: LdapGroups | None = None
    locked_filter: str = (
        "(|(pwdAccountLockedTime=*)(userAccountControl:1.2.840.113556.1.4.803:=2)(nsAccountLock=TRUE))"
    )
    """Who fits this is out, also while signed in (OpenLDAP's password policy, Active Directory, 389/FreeIPA)."""
    timeout: Duration = 5
    """For connecting and for each answer of one server."""
    refresh: Duration = 300
    """How often those who are signed in are looked up again: who left a group or is locked is out by then."""

    @field_validator("servers")
    @classmethod
    def _are_ldap_urls(cls, servers: list[str]) -> list[str]:
        for server in servers:
            parts = urlsplit(server)
            if parts.scheme not in {"ldap", "ldaps"} or not parts.hostname or parts.path.strip("/") or parts.query:
                raise ValueError(f"expected ldaps://host[:port] or ldap://host[:port], found {server!r}")
        return servers

    @field_validator("bind_dn")
    @classmethod
    def _have_a_username(cls, templates: str | list[str]) -> str | list[str]:
        for template in [templates] if isinstance(templates, str) else templates:
            if template:
                _with_placeholder(template, "{username}")
        return templates

    @model_validator(mode="after")
    def _fit_together(self) -> LdapMethod:
        if bool(self.bind_dn) == (self.users is not None):
            raise ValueError("a directory needs either bind_dn (bind) or users (search-and-bind)")
        if (self.allowed_groups or self.admin_groups) and self.groups is None:
            raise ValueError("allowed_groups and admin_groups need groups: where the directory has them (base: …)")
        return self

    @property
    def bind_templates(self) -> list[str]:
        """Each with `{username}`; empty for search-and-bind."""
        return [self.bind_dn] if isinstance(self.bind_dn, str) and self.bind_dn else list(self.bind_dn)


def _with_placeholder(text: str, placeholder: str) -> str:
    if placeholder not in text:
        raise ValueError(f"expected {placeholder} in it, found {text!r}")
    return text
