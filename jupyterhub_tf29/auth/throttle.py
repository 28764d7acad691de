"""A growing delay after wrong passwords, per account *and* address.

Whoever guesses at an account from outside slows down themselves, not its owner: nobody can be locked out by
someone else. Kept in memory, since what it holds is forgotten after minutes anyway.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass

FREE_TRIES = 4
"""Wrong passwords before the first delay: people mistype, and try their other password."""
LONGEST_DELAY_S = 60.0
"""At this pace one address gets through some 1,400 guesses a day."""
FORGET_AFTER_S = 15 * 60.0
MAX_REMEMBERED = 10_000
"""Pairs of account and address; the oldest go first."""


@dataclass
class _Tries:
    count: int
    last: float


class Throttle:
    """Counts tries. Made for one thread: the hub's event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds; monotonic."""
        self._clock = clock
        self._tries: dict[tuple[str, str], _Tries] = {}

    def attempt(self, account: str, address: str) -> float:
        """0 where a try may be made now, and it is counted; else the seconds to wait, and nothing changes.

        It counts before the outcome is known, so that a hundred tries at once are not one.
        """
        key, now = _key(account, address), self._clock()
        tries = self._tries.pop(key, None)  # put back below, as the newest
        if tries is None or now - tries.last > FORGET_AFTER_S:
            tries = _Tries(0, now)
        wait = max(0.0, tries.last + _delay(tries.count) - now)
        if not wait:
            tries.count, tries.last = tries.count + 1, now
        self._tries[key] = tries
        while len(self._tries) > MAX_REMEMBERED:
            del self._tries[next(iter(self._tries))]
        return wait

    def succeeded(self, account: str, address: str) -> None:
        """The password was right: start again from nothing."""
        self._tries.pop(_key(account, address), None)


def _delay(tries: int) -> float:
    """Seconds to wait after so many tries: 0 for the first ones, then 2, 4, 8, … up to the longest."""
    if tries < FREE_TRIES:
        return 0.0
    return min(LONGEST_DELAY_S, 2.0 ** min(tries - FREE_TRIES + 1, 10))


def _key(account: str, address: str) -> tuple[str, str]:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return account[:256], address[:64]
    if parsed.version == 6:  # one subscriber has a whole /64
        return account[:256], str(ipaddress.ip_network((parsed, 64), strict=False))
    return account[:256], address
