"""The `tf29hub` command. Each subcommand lives in the room it is about and is imported when it is used."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from . import __version__
from .yamlfile import ConfigError

# name: (module with `add_arguments(parser)` and `run(args) -> int`, one line of help)
COMMANDS = {
    "hub": ("jupyterhub_tf29.hub_command", "run the Hub (started by deploy/up)"),
    "image": ("jupyterhub_tf29.image.commands", "build, verify, list, pin and prune the notebook image"),
    "settings": ("jupyterhub_tf29.settings_command", "hub.yaml: show what is in force, set a value"),
    "secrets": ("jupyterhub_tf29.secretfiles", "make the secrets that are missing"),
    "proxy": ("jupyterhub_tf29.proxy", "run the front (Traefik); the supervisor does this"),
    "console": ("jupyterhub_tf29.console.command", "run the pages about GPUs; the supervisor does this"),
    "culler": ("jupyterhub_tf29.culler", "run the idle culler; the supervisor does this"),
    "broker": ("jupyterhub_tf29.gpu.broker.command", "run the GPU broker; the supervisor does this"),
    "gpus": ("jupyterhub_tf29.gpu.gpus_command", "GPUs: who holds which; drain, return, extend, end"),
    "queue": ("jupyterhub_tf29.gpu.queue_command", "the line for GPUs: who waits and why; move, cancel"),
    "usage": ("jupyterhub_tf29.gpu.usage_command", "GPU-hours by user, group and month"),
    "check": ("jupyterhub_tf29.check", "do the whole main job once against the running hub"),
    "doctor": ("jupyterhub_tf29.doctor", "look at everything the hub stands on, and say what to do"),
    "volumes": ("jupyterhub_tf29.volumes_command", "users' files: list their volumes and sizes, delete one"),
    "certificate": ("jupyterhub_tf29.front.command", "TLS of our own proxy: renew its certificate, show it"),
    "audit": ("jupyterhub_tf29.audit.command", "the audit trail: who came in, who did what"),
    "user": ("jupyterhub_tf29.auth.commands", "local accounts: list, add, approve, disable, set a password"),
    "identity": ("jupyterhub_tf29.auth.identity_command", "whose each name is: list, give to another, forget"),
    "directory": ("jupyterhub_tf29.auth.ldap.command", "what the LDAP directory says of somebody"),
}


class CommandError(Exception):
    """What the person at the terminal has to know; printed without a traceback, exit code 1."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; 0: done, 1: it failed and said why, 2: it was called wrongly."""
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="tf29hub", description=__doc__)
    parser.add_argument("--version", action="version", version=f"tf29hub {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    chosen = next((word for word in argv if not word.startswith("-")), None)
    for name, (module_name, summary) in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary)
        if name == chosen:
            module = importlib.import_module(module_name)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    args = parser.parse_args(argv)
    try:
        return int(args.run(args) or 0)
    except (CommandError, ConfigError) as error:
        print(f"tf29hub {args.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
