"""From the raw figures to medians, ratios and a table. Pure."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

Raw = dict[str, Any]

TARGETS = {"start": 0.40, "cpu": 0.30, "burst": 0.35, "memory": 0.75, "floor": 2.5}
"""What this project promises, as ratios of one run."""

_MIB = 2**20


def figures(raw: Raw, who: str) -> dict[str, float | None]:
    """The medians of one contender; None for what was not measured or never came."""
    starts = [one for one in raw["starts"] if one["who"] == who]
    cells = [one for one in raw["cells"] if one["who"] == who]
    found = {
        "start": _median(one["lab_s"] for one in [*starts, *cells]),
        "cell": _median(one["cell_s"] for one in cells),
        "cpu": _median(one["cpu_container_s"] + one["cpu_hub_s"] for one in starts),
        "cpu_hub": _median(one["cpu_hub_s"] for one in starts),
        "memory": _median(one["memory_bytes"] / _MIB for one in starts),
        "stop": _median(one["stop_s"] for one in [*starts, *cells]),
    }
    for size in raw["burst_sizes"]:
        whole = [one["wall_s"] for one in _bursts(raw, who, size) if not one["failures"]]
        found[f"burst{size}"] = whole[-1] if whole else None
    return found


def failures(raw: Raw, who: str, size: int, timeouts: str = "default") -> int | None:
    """How many of `size` starts at once failed; None where that was not tried."""
    tried = [one for one in _bursts(raw, who, size) if one["timeouts"] == timeouts]
    return len(tried[-1]["failures"]) if tried else None


def summary(raw: Raw) -> dict[str, Any]:
    """The keys that programs read: `ratio.…` (ours/stock), `floor.start` (ours/floor), `failures` (ours)."""
    ours, stock = figures(raw, "ours"), figures(raw, "stock")
    largest = max(raw["burst_sizes"])
    floor_s = _median(raw["floor_s"])
    return {
        "ratio": {
            **{name: _ratio(ours[name], stock[name]) for name in ("start", "cell", "cpu", "memory", "stop")},
            **{f"burst{size}": _ratio(ours[f"burst{size}"], stock[f"burst{size}"]) for size in raw["burst_sizes"]},
        },
        "floor": {"start": _ratio(ours["start"], floor_s), "seconds": floor_s},
        "failures": failures(raw, "ours", largest),
        "stock_failures_at_defaults": failures(raw, "stock", largest),
        "ours": ours,
        "stock": stock,
    }


def table(raw: Raw) -> str:
    """The figures side by side, for people."""
    ours, stock, floor_s = figures(raw, "ours"), figures(raw, "stock"), _median(raw["floor_s"])
    rows = [["figure", "ours", "stock", "ours/stock", "target"]]

    def add(title: str, key: str, show: Callable[[float], str], target: str = "") -> None:
        ratio = _ratio(ours[key], stock[key])
        goal = f"≤ {TARGETS[target]:.2f}" if target else ""
        rows.append([title, _shown(ours[key], show), _shown(stock[key], show), _shown(ratio, _two), goal])

    add("one start: click to Lab", "start", _seconds, "start")
    add("click to the first cell's result", "cell", _seconds)
    add("CPU of one start", "cpu", _seconds, "cpu")
    add("  of that, hub and proxy", "cpu_hub", _seconds)
    for size in raw["burst_sizes"]:
        add(
            f"last of {size} at once",
            f"burst{size}",
            _seconds,
            "burst" if size == max(raw["burst_sizes"]) else "",
        )
    add("memory of an idle server", "memory", lambda mib: f"{mib:.0f} MiB", "memory")
    add("stop", "stop", _seconds)
    for size in raw["burst_sizes"]:
        counts = [_count(failures(raw, who, size)) for who in ("ours", "stock")]
        rows.append([f"failures of {size} at once, default time-outs", *counts, "", ""])
    floor = _ratio(ours["start"], floor_s)
    rows.append(
        ["", "ours", "floor", "ours/floor", "target"],
    )
    rows.append(
        [
            "one start",
            _shown(ours["start"], _seconds),
            _shown(floor_s, _seconds),
            _shown(floor, _two),
            f"≤ {TARGETS['floor']:.2f}",
        ]
    )
    return _aligned(rows)


def _bursts(raw: Raw, who: str, size: int) -> list[Raw]:
    return [one for one in raw["bursts"] if one["who"] == who and one["size"] == size]


def _median(values: Any) -> float | None:
    found = list(values)
    return median(found) if found else None


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours is not None and theirs else None


def _shown(value: float | None, show: Callable[[float], str]) -> str:
    return "–" if value is None else show(value)


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value < 20 else f"{value:.0f} s"


def _two(value: float) -> str:
    return f"{value:.2f}"


def _count(value: int | None) -> str:
    return "–" if value is None else str(value)


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
