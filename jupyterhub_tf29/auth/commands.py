"""`tf29hub user`: local accounts from the command line, also while the hub runs.

A password never stands on the command line, where `ps` shows it to everyone: it comes from a file or from
standard input, or it is made up and printed once, alone on standard output, so that a script can take it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from ..audit.at_once import record_at_once
from ..audit.trail import at_the_terminal
from ..cli import CommandError
from ..settings import Paths
from .accounts import Account, AccountStore, SignUp
from .errors import AccountError
from .lock_commands import show_locks, unlock
from .passwords import generate_password


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of `tf29hub user` and their arguments."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="show all accounts and who waits for approval")
    listing.add_argument("--json", action="store_true", help="as JSON, for programs")
    add = _verb(verbs, "add", "make an account")
    add.add_argument("--admin", action="store_true", help="they become an admin of the hub at their first sign-in")
    add.add_argument("--note", default="", help="who it is")
    approve = _verb(verbs, "approve", "let someone in who asked for an account")
    refuse = _verb(verbs, "refuse", "drop a request for an account")
    for verb in (approve, refuse):
        verb.add_argument("--request", type=int, metavar="NUMBER", help="which, where several ask for the name")
    for verb in (add, approve):
        verb.add_argument("--reuse", action="store_true", help="also a removed account's name, with its files")
    _verb(verbs, "disable", "lock an account; its files stay")
    _verb(verbs, "enable", "undo disable")
    passwd = _verb(verbs, "passwd", "set another password")
    for verb in (add, passwd):
        verb.add_argument(
            "--password-file",
            metavar="FILE",
            help="its first line is the password ('-': standard input); without it one is made up and printed",
        )
    _verb(verbs, "remove", "take an account away; the files and the name's history stay")
    locks = verbs.add_parser("locks", help="show who is locked out after wrong passwords")
    locks.add_argument("--json", action="store_true", help="as JSON, for programs")
    _verb(verbs, "unlock", "end a lock: of an account, an address, an id that `locks` shows, or all")


def run(args: argparse.Namespace) -> int:
    """Do what `args.verb` says; 0. Raises CommandError."""
    try:
        store = AccountStore(Paths.from_environment().accounts)
        try:
            VERBS[args.verb](store, args)
        finally:
            store.close()
    except AccountError as error:
        raise CommandError(str(error)) from error
    if args.verb in EVENTS:
        told = {"reason": "released"} if args.verb == "unlock" else {}
        record_at_once(
            Paths.from_environment(), EVENTS[args.verb], name=args.name, actor=at_the_terminal(), **told
        )
    return 0


def _verb(verbs: argparse._SubParsersAction, name: str, summary: str) -> argparse.ArgumentParser:
    # no abbreviations: `--password secret` must not pass for `--password-file secret`
    parser = verbs.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    parser.add_argument("name", metavar="NAME")
    return parser


def _list(store: AccountStore, args: argparse.Namespace) -> None:
    accounts, waiting = store.accounts(), store.waiting()
    if args.json:
        rows = {
            "accounts": [_account_row(one) for one in accounts],
            "waiting": [_request_row(one) for one in waiting],
        }
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for account in accounts:
        seen = f"last sign-in {account.last_sign_in:%Y-%m-%d}" if account.last_sign_in else "has never signed in"
        print(
            "  ".join(part for part in (f"{account.name:<24}", f"{account.status:<8}", seen, account.note) if part)
        )
    for request in waiting:
        asked = f"asked {request.created:%Y-%m-%d} from {request.address or '?'}, request {request.id}"
        print("  ".join(part for part in (f"{request.name:<24}", f"{'waiting':<8}", asked, request.note) if part))
    if not accounts and not waiting:
        print("There is no account yet. Make one: tf29hub user add NAME", file=sys.stderr)


def _account_row(account: Account) -> dict[str, object]:
    return {
        "name": account.name,
        "status": account.status,
        "note": account.note,
        "created": account.created.isoformat(),
        "approved_by": account.approved_by,
        "last_sign_in": account.last_sign_in.isoformat() if account.last_sign_in else None,
    }


def _request_row(request: SignUp) -> dict[str, object]:
    return {
        "request": request.id,
        "name": request.name,
        "note": request.note,
        "address": request.address,
        "created": request.created.isoformat(),
    }


def _add(store: AccountStore, args: argparse.Namespace) -> None:
    password, made_up = _password(args.password_file)
    account = store.add(
        args.name,
        password,
        by=_caller(),
        note=args.note,
        temporary=made_up,
        make_admin=args.admin,
        reuse=args.reuse,
    )
    _say(f"The account {account.name} is made.")
    _show_once(password, made_up)


def _passwd(store: AccountStore, args: argparse.Namespace) -> None:
    password, made_up = _password(args.password_file)
    store.set_password(args.name, password, temporary=made_up)
    _say(f"{args.name} has a new password; a running hub signs them out within a minute.")
    _show_once(password, made_up)


def _approve(store: AccountStore, args: argparse.Namespace) -> None:
    account = store.approve(args.name, by=_caller(), request=args.request, reuse=args.reuse)
    _say(f"{account.name} may sign in now.")


def _refuse(store: AccountStore, args: argparse.Namespace) -> None:
    count = store.refuse(args.name, request=args.request)
    _say(f"{count} request{'s' * (count > 1)} for {args.name} refused.")


def _disable(store: AccountStore, args: argparse.Namespace) -> None:
    store.disable(args.name)
    _say(f"{args.name} cannot sign in any more; a running hub signs them out within a minute.")


def _enable(store: AccountStore, args: argparse.Namespace) -> None:
    store.enable(args.name)
    _say(f"{args.name} may sign in again.")


def _remove(store: AccountStore, args: argparse.Namespace) -> None:
    store.remove(args.name)
    _say(f"The account {args.name} is removed. Its files stay, and the name is given again only with --reuse.")


def _password(file: str | None) -> tuple[str, bool]:
    """The password, and whether it was made up here."""
    if file is None:
        return generate_password(), True
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"the password cannot be read from {file}: {error}") from error
    lines = text.splitlines()
    if not lines:
        raise CommandError(f"the password cannot be read from {file}: it is empty")
    return lines[0], False


def _show_once(password: str, made_up: bool) -> None:
    if made_up:
        _say("Their password, shown only now:")
        print(password, flush=True)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _caller() -> str:
    """Who did it, for the account's history."""
    name = at_the_terminal().get("name")
    return f"{name} (command line)" if name else "command line"


VERBS: dict[str, Callable[[AccountStore, argparse.Namespace], None]] = {
    "list": _list,
    "add": _add,
    "approve": _approve,
    "refuse": _refuse,
    "disable": _disable,
    "enable": _enable,
    "passwd": _passwd,
    "remove": _remove,
    "locks": show_locks,
    "unlock": unlock,
}

EVENTS = {
    **{verb: f"account-{verb}" for verb in ("add", "approve", "refuse", "disable", "enable", "remove")},
    "passwd": "account-password",
    "unlock": "unlock",
}
"""What the audit trail calls them; verbs that only look are not in it."""
