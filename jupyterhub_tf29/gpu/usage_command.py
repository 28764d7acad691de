"""`tf29hub usage`: GPU-hours by user, group and month, as a table, JSON or CSV."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timezone

from ..cli import CommandError
from .terminal import broker, print_json, print_table

COLUMNS = ("month", "user", "group")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `tf29hub usage`."""
    parser.add_argument(
        "--by", default="month,user,group", help="columns with commas, of month, user, group (default: all)"
    )
    parser.add_argument("--from", dest="first", metavar="MONTH", help="first month, such as 2026-09 (UTC)")
    parser.add_argument("--to", dest="last", metavar="MONTH", help="last month (default: this one)")
    parser.add_argument("--user", help="only theirs")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for programs: GPU-seconds")
    form.add_argument("--csv", action="store_true", help="for a spreadsheet: GPU-hours")


def run(args: argparse.Namespace) -> int:
    """Raises CommandError with a sentence for the admin."""
    by = tuple(args.by.split(","))
    for column in by:
        if column not in COLUMNS:
            raise CommandError(f"--by: expected some of {', '.join(COLUMNS)}, found {column!r}")
    times = {"from": _epoch(args.first), "to": _epoch(args.last)}
    with broker() as asked:
        rows = asked.get("/v1/usage", by=args.by, user=args.user, **times)["usage"]
    if args.json:
        print_json(rows)
    elif args.csv:
        from .broker.accounting import as_csv  # brings the broker's store along

        sys.stdout.write(as_csv(rows, by))
    elif not rows:
        print("No GPU was used in that time.")
    else:
        cells = [
            [*(row[one] or "-" for one in by), f"{row['gpu_seconds'] / 3600:.1f}", str(row["claims"])]
            for row in rows
        ]
        print_table([*(one.upper() for one in by), "GPU-HOURS", "CLAIMS"], cells)
    return 0


def _epoch(month: str | None) -> float | None:
    """A moment in `month`, in epoch seconds. Raises CommandError."""
    if month is None:
        return None
    try:
        return datetime.strptime(month, "%Y-%m").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        raise CommandError(f"expected a month such as 2026-09, found {month!r}") from None
