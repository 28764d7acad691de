"""`tf29hub queue`: who waits for GPUs, where, how long yet and why; move a place, cancel one."""

from __future__ import annotations

import argparse
import time
from typing import Any

from ..audit.at_once import admin_action
from .request import Request
from .terminal import SHORT, broker, chosen, lasting, print_json, print_table, server_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `tf29hub queue`."""
    parser.add_argument("--json", action="store_true", help="for programs, as the broker answers")
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    explain = actions.add_parser("explain", help="why this one waits, and what has to happen first")
    explain.add_argument("ticket", help="the ticket's id, or how it begins")
    move = actions.add_parser("move", help="put one at another place")
    move.add_argument("ticket", help="the ticket's id, or how it begins")
    move.add_argument("place", type=int, help="from 1; 0 gives it back to the policy")
    cancel = actions.add_parser("cancel", help="strike one off the line")
    cancel.add_argument("ticket", help="the ticket's id, or how it begins")


def run(args: argparse.Namespace) -> int:
    """Raises CommandError with a sentence for the admin."""
    with broker() as asked:
        tickets = asked.get("/v1/tickets")["tickets"]
        if args.action is None:
            _show(tickets, args.json)
            return 0
        ticket = chosen(tickets, "id", args.ticket, "ticket")
        if args.action == "explain":
            print_json(asked.get(f"/v1/explain/{ticket['id']}"))
        elif args.action == "move":
            after = asked.post(f"/v1/tickets/{ticket['id']}/move", place=args.place)["ticket"]
            print(_where(after))
        else:
            asked.delete(f"/v1/tickets/{ticket['id']}")
            print(f"{server_of(ticket)} waits no more.")
        if args.action in ("move", "cancel"):
            admin_action(f"line-{args.action}", name=ticket["user"], server=ticket["server"])
    return 0


def _show(tickets: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(tickets)
        return
    if not tickets:
        print("Nobody waits for GPUs.")
        return
    now = time.time()
    rows = [
        [
            str(ticket["place"] or "turn"),
            server_of(ticket),
            Request.from_json(ticket["request"]).in_words(),
            lasting(now - ticket["submitted"]),
            _estimate(ticket),
            ticket["id"][:SHORT],
            ticket["reason"]["en"],
        ]
        for ticket in tickets
    ]
    print_table(["PLACE", "WHO", "WHAT", "WAITED", "STARTS IN", "TICKET", "WHY"], rows)


def _estimate(ticket: dict[str, Any]) -> str:
    if ticket["state"] != "waiting":
        return str(ticket["state"])
    return "?" if ticket["estimate_s"] is None else f"about {lasting(ticket['estimate_s'])}"


def _where(ticket: dict[str, Any]) -> str:
    if ticket["state"] != "waiting":
        return f"It is the turn of {server_of(ticket)}."
    return f"{server_of(ticket)} is at place {ticket['place']} now."
