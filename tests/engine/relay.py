"""Bring a TCP port of another network namespace to this machine's loopback, where browsers and clients of
tests are.

A socket belongs to the namespace in which it was made. So the listening socket is made here, and then the
relay moves to the other namespace, where it makes the connections.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import subprocess
import sys

_CLONE_NEWNET = 0x40000000


class Relay:
    """`Relay(pid of a process in that namespace, "127.0.0.1", 8000).port` is the port here.

    `here` is the port of this machine, where it matters which. `close()` ends it.
    """

    def __init__(self, namespace_pid: int, address: str, port: int, here: int = 0) -> None:
        with socket.create_server(("127.0.0.1", here), backlog=128) as listener:
            self.port = int(listener.getsockname()[1])
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(listener.fileno()), str(namespace_pid), address, str(port)],
                pass_fds=[listener.fileno()],
            )

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)


def _enter_network(pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), f"cannot enter the network of process {pid}")
    os.close(descriptor)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()


async def _serve(listener: socket.socket, address: str, port: int) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(address, port)
        except OSError:  # nothing listens there (yet): the client here is cut, as it would be there
            writer.close()
            return
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            writer.close()
            far_writer.close()

    server = await asyncio.start_server(connected, sock=listener)
    await server.serve_forever()


if __name__ == "__main__":
    fd, pid_text, far_address, far_port = sys.argv[1:]
    near = socket.socket(fileno=int(fd))
    _enter_network(int(pid_text))
    asyncio.run(_serve(near, far_address, int(far_port)))
