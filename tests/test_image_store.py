"""Which images may go."""

from __future__ import annotations

from jupyterhub_tf29.image.store import Stored, prunable


def stored(
    name: str, kind: str = "notebook", created: str = "2026-01-01", containers: tuple[str, ...] = ()
) -> Stored:
    return Stored(name, kind, (f"r:{name}",), created, 1, {}, containers)


def going(images: list[Stored], pinned: str | None) -> list[str]:
    return [one.image_id for one in prunable(images, pinned)]


def test_the_pinned_image_stays_and_unused_ones_go():
    assert going([stored("old"), stored("pinned")], "pinned") == ["old"]


def test_an_image_that_a_container_uses_stays_also_when_it_is_stopped():
    assert going([stored("used", containers=("tf29hub-ada",)), stored("pinned")], "pinned") == []


def test_the_newest_base_stays():
    bases = [stored("base-1", "base", "2026-01-01"), stored("base-2", "base", "2026-02-01")]
    assert going([stored("pinned"), *bases], "pinned") == ["base-1"]


def test_without_a_pin_nothing_goes():
    assert going([stored("one"), stored("two")], None) == []
