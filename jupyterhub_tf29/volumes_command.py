"""`tf29hub volumes`: whose files are where, how large, and the one way in which they are ever deleted."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import docker

from .audit.at_once import admin_action
from .cli import CommandError
from .settings import Paths, load_settings
from .spawner import labels
from .spawner.diskuse import volume_sizes
from .units import format_size


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `tf29hub volumes`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="every volume of this hub: its owner, kind and size")
    listing.add_argument("--json", action="store_true", help="for programs: sizes in bytes")
    removal = actions.add_parser("remove", help="delete one volume and all files in it, for ever")
    removal.add_argument("volume", help="its name, as `list` prints it")
    removal.add_argument("--yes", action="store_true", help="do not ask")


def run(args: argparse.Namespace) -> int:
    """Raises CommandError with a sentence for the admin."""
    name = load_settings(Paths.from_environment().config).name
    try:
        client = docker.APIClient(version="auto", timeout=600, **docker.utils.kwargs_from_env())
        return _list(client, name, args.json) if args.action == "list" else _remove(client, name, args)
    except (docker.errors.DockerException, OSError) as error:
        raise CommandError(f"the Docker Engine refused or does not answer: {error}") from error


def volumes_of(client: Any, name: str) -> list[dict[str, Any]]:
    """This hub's volumes, largest first: `name`, `kind`, `user`, `server`, `bytes` (None: not measured)."""
    sizes = volume_sizes(client)
    found = client.volumes(filters={"label": f"{labels.NAME}={name}"})["Volumes"] or []
    rows = [
        {
            "name": volume["Name"],
            "kind": volume["Labels"].get(labels.KIND, ""),
            "user": volume["Labels"].get(labels.USER, ""),
            "server": volume["Labels"].get(labels.SERVER, ""),
            "bytes": sizes.get(volume["Name"]),
        }
        for volume in found
    ]
    return sorted(rows, key=lambda row: (-(row["bytes"] or 0), row["name"]))


def _list(client: Any, name: str, as_json: bool) -> int:
    rows = volumes_of(client, name)
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return 0
    print(f"{'SIZE':>10}  {'KIND':<9} {'USER':<24} VOLUME")
    for row in rows:
        size = "?" if row["bytes"] is None else format_size(row["bytes"])
        owner = row["user"] + (f" ({row['server']})" if row["server"] else "")
        print(f"{size:>10}  {row['kind']:<9} {owner or 'all':<24} {row['name']}")
    return 0


def _remove(client: Any, name: str, args: argparse.Namespace) -> int:
    try:
        volume = client.inspect_volume(args.volume)
    except docker.errors.NotFound:
        raise CommandError(f"there is no volume {args.volume}; `tf29hub volumes list` shows all") from None
    if (volume["Labels"] or {}).get(labels.NAME) != name:
        raise CommandError(f"the volume {args.volume} is not of this hub ({name}); it stays")
    if not args.yes:
        print(f"Delete {args.volume} and all its files, for ever? Type its name to confirm: ", end="", flush=True)
        if sys.stdin.readline().strip() != args.volume:
            raise CommandError("the answer was not its name; nothing was deleted")
    try:
        client.remove_volume(args.volume)
    except docker.errors.APIError as error:
        if error.status_code == 409:
            raise CommandError(f"the volume {args.volume} is in use: stop its user's servers first") from None
        raise
    print(f"Deleted {args.volume}.")
    admin_action("volume-remove", name=volume["Labels"].get(labels.USER), volume=args.volume)
    return 0
