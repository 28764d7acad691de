"""What `tf29hub doctor` finds about directories: each server, the search account, and groups that do not exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...finding import Finding
from ...secretfiles import SecretError, read_given_secret
from ...settings import Paths
from ..ldap_settings import LdapMethod
from ..method_settings import MethodSettings
from .directory import Directory
from .servers import DirectoryDown


def findings(methods: Iterable[MethodSettings], paths: Paths) -> Iterator[Finding]:
    """For each method of type ldap; it asks each of its servers, within the method's time-out."""
    for method in methods:
        if not isinstance(method, LdapMethod):
            continue
        try:
            password = read_given_secret(paths, f"{method.name}-bind-password") if method.search_dn else ""
        except SecretError as error:
            yield Finding("failed", f"sign-in by {method.name}: {error}", "it is the password of search_dn")
            continue
        servers = [_server(method, server, password) for server in method.servers]
        yield from servers
        if any(server.level == "ok" for server in servers):
            yield from _groups(method, Directory(method, password))


def _server(method: LdapMethod, server: str, password: str) -> Finding:
    what = f"sign-in by {method.name}: {server}"
    try:
        Directory(method.model_copy(update={"servers": [server]}), password).greet()
    except DirectoryDown as error:
        advice = "the others are asked instead" if len(method.servers) > 1 else "nobody can sign in by this method"
        return Finding("failed", f"{what}: {str(error).removeprefix(f'{server}: ')}", advice)
    if method.tls == "none" and not server.startswith("ldaps:"):
        return Finding("warn", f"{what} answers, and passwords reach it unencrypted", "remove tls: none")
    if not method.verify_certificates:
        return Finding("warn", f"{what} answers, and its certificate is not checked", "give ca_file, and check it")
    return Finding("ok", f"{what} answers, its certificate is right")


def _groups(method: LdapMethod, directory: Directory) -> Iterator[Finding]:
    if not method.lets_somebody_in:
        lists = "allowed_groups, allowed_users or admins"
        yield Finding("warn", f"sign-in by {method.name}: nobody may come in", f"name somebody in {lists}")
    if not method.groups or not method.search_dn:
        return
    for group in dict.fromkeys((*method.allowed_groups, *method.admin_groups)):
        if not directory.has_group(group):
            text = f"sign-in by {method.name}: the directory has no group {group!r} below {method.groups.base}"
            yield Finding("warn", text, "see allowed_groups, admin_groups and groups in hub.yaml")
