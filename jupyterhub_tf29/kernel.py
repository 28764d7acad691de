"""Run code in a kernel of somebody's running server, through its REST API and websocket, as a notebook does."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import datetime, timezone
from typing import Any

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from .visitor import VisitFailed, Visitor

CONNECT_TIMEOUT_S = 60
KERNEL_NAME = "python3"


def run_in_kernel(visitor: Visitor, code: str, within_s: float) -> str:
    """Start a kernel, run `code` in it, shut it down; returns what the code printed. Raises VisitFailed."""
    kernel = visitor.call("POST", "api/kernels", json={"name": KERNEL_NAME}).json()["id"]
    try:
        return run_in(visitor, kernel, code, within_s)
    finally:
        visitor.call("DELETE", f"api/kernels/{kernel}")


def run_in(visitor: Visitor, kernel: str, code: str, within_s: float) -> str:
    """Run `code` in the kernel of that id; returns what the code printed. Raises VisitFailed."""
    try:
        return asyncio.run(asyncio.wait_for(_execute(visitor, kernel, code), within_s))
    except (TimeoutError, asyncio.TimeoutError):
        raise VisitFailed(f"the kernel had not finished after {within_s:.0f} s") from None


async def _execute(visitor: Visitor, kernel: str, code: str) -> str:
    session = uuid.uuid4().hex
    url, headers = visitor.websocket(f"api/kernels/{kernel}/channels?session_id={session}")
    try:
        asked = HTTPRequest(
            url,
            headers=headers,
            connect_timeout=CONNECT_TIMEOUT_S,
            ssl_options=visitor.context,
            validate_cert=True,
        )
        connection = await websocket_connect(asked)
    except (HTTPClientError, OSError) as error:
        raise VisitFailed(f"no websocket to the kernel: {error}") from error
    try:
        message = _execute_request(session, code)
        await connection.write_message(json.dumps(message))
        return await _output(connection, message["header"]["msg_id"])
    finally:
        connection.close()


async def _output(connection: WebSocketClientConnection, request: str) -> str:
    """What is printed until the kernel is idle again after `request`. Raises VisitFailed for an exception."""
    printed = []
    while True:
        text = await connection.read_message()
        if text is None:
            raise VisitFailed("the websocket to the kernel was closed before the code had ended")
        message = json.loads(text)
        if message.get("parent_header", {}).get("msg_id") != request:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "stream" and content["name"] == "stdout":
            printed.append(content["text"])
        elif kind == "error":
            raise VisitFailed(f"the code in the kernel failed: {content['ename']}: {content['evalue']}")
        elif kind == "status" and content["execution_state"] == "idle":
            return "".join(printed)


def _execute_request(session: str, code: str) -> dict[str, Any]:
    """A message of Jupyter's protocol, version 5.3."""
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": "execute_request",
        "username": "",
        "session": session,
        "date": datetime.now(timezone.utc).isoformat(),
        "version": "5.3",
    }
    content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False, "stop_on_error": True}
    return {
        "header": header,
        "parent_header": {},
        "metadata": {},
        "content": content,
        "channel": "shell",
        "buffers": [],
    }
