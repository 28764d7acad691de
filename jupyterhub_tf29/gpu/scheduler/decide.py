"""The one entrance: `decide(state, now)`.

State becomes a table of what is free (`room`), windows claim their units in it (`reserve`), the line is put in
order (`fairshare`, `order`) and walked down once (`grants`, with `placement`, `backfill`, `limits`); then what is
held is looked through (`leases`), and the rest of the line is told when (`estimate`) and why (`why`).
"""

from __future__ import annotations

from .decisions import Decisions, LineEntry
from .estimate import estimates
from .grants import Round
from .leases import Wanted, review
from .order import line_of
from .reserve import in_use, keep
from .room import Room
from .state import State
from .takeback import in_the_way
from .windows import new_releases


def decide(state: State, now: float) -> Decisions:
    """Who is given what at `now`, who waits where and until when, who is warned and who must go.

    A pure function: no clock, no Docker, no Hub, no NVML; the same state and time give the same answer, and
    applying the answer and asking again grants nothing twice.
    """
    room = Room(state, now)
    kept = keep(room, state)
    round_ = Round(state, now, room, kept)
    round_.walk(line_of(state, now))
    wanted, away = Wanted(round_.waiting, room), in_the_way(state, kept, room, now)
    outcome = review(state, now, room, wanted, round_.allowances, away)
    waits = estimates(round_.waiting, room)
    new = tuple.__new__  # what LineEntry() does, without its overhead for each of thousands
    line = [
        new(LineEntry, (ticket.id, place, wait_s, reason))
        for place, ((ticket, reason, _), wait_s) in enumerate(zip(round_.waiting, waits, strict=True), 1)
    ]
    head = round_.head
    return Decisions(
        tuple(round_.grants),
        tuple(round_.offers),
        tuple(line),
        tuple(outcome.notices),
        tuple(outcome.endings),
        tuple(outcome.extensions),
        new_releases(kept.occurrences, in_use(kept), now),
        kept.shortages,
        head.ticket_id if head else None,
        head.at if head else None,
    )
