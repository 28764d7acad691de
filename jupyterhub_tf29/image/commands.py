"""`tf29hub image`: build, verify, list, pin and prune the notebook image."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..cli import CommandError
from ..settings import Paths, Settings, load_settings
from ..units import format_size
from . import store
from .build import Plan, build, default_context, host_ca_bundle, pin_of
from .engine import ImageError, connect
from .pin import PinError, read_pin, write_pin


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The five verbs."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    building = verbs.add_parser("build", help="build the image, or find the unchanged one, and pin it")
    building.add_argument(
        "--base", metavar="BASE", help="cuda, ubuntu, debian or an image; default: what fits here"
    )
    building.add_argument("--renew-base", action="store_true", help="get or make the base again")
    building.add_argument("--mirror", help="where debootstrap gets Debian's packages")
    building.add_argument("--ca", type=Path, help="PEM bundle that the build trusts; default: this machine's")
    building.add_argument(
        "--ca-into-image",
        action=argparse.BooleanOptionalAction,
        help="users' containers trust that bundle too (TLS-inspecting proxy); default: hub.yaml's",
    )
    building.add_argument(
        "--context", type=Path, help="the folder images/notebook; default: the one that came with this program"
    )
    building.add_argument("--no-pin", action="store_true", help="leave the pin as it is")
    building.set_defaults(verb_run=_build)

    verifying = verbs.add_parser("verify", help="prove item by item that an image does what it should")
    verifying.add_argument("image", nargs="?", help="tag, ID or digest; default: the pinned one")
    verifying.add_argument("--offline", action="store_true", help="no package index can be reached: leave pip out")
    verifying.set_defaults(verb_run=_verify)

    listing = verbs.add_parser("list", help="the images that this installation made, and who uses them")
    listing.set_defaults(verb_run=_list)

    pinning = verbs.add_parser("pin", help="show which image everybody runs, or choose another")
    pinning.add_argument("image", nargs="?", help="tag, ID or digest of an image in the engine")
    pinning.set_defaults(verb_run=_pin)

    pruning = verbs.add_parser("prune", help="remove images of ours that nothing uses")
    pruning.add_argument("--dry-run", action="store_true", help="only say what would go")
    pruning.set_defaults(verb_run=_prune)


def run(args: argparse.Namespace) -> int:
    """Run one verb; 0: done, 1: `verify` found something amiss. Raises CommandError."""
    try:
        return int(args.verb_run(args))
    except (ImageError, PinError) as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"{error.filename or 'a file'}: {error.strerror or error}") from error


def _settings(paths: Paths) -> Settings:
    """An image can be built before anything is configured."""
    return load_settings(paths.config) if (paths.config / "hub.yaml").exists() else Settings()


def _build(args: argparse.Namespace) -> int:
    paths = Paths.from_environment()
    settings = _settings(paths)
    if args.ca and not args.ca.is_file():
        raise CommandError(f"--ca: there is no file {args.ca}")
    plan = Plan(
        context=args.context or default_context(),
        repository=settings.image.repository,
        installation=settings.name,
        base=args.base,
        renew_base=args.renew_base,
        mirror=args.mirror,
        ca=args.ca or host_ca_bundle(),
        ca_into_image=settings.image.ca_into_image if args.ca_into_image is None else args.ca_into_image,
    )
    pin = build(connect(), plan)
    if not args.no_pin:
        write_pin(paths.image_pin, pin)
        print(f"pinned {pin.short_id} in {paths.image_pin}: everybody's next start runs it")
    return 0


def _verify(args: argparse.Namespace) -> int:
    from .verify import verify

    paths = Paths.from_environment()
    client = connect()
    image = store.find(client, args.image or read_pin(paths.image_pin).image_id)
    return 0 if verify(client, image, _settings(paths).name, offline=args.offline) else 1


def _list(args: argparse.Namespace) -> int:
    paths = Paths.from_environment()
    pinned = _pinned_id(paths)
    for one in store.ours(connect(), _settings(paths).name):
        marks = ["pinned"] if one.image_id == pinned else []
        marks += [f"used by {name}" for name in one.containers]
        print(
            f"{one.image_id[7:19]}  {', '.join(one.tags) or '-':40}  {one.kind:8}  {one.created[:19]}Z  "
            f"{format_size(one.size_bytes):>9}  {'; '.join(marks)}".rstrip()
        )
    return 0


def _pin(args: argparse.Namespace) -> int:
    paths = Paths.from_environment()
    if args.image:
        image = store.find(connect(), args.image)
        write_pin(paths.image_pin, pin_of(image, args.image))
    pin = read_pin(paths.image_pin)
    print(f"{pin.short_id}  {pin.tag}  base {pin.base}, built {pin.built}; runs as {pin.reference}")
    return 0


def _prune(args: argparse.Namespace) -> int:
    paths = Paths.from_environment()
    client: Any = connect()
    pinned = _pinned_id(paths)
    if pinned is None:
        raise CommandError(f"{paths.image_pin}: no image is pinned, so nothing is known to be unused")
    going = store.prunable(store.ours(client, _settings(paths).name), pinned)
    for one in going:
        if not args.dry_run:
            store.remove(client, one)
        print(f"{'would remove' if args.dry_run else 'removed'} {one.image_id[7:19]} {', '.join(one.tags)}")
    print(f"{len(going)} image(s), {format_size(sum(one.size_bytes for one in going))} before shared layers")
    return 0


def _pinned_id(paths: Paths) -> str | None:
    """None where nothing was pinned yet; a pin that cannot be read is an error."""
    return read_pin(paths.image_pin).image_id if paths.image_pin.exists() else None
