"""The benchmarks of the scheduler run, at a tiny size, and write what their readers look for."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.department import MONDAY, jobs, play
from tests.bench.simulate_main import POLICIES, percentile

BENCH = Path(__file__).parent / "bench"


def run(program, folder, *arguments):
    environment = {**os.environ, "TF29HUB_BENCH_PYTHON": sys.executable}
    command = [BENCH / program, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_simulate_writes_figures_and_a_picture_where_it_is_told(tmp_path):
    small = ("--gpus", "4", "--users", "12", "--weeks", "0.5")
    found = run("simulate", tmp_path, "--json", "figures.json", "--plot", "waits.png", *small)
    assert found.returncode == 0, found.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert set(figures["policies"]) == set(POLICIES)
    for one in figures["policies"].values():
        assert 0.3 < one["utilisation"] <= 1
        assert 0 <= one["wait_median_h"] <= one["wait_p90_h"] <= one["wait_max_h"]
    assert "| wait, median |" in found.stdout
    assert (tmp_path / "waits.png").read_bytes().startswith(b"\x89PNG")


def test_scheduler_writes_how_fast_it_decides(tmp_path):
    found = run("scheduler", tmp_path, "--json", "speed.json", "--quick", "--decisions", "4")
    assert found.returncode == 0, found.stderr
    figures = json.loads((tmp_path / "speed.json").read_text())
    assert [(row["gpus"], row["waiting"]) for row in figures["sizes"]] == [(16, 200), (64, 1250)]
    for row in figures["sizes"]:
        assert row["per_second"] > 0
        assert row["median_ms"] <= row["p99_ms"]
        assert row["every_rule"]["per_second"] > 0
    assert {"measured", "n_log_n", "n_squared"} == set(figures["growth"])


@pytest.mark.parametrize("program", ["simulate", "scheduler"])
def test_they_say_what_they_take(program, tmp_path):
    found = run(program, tmp_path, "--help")
    assert found.returncode == 0
    assert "--json FILE" in found.stdout


def test_every_policy_meets_the_same_jobs_and_runs_each_of_them():
    every = jobs(gpus=4, users=10, weeks=0.3, load=0.8, seed=7)
    assert every == jobs(gpus=4, users=10, weeks=0.3, load=0.8, seed=7)
    assert all(job.at >= MONDAY for job in every)
    for policy in POLICIES.values():
        played = play(every, 4, policy)
        assert len(played.waits_s) == len(every)
        assert min(played.waits_s) >= 0
        assert max(gpus for _, gpus in played.held) <= 4 + 1e-9
        given = sum(
            gpus * (end - start) for (start, gpus), (end, _) in zip(played.held, played.held[1:], strict=False)
        )
        asked = sum(
            job.runs_s * (job.request.weight(38000) if job.request.share_mib else job.request.count)
            for job in every
        )
        assert abs(given - asked) < 0.05 * asked


def test_a_percentile_is_a_value_that_occurred():
    assert percentile([3.0, 1.0, 2.0, 4.0], 0.5) == 2.0
    assert percentile([5.0], 0.99) == 5.0
