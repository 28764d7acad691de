"""`tf29hub directory`: what the directory says of somebody, and whether they could sign in. For setting it up."""

from __future__ import annotations

import argparse
from typing import Any

from ...cli import CommandError
from ...settings import Paths, load_settings
from ..groups import sourced
from ..ldap_settings import LdapMethod
from ..settings import SignIn
from .directory import Person, Unusable
from .servers import DirectoryDown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whom to look up, and where."""
    parser.add_argument("name", metavar="NAME", help="as they type it on the sign-in page")
    parser.add_argument("--method", metavar="METHOD", help="its name in hub.yaml; default: the first of type ldap")


def run(args: argparse.Namespace) -> int:
    """0: they could sign in. 1: not, and it says why. Raises CommandError and ConfigError."""
    paths = Paths.from_environment()
    method = _method(load_settings(paths.config).sign_in, args.method)
    from .authenticator import LdapAuthenticator  # JupyterHub takes half a second: not for every command

    authenticator = LdapAuthenticator(method=method, paths=paths)
    if not authenticator.directory.can_look_again:
        raise CommandError(f"{method.name} cannot be asked without a person's password: give it a search_dn")
    try:
        person = authenticator.directory.look_up("", args.name)
    except (DirectoryDown, Unusable) as error:
        raise CommandError(f"{method.name}: {error}") from error
    if person is None:
        raise CommandError(f"{method.name} has nobody whose {method.username_attribute} is {args.name!r}")
    return _tell(person, method, authenticator)


def _method(sign_in: SignIn, name: str | None) -> LdapMethod:
    for method in sign_in.methods:
        if isinstance(method, LdapMethod) and name in (None, method.name):
            return method
    raise CommandError(f"hub.yaml has no method of type ldap{f' named {name!r}' if name else ''}")


def _tell(person: Person, method: LdapMethod, authenticator: Any) -> int:
    model = authenticator.model_of(person)
    allowed = authenticator.check_allowed(authenticator.normalize_username(person.name), model)
    print(f"name     {person.name}")
    print(f"entry    {person.dn}")
    print(f"is       {person.subject}")
    for group in sorted(person.groups, key=lambda group: group.name):
        print(f"group    {sourced(method.name, group.name)}    {group.dn}")
    print(
        f"sign-in  {'locked in the directory' if person.locked else 'yes' if allowed else 'no: on no allow list'}"
    )
    if authenticator.is_admin(None, {**model, "name": authenticator.normalize_username(person.name)}):
        print("admin    yes")
    return 0 if allowed and not person.locked else 1
