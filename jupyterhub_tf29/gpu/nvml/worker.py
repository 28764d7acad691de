"""The process that talks to NVML: `python -m jupyterhub_tf29.gpu.nvml.worker`. Asked on stdin, answers on stdout.

                                       → {"ready": true} when it is up
    {"do": "inventory", "skip": [2]}   → {"at": {"index": 0, "uuid": null}} … {"inventory": {…}}
    {"do": "reading", "skip": []}      → {"at": {"index": 0, "uuid": "GPU-…"}} … {"reading": {…}}

`at` comes before a card's calls. Whoever asks kills this process when an answer is late: nothing else ends a call.
"""

from __future__ import annotations

import ctypes
import json
import signal
import sys
from typing import Any

from .machine import Machine
from .wire import inventory_to_json, reading_to_json

_PR_SET_PDEATHSIG = 1


def main() -> None:
    # when the reader is killed nobody is left to end a worker that hangs
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the reader ends us by EOF
    _say({"ready": True})
    machine = Machine(lambda index, uuid: _say({"at": {"index": index, "uuid": uuid}}))
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "inventory":
            inventory = machine.inventory(request["skip"])
            _say({"inventory": inventory_to_json(inventory)})
            if inventory.problem:
                return  # the library would stay as it was loaded: a driver that comes later needs a fresh process
        else:
            _say({"reading": reading_to_json(machine.reading(request["skip"]))})


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
