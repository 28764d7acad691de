"""The stream of events: one JSON object a line, first those that were missed, then each as it happens."""

from __future__ import annotations

import asyncio
import json

from tornado import web
from tornado.iostream import StreamClosedError

from .book import Book
from .records import EventRecord
from .store import TABLES

HEARTBEAT_S = 15.0
"""An empty line so often: whoever listens knows a quiet broker from a dead one."""

MOST_UNREAD = 1000
"""A listener that is so far behind is hung up on; it comes again with the last id that it has seen."""


class EventsHandler(web.RequestHandler):
    """GET /v1/events?after=ID; without `after` only what happens from now on.

    An id that the book has not reached is another book's (its file was removed, or a backup put back): then all
    events that are kept are sent, and an id below the one asked for tells the listener so.
    """

    def initialize(self, book: Book) -> None:
        self._book = book
        self._unread: asyncio.Queue[EventRecord] = asyncio.Queue(MOST_UNREAD)
        self._gone = False

    async def get(self) -> None:
        text = self.get_query_argument("after", "")
        if text and not text.isdecimal():
            self.set_status(400)
            self.finish({"error": "after: expected an id", "code": "bad-request", "text": {}})
            return
        # listening begins before the past is read, so that nothing falls between the two
        self._book.listeners.append(self._hear)
        try:
            last = int(text) if text else self._book.last_event
            if last > self._book.last_event:
                last = 0
            self.set_header("Content-Type", "application/x-ndjson")
            ids = TABLES[EventRecord].c.id
            for event in self._book.store.all(EventRecord, ids > last):
                last = event.id
                self._send(event)
            await self.flush()
            await self._follow(last)
        except StreamClosedError:
            pass  # the listener has gone
        finally:
            self._book.listeners.remove(self._hear)

    async def _follow(self, last: int) -> None:
        while not self._gone:
            try:
                event = await asyncio.wait_for(self._unread.get(), HEARTBEAT_S)
            except asyncio.TimeoutError:
                self.write("\n")
            else:
                if event.id > last:
                    self._send(event)
            await self.flush()

    def _send(self, event: EventRecord) -> None:
        self.write(json.dumps(event.to_json(), ensure_ascii=False) + "\n")

    def _hear(self, event: EventRecord) -> None:
        try:
            self._unread.put_nowait(event)
        except asyncio.QueueFull:
            self._gone = True

    def on_connection_close(self) -> None:
        self._gone = True
