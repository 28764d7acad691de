"""What only a whole history shows: promises kept, nobody starved, GPU-seconds conserved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jupyterhub_tf29.gpu.scheduler.decisions import Decisions
from jupyterhub_tf29.gpu.scheduler.state import State
from tests.scheduling import plainly

if TYPE_CHECKING:
    from tests.scheduling.world import World

EPS = 1e-3


@dataclass
class Watch:
    """Looks at each decision of one history."""

    head: str | None = None
    promised: float = 0.0
    """The earliest moment that the present head was told."""
    must_start_by: dict[str, float] = field(default_factory=dict)
    """Of tickets that have waited the policy's longest wait."""
    heads: int = 0
    overdue: int = 0

    def forget(self) -> None:
        """Something happened that excuses the scheduler."""
        self.head = None
        self.must_start_by.clear()

    def look(self, world: World, state: State, decisions: Decisions) -> None:
        """At one decision, before it is applied."""
        setting = world.setting
        if setting.windows or setting.faults or setting.limits:
            return  # a failed GPU, a window or a limit may keep anybody waiting
        if any(holding.lease_end < world.now - EPS for holding in state.holdings):
            self.forget()  # the broker was down when its notice was due, so its end comes later
            return
        self._promise(world, state, decisions)
        if setting.backfill:
            self._starvation(world, state, decisions)

    def _promise(self, world: World, state: State, decisions: Decisions) -> None:
        """As long as somebody is the head, their moment never moves away."""
        passed = any(grant.reason.code == "free" for grant in decisions.grants)  # somebody with a better rank
        if decisions.head is None or decisions.head != self.head or decisions.extensions or passed:
            self.head, self.promised = decisions.head, decisions.head_at or 0.0
            self.heads += 1
            return
        assert decisions.head_at is not None
        assert decisions.head_at <= self.promised + EPS, "the head's moment moved away"
        self.promised = min(self.promised, decisions.head_at)

    def _starvation(self, world: World, state: State, decisions: Decisions) -> None:
        """Whoever has waited the longest wait starts after those who came before, a longest lease each."""
        rule, leases = state.policy.fair, state.policy.leases
        waiting = {ticket.id: ticket for ticket in state.tickets}
        for ticket_id in [known for known in self.must_start_by if known not in waiting]:
            del self.must_start_by[ticket_id]
        for ticket in state.tickets:
            if any(other.held for other in state.tickets if other.submitted <= ticket.submitted):
                self.must_start_by.pop(ticket.id, None)  # somebody's hold is not the scheduler's doing
                continue
            there_are = len(plainly.fitting(ticket.request, state))
            if world.now - ticket.submitted < rule.max_age_s or there_are < ticket.request.count:
                continue
            if ticket.id not in self.must_start_by:
                before = sum(1 for other in state.tickets if other.submitted <= ticket.submitted)
                turn_s = leases.max_s + leases.drain_s + min(leases.notice_s)
                self.must_start_by[ticket.id] = world.now + before * turn_s
                self.overdue += 1
            assert world.now <= self.must_start_by[ticket.id] + EPS, f"{ticket.id} starves"


def accounts_agree(world: World) -> None:
    """What users are charged is what the history says; and decay does not depend on who looked when."""
    world.settle()
    users = {entry.user for entry in world.history}
    for user in users:
        spans = [
            (entry.weight, entry.start, world.now if entry.end is None else entry.end)
            for entry in world.history
            if entry.user == user
        ]
        used = sum(weight * (end - start) for weight, start, end in spans)
        charged = world.uses[user].period_gpu_s if user in world.uses else 0.0
        assert abs(charged - used) < 1e-6 * max(1.0, used), f"{user} is charged {charged} GPU-s for {used}"
        half_life_s = world.policy.fair.half_life_s
        expected = plainly.decayed_history(spans, world.now, half_life_s)
        decayed = world.uses[user].decayed_gpu_s * 0.5 ** ((world.now - world.uses[user].at) / half_life_s)
        assert abs(decayed - expected) < 1e-6 * max(1.0, expected), f"{user}'s use decayed to {decayed}"
