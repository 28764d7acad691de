"""Memory in use, from the engine's figures."""

import pytest

from jupyterhub_tf29.spawner.watch import memory_in_use


@pytest.mark.parametrize(
    ("memory_stats", "in_use"),
    [
        ({"usage": 1000, "stats": {"total_inactive_file": 300}}, 700),
        ({"usage": 1000, "stats": {"inactive_file": 200}}, 800),
        ({"usage": 100, "stats": {"inactive_file": 200}}, 100),
        ({"usage": 100}, 100),
        ({}, None),
        (None, None),
    ],
    ids=["cgroup v1", "cgroup v2", "cache larger than usage", "no details", "not running", "nothing"],
)
def test_the_page_cache_does_not_count(memory_stats, in_use):
    assert memory_in_use({"memory_stats": memory_stats}) == in_use
