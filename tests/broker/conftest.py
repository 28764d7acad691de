"""A machine of two GPUs in memory, and one whose book is a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.broker.world import World


@pytest.fixture
def world() -> World:
    return World(gpus=2)


@pytest.fixture
def durable(tmp_path: Path) -> World:
    return World(gpus=2, path=tmp_path / "broker.sqlite")
