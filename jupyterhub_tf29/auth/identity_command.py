"""`tf29hub identity`: whose each name of the hub is, and giving one to somebody else.

A name belongs to the first who came in under it. An admin needs this when people move from one way of signing in
to another (local accounts to a directory), or when somebody's provider has made them anew.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

from ..audit.at_once import admin_action
from ..cli import CommandError
from ..settings import Paths, load_settings
from .errors import AccountError
from .identity import IdentityStore
from .settings import SignIn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of `tf29hub identity` and their arguments."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="show whose each name is")
    listing.add_argument("--json", action="store_true", help="as JSON, for programs")
    give = verbs.add_parser("give", help="whoever comes next by METHOD under NAME gets it, and the files under it")
    give.add_argument("name", metavar="NAME", help="of the hub, such as wang or github:octocat")
    give.add_argument("method", metavar="METHOD", help="its name in hub.yaml")
    forget = verbs.add_parser("forget", help="whoever comes next under NAME gets it, and the files under it")
    forget.add_argument("name", metavar="NAME")


def run(args: argparse.Namespace) -> int:
    """Do what `args.verb` says; 0. Raises CommandError and ConfigError."""
    paths = Paths.from_environment()
    sign_in = load_settings(paths.config).sign_in
    try:
        store = IdentityStore(paths.accounts)
        try:
            VERBS[args.verb](store, args, sign_in)
        finally:
            store.close()
    except AccountError as error:
        raise CommandError(str(error)) from error
    if args.verb != "list":
        admin_action(f"name-{args.verb}", name=args.name)
    return 0


def _list(store: IdentityStore, args: argparse.Namespace, sign_in: SignIn) -> None:
    if args.json:
        rows = [
            {"name": one.name, "method": one.method, "subject": one.subject, "since": one.created.isoformat()}
            for one in store.all()
        ]
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    known = {method.name for method in sign_in.all_methods}
    for one in store.all():
        state = f"since {one.created:%Y-%m-%d}" if one.subject else "has not come yet"
        gone = "" if one.method in known else "  (hub.yaml has no such method: they cannot sign in)"
        print(f"{one.name:<32}  {one.method:<16}  {state}{gone}")


def _give(store: IdentityStore, args: argparse.Namespace, sign_in: SignIn) -> None:
    known = [method.name for method in sign_in.all_methods]
    if args.method not in known:
        raise CommandError(f"hub.yaml has no method named {args.method!r}, only {', '.join(known)}")
    store.give(args.name, args.method)
    print(f"{args.name} belongs to whoever comes next under that name by {args.method}, with the files under it.")


def _forget(store: IdentityStore, args: argparse.Namespace, sign_in: SignIn) -> None:
    if not store.forget(args.name):
        raise CommandError(f"nobody has the name {args.name}")
    print(f"{args.name} belongs to whoever comes next under that name, with the files under it.")


VERBS: dict[str, Callable[[IdentityStore, argparse.Namespace, SignIn], None]] = {
    "list": _list,
    "give": _give,
    "forget": _forget,
}
