"""How well GPUs are connected: a score for each pair, from the board they share to NVLinks between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, Protocol

import pynvml

from ..devices import Pair, pair
from .calls import or_none

LEVEL_SCORES = {
    pynvml.NVML_TOPOLOGY_INTERNAL: 60,  # two GPUs on one board
    pynvml.NVML_TOPOLOGY_SINGLE: 50,  # one PCIe switch between them
    pynvml.NVML_TOPOLOGY_MULTIPLE: 40,  # several
    pynvml.NVML_TOPOLOGY_HOSTBRIDGE: 30,
    pynvml.NVML_TOPOLOGY_NODE: 20,  # one CPU
    pynvml.NVML_TOPOLOGY_SYSTEM: 10,  # from CPU to CPU
}
NVLINK_SCORE = 100
"""Each NVLink outweighs any path over PCIe. The scale is that of NVIDIA's go-gpuallocator."""


class Connected(Protocol):
    """What is needed to know of a card here."""

    @property
    def index(self) -> int: ...
    @property
    def uuid(self) -> str: ...
    @property
    def bus_id(self) -> str: ...
    @property
    def handle(self) -> Any: ...


def link_scores(cards: Sequence[Connected], at: Callable[[int | None, str | None], None]) -> dict[Pair, int]:
    """`cards` are whole GPUs; `at` is told which one is asked. What the driver says nothing of is left out."""
    buses = {card.bus_id.lower(): card.uuid for card in cards}
    direct: Counter[Pair] = Counter()
    switched: Counter[str] = Counter()
    for card in cards:
        at(card.index, card.uuid)
        for far in _far_ends(card.handle):
            if far in buses:
                direct[pair(card.uuid, buses[far])] += 1  # seen from both of its ends
            else:
                switched[card.uuid] += 1  # a switch, behind which every other card on it is as near
    scores = {}
    for one, other in combinations(cards, 2):
        at(one.index, one.uuid)
        level = or_none(pynvml.nvmlDeviceGetTopologyCommonAncestor, one.handle, other.handle)
        key = pair(one.uuid, other.uuid)
        links = direct[key] // 2 + min(switched[one.uuid], switched[other.uuid])
        if level is not None or links:
            scores[key] = LEVEL_SCORES.get(level, 0) + NVLINK_SCORE * links
    return scores


def _far_ends(handle: Any) -> list[str]:
    """PCI addresses at the other ends of this card's active NVLinks, lower case."""
    found = []
    for lane in range(pynvml.NVML_NVLINK_MAX_LINKS):
        try:
            if pynvml.nvmlDeviceGetNvLinkState(handle, lane) == pynvml.NVML_FEATURE_ENABLED:
                address = pynvml.nvmlDeviceGetNvLinkRemotePciInfo(handle, lane).busId
                found.append((address.decode() if isinstance(address, bytes) else address).lower())
        except pynvml.NVMLError as error:
            if error.value in (pynvml.NVML_ERROR_INVALID_ARGUMENT, pynvml.NVML_ERROR_FUNCTION_NOT_FOUND):
                break  # as many links as this card has
            if error.value != pynvml.NVML_ERROR_NOT_SUPPORTED:
                raise
    return found
