"""The stand-ins' knobs for a developer: `gpulab WORD …`, as `deploy/up --gpulab N` installs it.

GPU is a place from 0 or a UUID; SERVER is a user's name (their default server) or a container's id.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from .engine import lose_devices
from .lab import MIG_PROFILES, GpuLab


def main() -> int:
    """Exit code 0, or 1 with a sentence."""
    parser = argparse.ArgumentParser(prog="gpulab", description="Change how the GPUs that are not real do.")
    parser.add_argument("--folder", type=Path, required=True, help=argparse.SUPPRESS)
    words = parser.add_subparsers(dest="word", required=True, metavar="WORD")

    def word(name: str, explained: str, act: Callable[[GpuLab, argparse.Namespace], object], *names: str):
        made = words.add_parser(name, help=explained)
        for one in names:
            made.add_argument(one, nargs="*" if one == "profile" else None)
        made.set_defaults(act=act)
        return made

    start = word("start", "a fresh machine, forgetting all before", lambda lab, args: _start(lab, args.gpus))
    start.add_argument("gpus", type=int)
    word("show", "what nvidia-smi says", lambda lab, args: print(lab.nvidia_smi(), lab.nvidia_smi("-L"), sep="\n"))
    train = word(
        "train",
        "a server's process uses a GPU until it dies",
        lambda lab, args: lab.train(_container(args.server), _gpu(args.gpu), args.mib, args.util),
        *("server", "gpu"),
    )
    train.add_argument("--mib", type=int, default=8000)
    train.add_argument("--util", type=int, default=95)
    word(
        "rest",
        "nothing uses a server's GPUs any more",
        lambda lab, args: [lab.end_process(pid) for pid in _pids(args.server)],
        "server",
    )
    word(
        "xid",
        "the driver reports trouble",
        lambda lab, args: lab.xid(_gpu(args.gpu), int(args.code)),
        "gpu",
        "code",
    )
    word("hang", "every question about a GPU hangs", lambda lab, args: lab.hang(_gpu(args.gpu)), "gpu")
    word("heal", "all GPUs answer again", lambda lab, args: lab.heal())
    word("remove", "a GPU is gone", lambda lab, args: lab.remove(_gpu(args.gpu)), "gpu")
    word("put-back", "all GPUs that were removed are there again", lambda lab, args: lab.put_back())
    word(
        "cut",
        f"a GPU in MIG mode with these slices ({', '.join(MIG_PROFILES)}); none: a whole one again",
        lambda lab, args: print(*lab.cut(_gpu(args.gpu), args.profile), sep="\n"),
        *("gpu", "profile"),
    )
    word("lose", "as a daemon-reload does", lambda lab, args: lose_devices(_container(args.server)), "server")
    args = parser.parse_args()
    try:
        args.act(GpuLab(args.folder), args)
    except (KeyError, IndexError, RuntimeError, ValueError) as error:
        print(f"gpulab: {error.args[0] if error.args else error}", file=sys.stderr)
        return 1
    return 0


def _start(lab: GpuLab, gpus: int) -> None:
    # the broker tells by the driver's version that they are not real
    lab.start(gpus=gpus, driver="535.104.05-gpulab")


def _gpu(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def _container(server: str) -> str:
    filters = ("--filter", f"label=tf29hub.user={server}", "--filter", "label=tf29hub.server=")
    for chosen in (filters, ("--filter", f"id={server}")):
        found = subprocess.run(
            ["docker", "ps", "--quiet", "--no-trunc", *chosen], capture_output=True, text=True, check=True
        ).stdout.split()
        if len(found) == 1:
            return found[0]
    raise RuntimeError(f"no container of {server} runs")


def _pids(server: str) -> list[int]:
    from .lab import host_pids

    return host_pids(_container(server))


if __name__ == "__main__":
    sys.exit(main())
