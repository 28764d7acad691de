"""Whatever happens in whatever order: no GPU is given twice, what runs is held, what was used is accounted."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.broker.histories import NAMES, History

HISTORIES = 24
STEPS = 1000
"""Of each: 24,000 events here, and more from the scheduler's own tests."""


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_random_histories(seed: int, tmp_path: Path):
    random = Random(seed)
    # every other one on a disk, with crashes of the broker
    history = History(gpus=1 + seed % 4, path=tmp_path / "broker.sqlite" if seed % 2 else None)
    try:
        history.random_steps(random, STEPS)
    except Exception as error:
        raise AssertionError(
            f"seed {seed}, after {history.steps} steps: {history.story[-12:]}: {error!r}"
        ) from error
    history.check_store()
    assert history.steps == STEPS


class AnyOrder(RuleBasedStateMachine):
    """The same steps, chosen and shrunk by Hypothesis."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()

    @initialize(gpus=st.integers(1, 4))
    def begin(self, gpus: int) -> None:
        self.history = History(gpus, Path(self._folder.name) / "broker.sqlite")

    @rule(name=st.sampled_from(NAMES), pick=st.integers(0, 4095))
    def step(self, name: str, pick: int) -> None:
        self.history.step(name, pick)

    def teardown(self) -> None:
        if hasattr(self, "history"):
            self.history.check_store()
            self.history.world.store.close()
        self._folder.cleanup()


AnyOrder.TestCase.settings = settings(
    max_examples=40, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyOrder = AnyOrder.TestCase
