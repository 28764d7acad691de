"""Values about GPUs: what may be handed out of a card, and who holds how much."""

import pytest

from jupyterhub_tf29.gpu.devices import Inventory, Process, Sample, pair, usable_mib, used_by_container


@pytest.mark.parametrize(
    ("total", "reserved", "usable"),
    [
        pytest.param(40960, 0, 40960 - 1229, id="three percent, rounded against the user"),
        pytest.param(8000, 0, 8000 - 256, id="a small card keeps 256 MiB"),
        pytest.param(40960, 600, 40960 - 600 - 1229, id="and what the driver keeps for itself"),
        pytest.param(200, 100, 0, id="never below nothing"),
    ],
)
def test_usable_memory_leaves_a_margin(total, reserved, usable):
    assert usable_mib(total, reserved) == usable


def test_links_are_known_in_either_order():
    found = Inventory(links={pair("GPU-b", "GPU-a"): 160})
    assert found.link("GPU-a", "GPU-b") == found.link("GPU-b", "GPU-a") == 160
    assert found.link("GPU-a", "GPU-c") == 0


def test_what_a_container_holds_is_the_sum_of_its_processes_on_each_device():
    samples = [
        Sample(
            "GPU-a", 0.0, 900, processes=(Process(1, 300, "mine"), Process(2, 500, "mine"), Process(3, 100, None))
        ),
        Sample("GPU-b", 0.0, 10, processes=(Process(4, 10, "other"),)),
        Sample("GPU-c", 0.0, 0, processes=(Process(5, None, "mine"),)),
    ]
    assert used_by_container(samples, "mine") == {"GPU-a": 800, "GPU-c": 0}
