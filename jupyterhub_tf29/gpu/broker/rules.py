"""What the book goes by: the policy of hub.yaml, and the bounds that follow from how servers start."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...settings import Settings
from ..scheduler.policy import Policy
from ..scheduler.state import Window
from ..settings import policy, windows

MIB = 2**20

START_MARGIN_S = 60.0
"""Between the last moment at which a start can end and the one at which its GPUs are given back."""

MISSED_SAMPLES = 3
"""A device that was not seen for so many samples and READ_S is not handed out: nobody knows how it is."""

READ_S = 15.0
"""What one look through NVML may take before the reader is restarted."""


@dataclass(frozen=True)
class Rules:
    """Durations in seconds, memory in MiB."""

    policy: Policy = field(default_factory=Policy)
    windows: tuple[Window, ...] = ()
    default_lease_s: float = 8 * 3600.0
    hold_s: float = 900.0
    """A ticket's turn: so long for its user to come."""
    start_s: float = 780.0
    """A claim whose container has not come so long after it was last asked for is given back."""
    free_within_s: float = 60.0
    """A device that was given back and is not seen free by then is quarantined."""
    stale_s: float = 45.0
    """A device that was not sampled for so long counts as missing."""
    tolerance_mib: int = 64
    """A container may hold so much more than its share."""
    period: str = "month"
    timezone: str = "UTC"


def rules(settings: Settings) -> Rules:
    """From hub.yaml."""
    gpu, start = settings.gpu, settings.start
    return Rules(
        policy=policy(gpu),
        windows=windows(gpu),
        default_lease_s=gpu.lease.default,
        hold_s=gpu.hold,
        start_s=start.queue_timeout + start.timeout + START_MARGIN_S,
        free_within_s=gpu.free_within,
        stale_s=MISSED_SAMPLES * gpu.sample_every + READ_S,
        tolerance_mib=gpu.share.tolerance // MIB,
        period=gpu.limits.period,
        timezone=gpu.timezone,
    )
