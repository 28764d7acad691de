"""XIDs: the driver's numbers for what went wrong with a GPU, and which of them forbid its further use. Pure.

Numbers and meanings: NVIDIA, "XID Errors" (docs.nvidia.com/deploy/xid-errors). A fault of the user's own program
is told to the admin's log only; a fault of the hardware or the driver takes the card out of service until an admin
has looked.
"""

from __future__ import annotations

from collections import defaultdict

from ..devices import Trouble

QUARANTINE = frozenset({46, 48, 54, 62, 64, 74, 79, 95, 110, 119, 120, 136, 140, *range(143, 151), 155, 156, 158})
ON_REPEAT = frozenset({109})
"""Once may be the program's fault; the second time within REPEAT_WITHIN_S it is the card's."""

REPEAT_WITHIN_S = 24 * 3600

_MEANINGS = {
    13: "graphics engine exception, most often a fault of the program",
    31: "memory page fault, most often a fault of the program",
    43: "the GPU stopped a program's work, most often a fault of the program",
    45: "cleaned up after a program that ended early",
    46: "the GPU stopped processing",
    48: "double-bit memory error",
    54: "auxiliary power is not connected",
    62: "internal micro-controller halt",
    63: "a memory row will be remapped at the next reset",
    64: "a memory row could not be remapped",
    68: "video decoder exception",
    74: "NVLink error",
    79: "the GPU has fallen off the bus",
    94: "contained memory error: the program that met it was ended",
    95: "uncontained memory error: the GPU must be reset",
    109: "context switch timed out",
    110: "security fault",
    119: "the GPU's system processor does not answer",
    120: "the GPU's system processor reported an error",
    136: "link training failed",
    140: "unrecovered memory error",
    143: "initialisation failed",
}


def meaning(code: int) -> str:
    """`XID 79: the GPU has fallen off the bus`."""
    known = _MEANINGS.get(code)
    if known is None and 144 <= code <= 150:
        known = "NVLink error"
    return f"XID {code}: {known or 'see the table of XIDs in the documentation of the driver'}"


class XidJudge:
    """Turns XIDs into troubles, and remembers those that count only when they come again."""

    def __init__(self) -> None:
        self._earlier: dict[tuple[str, int], list[float]] = defaultdict(list)

    def judge(self, uuid: str, code: int, now: float) -> Trouble:
        """`now` in seconds of any steady clock."""
        times = self._earlier[uuid, code]
        times[:] = [time for time in times if now - time < REPEAT_WITHIN_S]
        repeated = bool(times)
        if code in ON_REPEAT:
            times.append(now)
        bad = code in QUARANTINE or (code in ON_REPEAT and repeated)
        text = meaning(code) + (", and not for the first time" if code in ON_REPEAT and repeated else "")
        return Trouble(uuid, "xid", code, text, quarantine=bad)
