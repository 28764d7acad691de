"""Wait for a condition with a bound, never for luck."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_until(condition: Callable[[], Found], what: str, timeout: float = 30, every: float = 0.1) -> Found:
    """The first true value of `condition()`.

    Raises AssertionError when there is none in `timeout` seconds.
    """
    end = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout:g} s in vain until {what}; last seen: {found!r}")
        time.sleep(every)
