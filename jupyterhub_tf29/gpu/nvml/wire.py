"""What worker and reader say to one another: one JSON object a line. Plain values in, the same values out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from ..devices import Device, Inventory, Process, Sample, Trouble, pair


@dataclass(frozen=True)
class Reading:
    """One look at how all devices do."""

    samples: tuple[Sample, ...] = ()
    """Of every device that answered."""
    troubles: tuple[Trouble, ...] = ()
    """XIDs since the last look, once each; a lasting trouble again at every look."""


def inventory_to_json(inventory: Inventory) -> dict[str, Any]:
    links = [[*uuids, score] for uuids, score in inventory.links.items()]
    return {**asdict(replace(inventory, links={})), "links": links}


def inventory_from_json(data: dict[str, Any]) -> Inventory:
    return Inventory(
        driver_version=data["driver_version"],
        cuda_version=data["cuda_version"],
        devices=tuple(Device(**device) for device in data["devices"]),
        links={pair(one, other): score for one, other, score in data["links"]},
        problem=data["problem"],
        troubles=tuple(Trouble(**trouble) for trouble in data["troubles"]),
    )


def reading_to_json(reading: Reading) -> dict[str, Any]:
    return asdict(reading)


def reading_from_json(data: dict[str, Any]) -> Reading:
    return Reading(
        samples=tuple(_sample(sample) for sample in data["samples"]),
        troubles=tuple(Trouble(**trouble) for trouble in data["troubles"]),
    )


def _sample(data: dict[str, Any]) -> Sample:
    return Sample(**{**data, "processes": tuple(Process(**one) for one in data["processes"])})
