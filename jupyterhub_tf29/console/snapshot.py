"""What the broker said at one moment, and what happened when. Plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Row = list[Any]
"""One sample of one card: time, used MiB, utilisation in percent or None, temperature in °C or None."""


@dataclass(frozen=True)
class Snapshot:
    """The broker's cards, claims and tickets, as it sent them at `time` (epoch seconds).

    `version` grows when something in it changes. Where `reachable` is False these are the last that are known.
    """

    version: int = 0
    time: float = 0.0
    reachable: bool = False
    inventory: dict[str, Any] = field(default_factory=dict)
    """The answer of `GET /v1/devices`: `devices`, `problem`, `driver_version`, `cuda_version`."""
    claims: tuple[dict[str, Any], ...] = ()
    tickets: tuple[dict[str, Any], ...] = ()
    history: dict[str, list[Row]] = field(default_factory=dict)
    """UUID → samples of the last hours, oldest first."""
    history_s: float = 0.0
    """How far back the history goes."""

    @property
    def known(self) -> bool:
        """Whether the broker has ever answered."""
        return self.time > 0

    @property
    def devices(self) -> list[dict[str, Any]]:
        return list(self.inventory.get("devices", ()))

    def claim(self, claim_id: str) -> dict[str, Any] | None:
        return next((claim for claim in self.claims if claim["id"] == claim_id), None)

    def ticket(self, ticket_id: str) -> dict[str, Any] | None:
        return next((ticket for ticket in self.tickets if ticket["id"] == ticket_id), None)

    def device(self, uuid: str) -> dict[str, Any] | None:
        return next((device for device in self.devices if device["uuid"] == uuid), None)
