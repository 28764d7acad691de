"""Server-sent events: an answer that lasts as long as its reader, and no longer than the reader's sign-in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from tornado.web import RequestHandler

RECHECK_S = 60.0
"""Between two questions to the Hub whether the token still counts; so long does a stream outlive a sign-out."""


class EventStream:
    """The answer of one handler. What is written raises StreamClosedError when the reader has gone.

    `still_signed_in` asks the Hub.
    """

    def __init__(self, handler: RequestHandler, still_signed_in: Callable[[], Awaitable[bool]]) -> None:
        handler.set_header("Content-Type", "text/event-stream; charset=utf-8")
        handler.set_header("X-Accel-Buffering", "no")  # nginx would keep events back until it has a bufferful
        self._handler = handler
        self._still_signed_in = still_signed_in
        self._checked = self._clock()

    async def send(self, data: Any, **fields: Any) -> None:
        """One event; `fields` are `id` and `event`."""
        head = "".join(f"{name}: {value}\n" for name, value in fields.items())
        self._handler.write(f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n")
        await self._handler.flush()

    async def comment(self, words: str) -> None:
        """Nothing to a reader, but a sign of life to proxies; and how a reader that has gone is noticed."""
        self._handler.write(f": {words}\n\n")
        await self._handler.flush()

    async def goes_on(self) -> bool:
        """Whether the reader is still signed in; asks the Hub now and then."""
        if self._clock() - self._checked < RECHECK_S:
            return True
        self._checked = self._clock()
        return await self._still_signed_in()

    def _clock(self) -> float:
        return asyncio.get_running_loop().time()
