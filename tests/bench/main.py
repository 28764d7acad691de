"""One run: ours, stock and floor in turn, on one machine, within minutes of one another."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import docker

from jupyterhub_tf29.image.engine import ImageError, connect
from jupyterhub_tf29.image.pin import Pin, PinError, read_pin

from . import report
from .contender import Contender
from .floor import start_floor
from .our_hub import our_hub
from .stock_hub import get_proxy, stock_hub
from .stock_image import ensure_stock_image
from .trials import burst, single_cell, single_start

RAISED_TIMEOUT_S = 900


def main() -> int:
    args = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was made is removed then, too
    began = time.monotonic()
    try:
        engine = connect(timeout_s=300)
        pin = _our_image(engine, args.state or _state_folder(args.cache))
        stock_image = ensure_stock_image(engine, pin.image_id)
    except (ImageError, PinError, RuntimeError) as error:
        print(f"tests/bench/start: {error}", file=sys.stderr)
        return 1
    proxy = get_proxy(args.cache)
    raw: dict[str, Any] = {
        "machine": _machine(engine),
        "image": pin.tag,
        "stock": {
            "image": stock_image,
            "proxy": "configurable-http-proxy" if proxy else "traefik (npm is missing)",
        },
        "burst_sizes": sorted({args.small_burst, args.burst}),
        "floor_s": [],
        "starts": [],
        "cells": [],
        "bursts": [],
    }
    _tell(f"{raw['machine']}; ours: {pin.tag}; stock: {stock_image}, {raw['stock']['proxy']}")
    with tempfile.TemporaryDirectory(prefix="tf29hub-bench-") as folder:
        _measure(raw, args, Path(folder), engine, pin, stock_image, proxy)
    raw["machine"]["load_after"] = os.getloadavg()[0]
    raw["took_s"] = time.monotonic() - began
    print(report.table(raw))
    _tell(f"{raw['took_s'] / 60:.1f} minutes, {args.rounds} rounds; raw figures: {args.json or 'not kept'}")
    if args.json:
        args.json.write_text(json.dumps({**report.summary(raw), "raw": raw}, indent=1) + "\n", encoding="utf-8")
    return 0


def _measure(
    raw: dict[str, Any],
    args: argparse.Namespace,
    folder: Path,
    engine: docker.DockerClient,
    pin: Pin,
    stock_image: str,
    proxy: Path | None,
) -> None:
    with ExitStack() as stack:
        ours = stack.enter_context(our_hub(folder / "ours", engine, pin.image_id))
        stock = stack.enter_context(stock_hub(folder / "stock", engine, stock_image, proxy))
        for hub in (ours, stock):
            _tell(f"a start of {hub.title} that does not count: {single_cell(hub, 'first')['cell_s']:.1f} s")
        for number in range(args.rounds):
            _round(raw, number, engine, pin, ours, stock)
        failed = False
        for size in raw["burst_sizes"]:
            for hub in (ours, stock):
                failed |= _burst(raw, hub, size, "default") and hub is stock
    if failed:
        with stock_hub(folder / "patient", engine, stock_image, proxy, RAISED_TIMEOUT_S) as patient:
            for one in [one for one in raw["bursts"] if one["who"] == "stock" and one["failures"]]:
                _burst(raw, patient, one["size"], f"{RAISED_TIMEOUT_S} s")


def _round(
    raw: dict[str, Any], number: int, engine: docker.DockerClient, pin: Pin, ours: Contender, stock: Contender
) -> None:
    """Each of the three once, who is first changing from round to round."""
    raw["floor_s"].append(start_floor(engine, ours, pin.image_id))
    for hub in (ours, stock) if number % 2 == 0 else (stock, ours):
        raw["starts"].append(single_start(hub, f"idle{number}"))
        raw["cells"].append(single_cell(hub, f"cell{number}"))
        one, cell = raw["starts"][-1], raw["cells"][-1]
        _tell(
            f"round {number + 1}, {hub.title}: Lab after {one['lab_s']:.2f} and {cell['lab_s']:.2f} s, "
            f"cell after {cell['cell_s']:.2f} s, CPU {one['cpu_container_s']:.2f} + {one['cpu_hub_s']:.2f} s"
        )
    _tell(f"round {number + 1}, floor: {raw['floor_s'][-1]:.2f} s")


def _burst(raw: dict[str, Any], hub: Contender, size: int, timeouts: str) -> bool:
    """Whether any of them failed."""
    found = burst(hub, size, timeouts)
    raw["bursts"].append(found)
    _tell(
        f"{size} at once, {hub.title}, time-outs {timeouts}: {found['wall_s']:.1f} s until the last, "
        f"{len(found['failures'])} failed, stopped in {found['stop_all_s']:.1f} s"
    )
    for reason, count in Counter(re.sub(r"http\S+", "…", text) for text in found["failures"]).items():
        _tell(f"  {count} × {reason}")
    return bool(found["failures"])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests/bench/start", description="Starts of a server, measured: ours, a stock JupyterHub, the floor."
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the raw figures and the ratios there")
    parser.add_argument("--rounds", type=_count, default=5, help="single starts of each (default 5)")
    parser.add_argument("--burst", type=_count, default=30, help="starts at once, at most (default 30)")
    parser.add_argument("--quick", action="store_true", help="whether it works at all: 1 round, 2 and 4 at once")
    parser.add_argument("--state", type=Path, help="a hub's state folder, whose pinned image is taken for ours")
    args = parser.parse_args()
    began_in = Path(os.environ.get("TF29HUB_BENCH_FROM", "."))
    args.json = args.json and began_in / args.json
    args.state = args.state and began_in / args.state
    args.cache = Path(os.environ.get("TF29HUB_TEST_CACHE") or Path.home() / ".cache" / "tf29hub")
    args.small_burst = min(10, args.burst)
    if args.quick:
        args.rounds, args.small_burst, args.burst = 1, 2, 4
    return args


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 200:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 200, found {text!r}")
    return int(text)


def _state_folder(cache: Path) -> Path:
    """Of this machine's hub; where there is none, of the image that tests/run built."""
    hub = Path(os.environ.get("TF29HUB_STATE", "/var/lib/tf29hub"))
    tests = cache / "notebook" / "state"
    return hub if (hub / "image.json").exists() or not tests.exists() else tests


def _our_image(engine: docker.DockerClient, folder: Path) -> Pin:
    """The notebook image that `folder` pins. Raises PinError, ImageError."""
    pin = read_pin(folder / "image.json")
    try:
        engine.images.get(pin.image_id)
    except docker.errors.ImageNotFound:
        raise ImageError(
            f"the engine has no image {pin.tag}, which {folder} pins; run: tf29hub image build"
        ) from None
    return pin


def _machine(engine: docker.DockerClient) -> dict[str, Any]:
    version = engine.version()
    return {
        "cpus": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": platform.release(),
        "engine": version["Version"],
        "load_before": os.getloadavg()[0],
    }


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
