"""Calls to the Docker Engine, off the event loop, a bounded number at once.

DockerSpawner has one thread for the whole Hub, so that one `docker pull` stops every poll and start of all
users. Here ordinary calls share a pool, and what may take minutes (a pull, measuring the disk) has another.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

SLOW_CALLS_AT_ONCE = 2
_SLOW_METHODS = frozenset({"pull"})


class EngineCalls:
    """A pool of threads, each with a client of its own: a `requests` session is not made to be shared."""

    def __init__(self, make_client: Callable[[], Any], calls_at_once: int) -> None:
        self._make_client = make_client
        self._local = threading.local()
        self._any: Any = None
        self._calls = ThreadPoolExecutor(calls_at_once, thread_name_prefix="docker")
        self._slow_calls = ThreadPoolExecutor(SLOW_CALLS_AT_ONCE, thread_name_prefix="docker-slow")

    def client(self) -> Any:
        """The calling thread's client. Raises docker.errors.DockerException where no engine answers."""
        if not hasattr(self._local, "client"):
            self._local.client = self._any = self._make_client()
        return self._local.client

    def any_client(self) -> Any:
        """Some client, for what it computes without a call; made here only where no call was made yet."""
        return self._any or self.client()

    def submit(self, method: str, *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
        """`APIClient.<method>(…)` in a thread; the future belongs to the running loop."""
        pool = self._slow_calls if method in _SLOW_METHODS else self._calls
        return asyncio.wrap_future(pool.submit(self._call, method, args, kwargs))

    def run(self, job: Callable[[Any], Any]) -> asyncio.Future[Any]:
        """`job(client)` in a thread of the slow pool."""
        return asyncio.wrap_future(self._slow_calls.submit(lambda: job(self.client())))

    def _call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return getattr(self.client(), method)(*args, **kwargs)
