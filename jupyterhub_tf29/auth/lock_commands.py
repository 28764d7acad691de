"""`tf29hub user locks` and `unlock`: who is locked out for a while after wrong passwords, and letting them in."""

from __future__ import annotations

import argparse
import json
import sys
import time

from ..cli import CommandError
from ..settings import Paths
from .accounts import AccountStore
from .throttlefile import LockedRow, locked_rows, release_row

NOBODYS = "(a name that nobody has signed in with)"


def show_locks(store: AccountStore, args: argparse.Namespace) -> None:
    """All locks that hold now."""
    rows = _rows(store)
    if args.json:
        print(json.dumps([_as_json(row) for row in rows], ensure_ascii=False, indent=2))
        return
    for row in rows:
        left = max(0, int(row.locked_until - time.time()))
        print(f"{row.kind:<8}  {row.clear or NOBODYS:<40}  {left // 60} min {left % 60} s left  id {row.key}")
    if not rows:
        print("Nobody is locked out.", file=sys.stderr)


def unlock(store: AccountStore, args: argparse.Namespace) -> None:
    """End the locks of an account (with or without its method), an address, an id, or all."""
    rows = _rows(store)
    wanted = [row for row in rows if args.name in ("all", row.clear, row.key, row.clear.partition(":")[2])]
    if not wanted and args.name != "all":
        raise CommandError(f"nothing is locked that is called {args.name}; tf29hub user locks shows what is")
    for row in wanted:
        release_row(Paths.from_environment().throttle, row)
        print(f"{row.clear or NOBODYS} may try again.", file=sys.stderr)


def _rows(store: AccountStore) -> list[LockedRow]:
    names = [account.name for account in store.accounts()]
    candidates = [f"{method}:{name}" for method in ("local", "break-glass") for name in names]
    return locked_rows(Paths.from_environment().throttle, candidates)


def _as_json(row: LockedRow) -> dict[str, object]:
    return {
        "kind": row.kind,
        "what": row.clear or None,
        "id": row.key,
        "tries": round(row.tries),
        "seconds": max(0, round(row.locked_until - time.time())),
    }
