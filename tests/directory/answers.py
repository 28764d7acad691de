"""Servers that are no directory: one that never answers, one that answers late."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield listening.getsockname()[1]


@contextlib.contextmanager
def slow_relay(target: int, delay_s: float) -> Iterator[int]:
    """The port of a relay to the port `target` that holds back each connection's first answer for `delay_s`."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
        threading.Thread(target=_accept, args=(listening, target, delay_s), daemon=True).start()
        yield listening.getsockname()[1]


def _accept(listening: socket.socket, target: int, delay_s: float) -> None:
    while True:
        try:
            near, _ = listening.accept()
        except OSError:
            return
        far = socket.create_connection(("127.0.0.1", target))
        threading.Thread(target=_copy, args=(near, far, 0.0), daemon=True).start()
        threading.Thread(target=_copy, args=(far, near, delay_s), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket, delay_s: float) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            time.sleep(delay_s)
            delay_s = 0.0
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
