"""run_in_kernel.py FILE: run FILE in the server's own default kernel, as Lab does; print what it prints.

Runs on the server's Python. Exits with 1 and the traceback where the code raises.
"""

import pathlib
import sys

from jupyter_client.manager import start_new_kernel

WAIT_S = 240


def show(message):
    content = message["content"]
    if message["msg_type"] == "stream":
        (sys.stderr if content["name"] == "stderr" else sys.stdout).write(content["text"])


code = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")
manager, client = start_new_kernel(startup_timeout=WAIT_S, kernel_name="python3")
try:
    reply = client.execute_interactive(code, timeout=WAIT_S, output_hook=show)["content"]
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
if reply["status"] != "ok":
    sys.exit("\n".join(reply.get("traceback", [reply["status"]])))
