"""The benchmark's medians, ratios and table, from raw figures that are given."""

from __future__ import annotations

import copy

import pytest

from tests.bench import report

MIB = 2**20


def start(who: str, lab_s: float, cpu_s: float = 1.0, memory_mib: float = 100) -> dict:
    return {
        "who": who,
        "lab_s": lab_s,
        "cpu_container_s": cpu_s,
        "cpu_hub_s": 0.5,
        "memory_bytes": memory_mib * MIB,
        "stop_s": 1.0,
    }


def cell(who: str, lab_s: float, cell_s: float) -> dict:
    return {"who": who, "lab_s": lab_s, "cell_s": cell_s, "stop_s": 1.0}


def burst(who: str, size: int, wall_s: float, failures: int = 0, timeouts: str = "default") -> dict:
    return {
        "who": who,
        "size": size,
        "timeouts": timeouts,
        "wall_s": wall_s,
        "failures": ["it took too long"] * failures,
    }


RAW = {
    "burst_sizes": [10, 30],
    "floor_s": [0.5, 0.4, 9.0],
    "starts": [
        start("ours", 1.0, cpu_s=0.5, memory_mib=50),
        start("ours", 1.2, cpu_s=0.7, memory_mib=60),
        start("stock", 4.0, cpu_s=3.5),
        start("stock", 5.0, cpu_s=4.5, memory_mib=120),
    ],
    "cells": [cell("ours", 0.8, 2.0), cell("stock", 90.0, 100.0)],
    "bursts": [
        burst("ours", 10, 8.0),
        burst("stock", 10, 16.0),
        burst("ours", 30, 20.0),
        burst("stock", 30, 70.0, failures=26),
        burst("stock", 30, 80.0, timeouts="900 s"),
    ],
}


def test_each_contender_has_its_own_medians():
    ours, stock = report.figures(RAW, "ours"), report.figures(RAW, "stock")
    assert ours["start"] == 1.0  # of 0.8, 1.0, 1.2: the starts before a cell count, too
    assert stock["start"] == 5.0  # one start of 90 s does not move it
    assert ours["cpu"] == pytest.approx(1.1)  # container and hub
    assert stock["cpu"] == pytest.approx(4.5)
    assert ours["memory"] == 55
    assert ours["cell"] == 2.0


def test_the_keys_that_programs_read():
    summary = report.summary(RAW)
    assert summary["ratio"]["start"] == pytest.approx(1.0 / 5.0)
    assert summary["ratio"]["cpu"] == pytest.approx(1.1 / 4.5)
    assert summary["ratio"]["memory"] == pytest.approx(55 / 110)
    assert summary["floor"] == {"start": pytest.approx(2.0), "seconds": 0.5}
    assert summary["failures"] == 0


def test_a_burst_with_failures_has_no_time_and_the_patient_one_takes_its_place():
    summary = report.summary(RAW)
    assert summary["ratio"]["burst30"] == pytest.approx(20.0 / 80.0)
    assert summary["stock_failures_at_defaults"] == 26
    hasty = copy.deepcopy(RAW)
    hasty["bursts"].pop()
    assert report.summary(hasty)["ratio"]["burst30"] is None


def test_our_own_failures_are_told_not_hidden():
    failing = copy.deepcopy(RAW)
    failing["bursts"][2] = burst("ours", 30, 20.0, failures=3)
    summary = report.summary(failing)
    assert summary["failures"] == 3
    assert summary["ratio"]["burst30"] is None
    (told,) = [line for line in report.table(failing).splitlines() if line.startswith("failures of 30")]
    assert told.split()[-2:] == ["3", "26"]


def test_the_table_is_aligned_and_names_the_targets():
    lines = report.table(RAW).splitlines()
    assert lines[0].split() == ["figure", "ours", "stock", "ours/stock", "target"]
    (first,) = [line for line in lines if line.startswith("one start: click to Lab")]
    assert first.split()[-7:] == ["1.00", "s", "5.00", "s", "0.20", "≤", "0.40"]
    (last,) = [line for line in lines if line.startswith("last of 30")]
    assert last.split()[-7:] == ["20", "s", "80", "s", "0.25", "≤", "0.35"]
    assert lines[-1].split() == ["one", "start", "1.00", "s", "0.50", "s", "2.00", "≤", "2.50"]


def test_what_was_not_measured_is_a_dash():
    nothing = {"burst_sizes": [2], "floor_s": [], "starts": [], "cells": [], "bursts": []}
    summary = report.summary(nothing)
    assert summary["ratio"]["start"] is None
    assert summary["failures"] is None
    assert "–" in report.table(nothing)
