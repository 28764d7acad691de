"""A department under three policies: what each makes of the same four weeks, as a table, as JSON, as a picture."""

from __future__ import annotations

import argparse
import json
import os
import statistics
from pathlib import Path
from typing import Any

from jupyterhub_tf29.gpu.scheduler.policy import Policy

from .department import DAY, HOUR, MONDAY, Job, Played, jobs, play

POLICIES = {
    "first come, first served": Policy(order="arrival", backfill=False),
    "first come, with backfill": Policy(order="arrival"),
    "fair share with backfill": Policy(),
}
COLOURS = ("#b5524a", "#c9a227", "#2f6f9f")


def main() -> int:
    args = _arguments()
    every = jobs(args.gpus, args.users, args.weeks, args.load, args.seed)
    result: dict[str, Any] = {
        "gpus": args.gpus,
        "users": len({job.user for job in every}),
        "weeks": args.weeks,
        "load": args.load,
        "seed": args.seed,
        "jobs": len(every),
        "gpu_hours": round(sum(job.gpu_s for job in every) / HOUR),
        "policies": {},
    }
    played = {name: play(every, args.gpus, policy) for name, policy in POLICIES.items()}
    for name, one in played.items():
        result["policies"][name] = figures(every, one, args.gpus, args.weeks)
    print(table(result))
    if args.json:
        _inside(args.json).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if args.plot:
        plot(every, played, args.gpus, args.weeks, _inside(args.plot))
    return 0


def figures(every: list[Job], played: Played, gpus: int, weeks: float) -> dict[str, float]:
    """Of one policy. Utilisation is of the weeks themselves, not of the time after them in which the rest runs."""
    light, heavy = _light_and_heavy(every)
    waits = played.waits_s
    of_light = [wait for job, wait in zip(every, waits, strict=True) if job.user in light]
    of_heavy = [wait for job, wait in zip(every, waits, strict=True) if job.user in heavy]
    short = [wait for job, wait in zip(every, waits, strict=True) if job.lease_s <= 2 * HOUR]
    return {
        "utilisation": round(_held_gpu_s(played, MONDAY + weeks * 7 * DAY) / (gpus * weeks * 7 * DAY), 4),
        "at_once": round(sum(wait < 1 for wait in waits) / len(waits), 4),
        "wait_mean_h": _hours(statistics.fmean(waits)),
        "wait_median_h": _hours(statistics.median(waits)),
        "wait_p90_h": _hours(percentile(waits, 0.9)),
        "wait_p99_h": _hours(percentile(waits, 0.99)),
        "wait_max_h": _hours(max(waits)),
        "light_users_mean_h": _hours(statistics.fmean(of_light)),
        "light_users_p90_h": _hours(percentile(of_light, 0.9)),
        "heavy_users_mean_h": _hours(statistics.fmean(of_heavy)),
        "short_leases_median_h": _hours(statistics.median(short or [0.0])),
        "decisions": played.decisions,
    }


ROWS = {
    "utilisation": "GPUs held, of all, in these weeks",
    "at_once": "starts at once",
    "wait_mean_h": "wait, mean",
    "wait_median_h": "wait, median",
    "wait_p90_h": "wait, 90 % below",
    "wait_p99_h": "wait, 99 % below",
    "wait_max_h": "wait, longest",
    "light_users_mean_h": "the half that uses least, mean wait",
    "light_users_p90_h": "the half that uses least, 90 % below",
    "heavy_users_mean_h": "the tenth that uses most, mean wait",
    "short_leases_median_h": "leases up to 2 h, median wait",
}


def table(result: dict[str, Any]) -> str:
    """As docs/scheduling.md has it."""
    names = list(result["policies"])
    head = (
        f"{result['gpus']} GPUs, {result['users']} users, {result['jobs']} starts in {result['weeks']:g} weeks, "
        f"load {result['load']:.0%}, seed {result['seed']}\n"
    )
    lines = ["| | " + " | ".join(names) + " |", "| --- " + "| ---: " * len(names) + "|"]
    for key, title in ROWS.items():
        cells = [_cell(key, result["policies"][name][key]) for name in names]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return head + "\n".join(lines)


def _cell(key: str, value: float) -> str:
    return f"{value:.1%}" if key in ("utilisation", "at_once") else f"{value:.1f} h"


def plot(every: list[Job], played: dict[str, Played], gpus: int, weeks: float, path: Path) -> None:
    """Left: how many waited no longer than so long, of all and of those who use little. Right: GPUs held a day."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    light, _ = _light_and_heavy(every)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.2), width_ratios=(3, 2))
    for (name, one), colour in zip(played.items(), COLOURS, strict=True):
        for only, style in ((None, "-"), (light, ":")):
            waits = [
                wait / HOUR
                for job, wait in zip(every, one.waits_s, strict=True)
                if only is None or job.user in only
            ]
            parts = [(number + 1) / len(waits) for number in range(len(waits))]
            left.step(
                sorted(waits), parts, style, color=colour, where="post", label=name if only is None else None
            )
        days = [
            (_held_gpu_s(one, MONDAY + (day + 1) * DAY) - _held_gpu_s(one, MONDAY + day * DAY)) / gpus / DAY
            for day in range(int(weeks * 7))
        ]
        right.plot(range(1, len(days) + 1), days, color=colour)
    left.set(xscale="symlog", xlim=(0, None), ylim=(0, 1.01), xlabel="wait in hours", ylabel="part of all starts")
    left.set_xticks([0, 1, 3, 10, 30, 100], ["0", "1", "3", "10", "30", "100"])
    left.set_title("Waiting no longer than … (dotted: the half of users that uses least)", fontsize=10)
    left.legend(loc="lower right", frameon=False)
    right.set(ylim=(0, 1.02), xlabel="day, from a Monday", title="GPUs held, of all")
    right.title.set_fontsize(10)
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def percentile(values: list[float], part: float) -> float:
    """The value that so large a part of them does not pass (nearest rank)."""
    ordered = sorted(values) or [0.0]
    return ordered[min(len(ordered) - 1, max(0, round(part * len(ordered)) - 1))]


def _light_and_heavy(every: list[Job]) -> tuple[set[str], set[str]]:
    """The half of the users that asks for least, and the tenth that asks for most, in GPU-seconds."""
    used: dict[str, float] = {}
    for job in every:
        used[job.user] = used.get(job.user, 0.0) + job.gpu_s
    ordered = sorted(used, key=lambda user: used[user])
    return set(ordered[: max(1, len(ordered) // 2)]), set(ordered[-max(1, len(ordered) // 10) :])


def _held_gpu_s(played: Played, until: float) -> float:
    total = 0.0
    for (start, gpus), (end, _) in zip(played.held, [*played.held[1:], (until, 0.0)], strict=True):
        total += gpus * max(0.0, min(end, until) - start)
    return total


def _hours(seconds: float) -> float:
    return round(seconds / HOUR, 2)


def _inside(path: Path) -> Path:
    """Relative paths are as of where the user is, not of the project."""
    return Path(os.environ.get("TF29HUB_BENCH_FROM", ".")) / path


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests/bench/simulate",
        description="Weeks of a department on paper: the scheduler's policies against first come, first served.",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the waiting times, as PNG")
    parser.add_argument("--gpus", type=int, default=16)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--weeks", type=float, default=4)
    parser.add_argument("--load", type=float, default=0.9, help="GPU time that is asked for, of all (0.9)")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
