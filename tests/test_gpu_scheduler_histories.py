"""Random histories of machines and people: whatever happens, the rules of docs/scheduling.md hold.

Each kind of machine is small and busy, so that what is rare elsewhere happens all the time. Every event is
followed by a decision that is checked the slow and plain way (tests/scheduling/rules.py), and applied as the
broker does.
"""

import random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.scheduling.watch import accounts_agree
from tests.scheduling.world import Setting, World

EVENTS = 100_000
"""In all histories together, at least."""

HISTORIES, LENGTH = 17, 750

KINDS = {
    "plain": Setting(),
    "two models and slices": Setting(gpus=5, two_models=True, slices=2, groups=True),
    "first come, nobody passes": Setting(backfill=False),
    "windows": Setting(windows=True, two_models=True, groups=True),
    "windows that take back": Setting(windows=True, take_back=True, faults=True),
    "limits": Setting(limits=True, groups=True),
    "faults": Setting(faults=True, two_models=True, slices=2),
    "everything": Setting(
        gpus=5, two_models=True, slices=3, windows=True, limits=True, faults=True, extend="always"
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_rules_hold_in_random_histories(kind):
    seen = []

    @settings(max_examples=HISTORIES, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(seed=st.integers(min_value=0, max_value=2**32))
    def play(seed):
        world = World(KINDS[kind], random.Random(seed))
        world.run(LENGTH)
        accounts_agree(world)
        seen.append(world)

    play()
    assert sum(world.events for world in seen) * len(KINDS) >= EVENTS
    assert sum(len(world.history) for world in seen) > 20 * HISTORIES, "hardly anybody was granted anything"


def test_the_histories_show_what_they_are_about():
    """Heads that wait, people who wait the longest wait, releases, shortages, offers, every cause of an end."""
    seen = {"heads": 0, "overdue": 0, "offers": 0, "releases": 0, "shortages": 0, "extensions": 0}
    causes, reasons = set(), set()
    for kind in ("plain", "windows that take back", "everything"):
        world = World(KINDS[kind], random.Random(kind))
        decide = world.decide

        def noting(state, now, decide=decide):
            found = decide(state, now)
            causes.update(ending.cause for ending in found.endings)
            reasons.update(entry.reason.code for entry in found.line)
            reasons.update(grant.reason.code for grant in found.grants)
            for what in ("offers", "releases", "shortages", "extensions"):
                seen[what] += len(getattr(found, what))
            return found

        world.decide = noting
        world.run(2000)
        seen["heads"] += world.watch.heads
        seen["overdue"] += world.watch.overdue
    assert all(seen.values()), seen
    assert causes == {"lease", "idle", "overrun", "window"}
    assert {"free", "backfill", "window", "units", "would-delay", "lease-window", "window-kept"} <= reasons
    assert {"limit-gpus", "limit-hours", "out-of-service", "never", "held"} <= reasons
