"""`tf29hub audit`: the audit trail at the terminal."""

from __future__ import annotations

import argparse
import json
import sys
from collections import deque
from collections.abc import Iterable
from typing import Any

from ..cli import CommandError
from ..settings import Paths
from .event import SCHEMA_FILE, event_names
from .reader import Broken, Wanted, in_words, parse_moment, read_events


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Filters; together they all have to fit."""
    parser.add_argument("--user", metavar="NAME", help="whom it is about, or who did it")
    parser.add_argument("--event", metavar="EVENT", choices=event_names(), help="such as sign-in or server-start")
    parser.add_argument("--since", metavar="WHEN", help="2026-11-23, 2026-11-23T14:00 (UTC), or 2h: so long ago")
    parser.add_argument("--until", metavar="WHEN", help="the same, and not after it")
    parser.add_argument("--address", metavar="IP", help="where it was asked for")
    parser.add_argument("--failed", action="store_true", help="only what failed or was refused")
    parser.add_argument("-n", "--last", type=int, metavar="N", help="the last N of them")
    parser.add_argument("--json", action="store_true", help="as JSON lines, as they are in the file")
    parser.add_argument("--schema", action="store_true", help="print the JSON schema of an event, nothing else")


def run(args: argparse.Namespace) -> int:
    """0, also where there is nothing. Raises CommandError."""
    if args.schema:
        print(SCHEMA_FILE.read_text(encoding="utf-8"), end="")
        return 0
    path, broken = Paths.from_environment().audit, Broken()
    try:
        wanted = Wanted(
            user=args.user,
            event=args.event,
            since=parse_moment(args.since) if args.since else None,
            until=parse_moment(args.until) if args.until else None,
            address=args.address,
            outcome="failure" if args.failed else None,
        )
        events: Iterable[dict[str, Any]] = read_events(path, wanted, broken)
        if args.last is not None:
            events = deque(events, maxlen=max(0, args.last))
        for event in events:
            print(json.dumps(event, ensure_ascii=False) if args.json else in_words(event))
    except ValueError as error:
        raise CommandError(str(error)) from error
    except BrokenPipeError:
        sys.stderr.close()  # `tf29hub audit | head`
        return 0
    except OSError as error:
        raise CommandError(f"the trail cannot be read: {error}") from error
    if broken.lines:
        print(f"{broken.lines} lines of the trail are no events and were left out", file=sys.stderr)
    if not path.exists():
        print(f"There is no trail yet at {path}.", file=sys.stderr)
    return 0
