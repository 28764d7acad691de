"""What runs in the stub image: as much of a user's server as the hub can see, up in a tenth of a second.

It answers every request below its prefix, as jupyterhub-singleuser does on `…/api`. The environment makes
it behave badly:

    STUB_DELAY_S=2          answers only two seconds after it started
    STUB_EXIT="3 no disk"   prints "no disk" and exits with code 3 at once
    STUB_SILENT=1           listens and never answers
"""

import os
import signal
import socket
import sys
import time

VERSION = "5.5.4"


def answer(connection, prefix):
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        if not piece:
            return
        head += piece
    path = head.split(b" ", 2)[1].decode("latin-1")
    known = path.split("?")[0].startswith(prefix)
    body = f'{{"stub": "{socket.gethostname()}", "pid": {os.getpid()}}}\n'.encode()
    status = "200 OK" if known else "404 Not Found"
    connection.sendall(
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nX-JupyterHub-Version: {VERSION}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        + body
    )


def main():
    # As process 1 it would otherwise ignore SIGTERM, and every stop would take Docker's ten seconds.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    exit_order = os.environ.get("STUB_EXIT")
    if exit_order:
        code, _, words = exit_order.partition(" ")
        print(words, file=sys.stderr, flush=True)
        sys.exit(int(code))
    time.sleep(float(os.environ.get("STUB_DELAY_S", "0")))
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "/")
    with socket.create_server(("0.0.0.0", 8888), backlog=64) as listener:
        print("the stub server listens", flush=True)
        answered = False
        while True:
            connection, _ = listener.accept()
            if os.environ.get("STUB_SILENT"):
                held.append(connection)
                continue
            with connection:
                connection.settimeout(5)
                try:
                    answer(connection, prefix)
                    if not answered:
                        print("first request answered", flush=True)
                        answered = True
                except OSError as error:
                    print(f"a request was cut: {error}", flush=True)


held = []
if __name__ == "__main__":
    main()
