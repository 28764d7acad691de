"""The one entrance: `decide(state, now)`."""

from __future__ import annotations

from .decisions import Decisions
from .state import State


def decide(state: State, now: float) -> Decisions:
    """Who is given what at `now`, who waits where and until when, who is warned and who must go.

    A pure function: no clock, no Docker, no Hub, no NVML; the same state and time give the same answer, and
    applying the answer and asking again grants nothing twice.
    """
    raise NotImplementedError
