"""A Unix socket in front of a real Docker Engine that a test orders to answer badly.

    with FaultySocket(folder / "docker.sock") as faults:      # DOCKER_HOST=faults.url
        faults.fail("POST", r"/containers/create", status=500) held = faults.hold("POST",
        r"/containers/create")     # the request has come and goes no further held.arrived.wait(30);
        held.release() faults.hold(…, after_engine=True)             # the engine has done it, the
        answer does not come faults.refuse()                                       # connection refused, as
        with no dockerd faults.heal()

It is the lowest seam there is: docker-py, its pool of connections and everything above are the real ones.
"""

from __future__ import annotations

import re
import select
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

_HOLD_AT_MOST_S = 120
_VERSION = re.compile(r"^/v\d+\.\d+")


@dataclass
class Rule:
    """What happens to requests whose method and path (without the API's version) match."""

    method: str
    path: re.Pattern[str]
    times: int | None = None
    status: int = 0
    """Answer this code without asking the engine; 0: do not."""
    cut: bool = False
    """Close the connection without an answer."""
    delay_s: float = 0.0
    after_engine: bool = False
    """Hold the answer, not the request."""
    arrived: threading.Event = field(default_factory=threading.Event)
    """Set when a request has come to this rule (with after_engine: when the engine has answered it)."""
    hits: int = 0
    _go: threading.Event = field(default_factory=threading.Event)
    _holds: bool = False

    def release(self) -> None:
        """Let held requests go on, and those that come later pass."""
        self._go.set()

    def matches(self, method: str, path: str) -> bool:
        return method == self.method and self.path.search(path) is not None and self.times != 0

    def wait(self) -> None:
        self.arrived.set()
        if self.delay_s:
            time.sleep(self.delay_s)
        if self._holds and not self._go.wait(_HOLD_AT_MOST_S):
            print(f"a held {self.method} {self.path.pattern} was never released", flush=True)


class FaultySocket:
    """See the module's text. Counts what it saw: `seen`, `most_at_once`."""

    def __init__(self, path: Path, engine_socket: str = "/var/run/docker.sock") -> None:
        self.path = path
        self.engine_socket = engine_socket
        self.seen: list[tuple[str, str]] = []
        self.most_at_once: Counter[str] = Counter()
        """For each "METHOD /path-with-ids-as-*": how many were under way at the same time."""
        self.most_calls_at_once = 0
        """Of any kind, but for the stream of events."""
        self._under_way: Counter[str] = Counter()
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._listen()

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def __enter__(self) -> FaultySocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fail(self, method: str, path: str, *, status: int = 500, times: int | None = None) -> Rule:
        return self._add(Rule(method, re.compile(path), times=times, status=status))

    def cut(self, method: str, path: str, *, times: int | None = None) -> Rule:
        return self._add(Rule(method, re.compile(path), times=times, cut=True))

    def delay(self, method: str, path: str, seconds: float, *, times: int | None = None) -> Rule:
        return self._add(Rule(method, re.compile(path), times=times, delay_s=seconds))

    def hold(self, method: str, path: str, *, after_engine: bool = False, times: int | None = None) -> Rule:
        return self._add(Rule(method, re.compile(path), times=times, after_engine=after_engine, _holds=True))

    def refuse(self) -> None:
        """From now on: connection refused. Requests under way go on."""
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            # shutdown() wakes the accepting thread; close() alone would leave it waiting.
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def heal(self) -> None:
        """Forget every rule, let go what is held, listen again."""
        with self._lock:
            rules, self._rules = self._rules, []
        for rule in rules:
            rule.release()
        if self._listener is None:
            self._listen()

    def close(self) -> None:
        self.heal()
        self.refuse()
        self.path.unlink(missing_ok=True)

    def count(self, method: str, path: str) -> int:
        """How many requests of this kind have come."""
        with self._lock:
            return sum(1 for seen in self.seen if seen[0] == method and re.search(path, seen[1]))

    def _add(self, rule: Rule) -> Rule:
        with self._lock:
            self._rules.insert(0, rule)
        return rule

    def _listen(self) -> None:
        self.path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        self.path.chmod(0o666)
        listener.listen(128)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            head, rest = _read_head(client)
            if not head:
                return
            method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
            path = _VERSION.sub("", target)
            kind = f"{method} {re.sub(r'[0-9a-f]{64}', '*', path.split('?')[0])}"
            with self._lock:
                self.seen.append((method, path))
                self._under_way[kind] += 1
                self.most_at_once[kind] = max(self.most_at_once[kind], self._under_way[kind])
                calls = self._under_way.total() - self._under_way["GET /events"]
                self.most_calls_at_once = max(self.most_calls_at_once, calls)
            try:
                self._answer(client, head, rest, self._rule_for(method, path))
            except OSError:
                pass  # one side has gone: the other one notices by the closed connection
            finally:
                with self._lock:
                    self._under_way[kind] -= 1

    def _rule_for(self, method: str, path: str) -> Rule | None:
        with self._lock:
            for rule in self._rules:
                if rule.matches(method, path):
                    rule.hits += 1
                    if rule.times is not None:
                        rule.times -= 1
                    return rule
        return None

    def _answer(self, client: socket.socket, head: bytes, rest: bytes, rule: Rule | None) -> None:
        if rule and not rule.after_engine:
            rule.wait()
            if rule.status:
                body = b'{"message": "a fault was ordered by a test"}'
                client.sendall(
                    f"HTTP/1.1 {rule.status} Ordered\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                    + body
                )
            if rule.status or rule.cut:
                return
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(self.engine_socket)
            engine.sendall(_one_request_only(head) + rest)
            _pipe(client, engine, rule if rule and rule.after_engine else None)


def _read_head(client: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(65536)
        if not piece:
            return b"", b""
        data += piece
    head, rest = data.split(b"\r\n\r\n", 1)
    return head, rest


def _one_request_only(head: bytes) -> bytes:
    """The head with `Connection:

    close`, so that each request is seen; streams that are upgraded stay as they are.
    """
    if re.search(rb"(?im)^upgrade:", head):
        return head + b"\r\n\r\n"
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n"


def _pipe(client: socket.socket, engine: socket.socket, hold_answer: Rule | None) -> None:
    """Both ways, until the engine has no more to say or the client has gone."""
    sources = [client, engine]
    while engine in sources:
        readable, _, _ = select.select(sources, [], [])
        for source in readable:
            piece = source.recv(65536)
            if source is engine and hold_answer is not None:
                hold_answer.wait()
                hold_answer = None
            target = engine if source is client else client
            if piece:
                target.sendall(piece)
                continue
            sources.remove(source)
            if source is client and engine in sources:
                if _is_gone(client):
                    return
                engine.shutdown(socket.SHUT_WR)


def _is_gone(client: socket.socket) -> bool:
    """Whether a client that sends no more has closed, rather than half-closed, the connection."""
    poll = select.poll()
    poll.register(client, 0)
    return any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(0))
