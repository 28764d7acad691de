"""Something on a Unix socket that answers like the GPU broker, or fails as it cannot be made to: for errors.

    async with BrokerLike(tmp_path / "broker.sock") as broker:
        broker.answers["GET /v1/devices"] = {"devices": []}
        broker.delay = 2

What has no answer is 404 `unknown`. `broker.asked` lists what was asked: `"GET /v1/devices"`.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from tornado.netutil import bind_unix_socket


class BrokerLike:
    """See the module's text."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers: dict[str, Any] = {}
        """`"METHOD /path"` → what to answer (an int: that status, as a broker that failed)."""
        self.delay = 0.0
        """Seconds before each answer."""
        self.asked: list[str] = []
        self._server: HTTPServer | None = None
        self._answering: list[asyncio.Future[None]] = []

    async def __aenter__(self) -> BrokerLike:
        self._server = HTTPServer(self._take)
        self._server.add_socket(bind_unix_socket(str(self.path)))
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.stop()
        for answering in self._answering:
            answering.cancel()
        await self._server.close_all_connections()
        self.path.unlink(missing_ok=True)

    def _take(self, request: HTTPServerRequest) -> None:
        self._answering.append(asyncio.ensure_future(self._answer(request)))

    async def _answer(self, request: HTTPServerRequest) -> None:
        asked = f"{request.method} {request.path}"
        self.asked.append(asked)
        if self.delay:
            await asyncio.sleep(self.delay)
        answer = self.answers.get(asked)
        status = answer if isinstance(answer, int) else 200 if answer is not None else 404
        if status != 200:
            answer = {"error": "no", "code": "unknown", "text": {"en": "There is none.", "zh": "没有。"}}
        body = json.dumps(answer).encode()
        if request.connection.stream.closed():
            return
        headers = HTTPHeaders({"Content-Type": "application/json", "Content-Length": str(len(body))})
        request.connection.write_headers(ResponseStartLine("HTTP/1.1", status, "x"), headers, body)
        request.connection.finish()
