"""`tf29hub gpus`: which GPUs there are, how they do and who holds them; take one out of service, end a claim."""

from __future__ import annotations

import argparse
from typing import Any

from ..audit.at_once import admin_action
from ..units import parse_duration
from .terminal import SHORT, broker, chosen, in_from_now, print_json, print_table, server_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `tf29hub gpus`."""
    parser.add_argument("--json", action="store_true", help="for programs, as the broker answers")
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    drain = actions.add_parser("drain", help="nobody new is put on this GPU; who is on it stays")
    drain.add_argument("uuid", help="its UUID, or how it begins")
    drain.add_argument("--reason", default="", help="shown wherever the GPU is shown")
    back = actions.add_parser("return", help="into service again; one that is missing is struck off the list")
    back.add_argument("uuid", help="its UUID, or how it begins")
    extend = actions.add_parser("extend", help="move the end of a lease")
    extend.add_argument("claim", help="the claim's id, or how it begins")
    extend.add_argument("by", type=parse_duration, help="such as 2h")
    end = actions.add_parser("end", help="stop the server that holds this claim")
    end.add_argument("claim", help="the claim's id, or how it begins")
    end.add_argument("--reason", default="", help="shown to its user")


def run(args: argparse.Namespace) -> int:
    """Raises CommandError with a sentence for the admin."""
    with broker() as asked:
        if args.action is None:
            _show(asked.get("/v1/devices"), args.json)
        elif args.action in ("drain", "return"):
            uuid = chosen(asked.get("/v1/devices")["devices"], "uuid", args.uuid, "GPU")["uuid"]
            body = {"reason": args.reason} if args.action == "drain" else {}
            asked.post(f"/v1/devices/{uuid}/{args.action}", **body)
            admin_action(f"gpu-{args.action}", gpus=[uuid], **body)
            print(f"{uuid} takes nobody new now." if args.action == "drain" else f"{uuid} is back in service.")
        else:
            _change_claim(asked, args)
    return 0


def _change_claim(asked: Any, args: argparse.Namespace) -> None:
    claim = chosen(asked.get("/v1/claims")["claims"], "id", args.claim, "claim")
    path = f"/v1/claims/{claim['id']}/{args.action}"
    if args.action == "extend":
        after = asked.post(path, seconds=args.by)["claim"]
        print(f"The lease of {server_of(claim)} ends in {in_from_now(after['lease_end'])} now.")
    else:
        asked.post(path, reason=args.reason)
        print(f"The server of {server_of(claim)} is being stopped.")
    gpus = [device["uuid"] for device in claim["devices"]]
    admin_action(f"gpu-{args.action}", name=claim["user"], server=claim["server"], gpus=gpus)


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    if not found["real"]:
        print("These GPUs are not real: they are the stand-ins of the tests.")
    if found["problem"]:
        print(f"No GPU can be handed out: {found['problem']}")
    rows = [line for device in found["devices"] for line in _lines(device)]
    if rows:
        print_table(["GPU", "MODEL", "STATE", "MEMORY", "USE", "TEMP", "HELD BY", "CLAIM", "ENDS IN"], rows)
    for device in found["devices"]:
        if device["reason"]:
            print(f"{device['uuid']}: {device['state']}: {device['reason']['en']}")


def _lines(device: dict[str, Any]) -> list[list[str]]:
    """One for each holder of the device, at least one."""
    sample = device["sample"] or {}
    kind = f"{device['model']} {device['mig_profile'] or ''}".strip()
    used, whole = sample.get("used_mib"), device["memory_mib"]
    facts = [
        device["uuid"][: SHORT + 4],
        kind,
        device["state"],
        f"{'?' if used is None else used}/{whole} MiB",
        "-" if sample.get("utilisation") is None else f"{sample['utilisation']} %",
        "-" if sample.get("temperature") is None else f"{sample['temperature']} °C",
    ]
    if not device["holders"]:
        return [[*facts, "", "", ""]]
    lines = []
    for number, holder in enumerate(device["holders"]):
        share = f" {holder['mib']} MiB" if holder["mib"] else ""
        held = [f"{server_of(holder)}{share}", holder["claim"][:SHORT], in_from_now(holder["lease_end"])]
        lines.append([*(facts if number == 0 else [""] * len(facts)), *held])
    return lines
