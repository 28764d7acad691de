"""What every decision must hold, whatever the history: each rule as a check that raises with what was broken."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jupyterhub_tf29.gpu.scheduler.decisions import Decisions
from jupyterhub_tf29.gpu.scheduler.state import Holding, State
from tests.scheduling import plainly

if TYPE_CHECKING:
    from tests.scheduling.world import Setting

EPS = 1e-3
WAITS_FOR_TURN = ("units", "window-kept", "lease-window", "would-delay", "no-backfill")


def check(state: State, now: float, decisions: Decisions, setting: Setting) -> None:
    """All rules that can be seen from one decision."""
    granted = granted_holdings(state, now, decisions)
    after = [*state.holdings, *granted]
    grants_are_due(state, now, decisions)
    nobody_has_too_much(state, after)
    line_is_in_order(state, now, decisions)
    windows_are_kept(state, now, granted)
    if setting.limits:
        limits_hold(state, now, granted)
    if setting.windows:
        group_gets_its_window(state, now, decisions, granted)
    else:
        head_is_not_delayed(state, now, decisions, after)
        if not setting.limits:
            nobody_waits_in_vain(state, now, decisions, after)
    ends_are_due(state, now, decisions, setting)
    releases_are_due(state, now, decisions)


def granted_holdings(state: State, now: float, decisions: Decisions) -> list[Holding]:
    """The grants as what they become."""
    tickets = {ticket.id: ticket for ticket in state.tickets}
    assert len({grant.ticket_id for grant in decisions.grants}) == len(decisions.grants), "granted twice"
    return [
        Holding(
            f"new {grant.ticket_id}", tickets[grant.ticket_id].user, tickets[grant.ticket_id].groups, grant.uuids,
            grant.mib, now, grant.lease_end, grant.weight, request=tickets[grant.ticket_id].request,
        )
        for grant in decisions.grants
    ]  # fmt: skip


def grants_are_due(state: State, now: float, decisions: Decisions) -> None:
    """To somebody who waits, of units that fit and are in service, for a lease that they take."""
    tickets = {ticket.id: ticket for ticket in state.tickets}
    units = {unit.uuid: unit for unit in state.units}
    for grant in decisions.grants:
        ticket = tickets[grant.ticket_id]
        request = ticket.request
        assert not ticket.held, "granted to a ticket that is held"
        assert len(set(grant.uuids)) == request.count, "not as many units as were asked for"
        assert all(plainly.fits(units[uuid], request, state) for uuid in grant.uuids), "a unit that does not fit"
        assert grant.mib == request.share_mib
        weight = sum(
            units[u].slices / 7 if not grant.mib else grant.mib / units[u].usable_mib for u in grant.uuids
        )
        assert abs(grant.weight - weight) < EPS, "a wrong weight"
        lease_s, longest = grant.lease_end - now, plainly.longest_lease(ticket, state)
        assert lease_s <= longest + EPS, "a lease longer than asked for, or than the policy's longest"
        least = plainly.shortest_lease(ticket, state)
        if grant.reason.code == "window":
            least = min(state.policy.leases.min_s, longest)
        assert lease_s >= least - EPS, "a lease shorter than its user takes"
        protected = min(now + state.policy.leases.protected_s, grant.lease_end)
        assert abs(grant.protected_until - protected) < EPS, "a wrong protected time"


def nobody_has_too_much(state: State, after: list[Holding]) -> None:
    """One exclusive holder at most, never more MiB than are usable, no share on a GPU that is held whole."""
    for unit in state.units:
        there = [holding for holding in after if unit.uuid in holding.uuids]
        if any(holding.mib is None for holding in there):
            assert len(there) == 1, f"{unit.uuid} has two holders"
        assert sum(holding.mib or 0 for holding in there) <= unit.usable_mib, f"{unit.uuid} is over-committed"


def line_is_in_order(state: State, now: float, decisions: Decisions) -> None:
    """The line is everybody who was not granted, as fair share and age have it."""
    granted = {grant.ticket_id for grant in decisions.grants}
    expected = [ticket_id for ticket_id in plainly.order(state, now) if ticket_id not in granted]
    assert [entry.ticket_id for entry in decisions.line] == expected, "the line is not in order"
    assert [entry.place for entry in decisions.line] == list(range(1, len(expected) + 1))
    assert all(entry.estimate_s is None or entry.estimate_s >= 0 for entry in decisions.line)


def head_is_not_delayed(state: State, now: float, decisions: Decisions, after: list[Holding]) -> None:
    """The head starts no later for what was granted to those behind it."""
    if decisions.head is None:
        return
    head = next(ticket for ticket in state.tickets if ticket.id == decisions.head)
    order = plainly.order(state, now)
    before = [*state.holdings]
    for holding in after[len(state.holdings) :]:
        if order.index(holding.claim_id.removeprefix("new ")) < order.index(head.id):
            before.append(holding)
    promised = plainly.start_of(head.request, before, state, now)
    assert decisions.head_at is not None
    assert abs(decisions.head_at - promised) < EPS, "the head's moment is wrong"
    assert plainly.start_of(head.request, after, state, now) <= promised + EPS, "the head is delayed"


def nobody_waits_in_vain(state: State, now: float, decisions: Decisions, after: list[Holding]) -> None:
    """The first who can be served is the head, and whoever could start without delaying it has started."""
    tickets = {ticket.id: ticket for ticket in state.tickets}
    able = []
    for entry in decisions.line:
        ticket = tickets[entry.ticket_id]
        if not ticket.held and len(plainly.fitting(ticket.request, state)) >= ticket.request.count:
            able.append(ticket)
    assert decisions.head == (able[0].id if able else None), "somebody else should be the head"
    if not able or decisions.head_at is None:
        return
    if not state.policy.backfill:
        # nobody passes anybody, so nothing is left to grant but what the head itself could have
        assert plainly.start_of(able[0].request, after, state, now) > now, "the head waits in vain"
        order = plainly.order(state, now)
        later = order[order.index(able[0].id) :]
        assert not [grant for grant in decisions.grants if grant.ticket_id in later], "somebody passed the head"
        return
    free_for = {
        request: plainly.units_with_room(request, after, state, now, now)
        for request in {ticket.request for ticket in able}
    }
    for ticket in able:
        free = free_for[ticket.request]
        end = now + plainly.shortest_lease(ticket, state)
        for units in plainly.choices(ticket.request, free):
            uuids = tuple(unit.uuid for unit in units)
            more = Holding("if", ticket.user, ticket.groups, uuids, ticket.request.share_mib, now, end, 1.0)
            assert ticket is not able[0], "the head waits in vain"
            later = plainly.start_of(able[0].request, [*after, more], state, now)
            assert later > decisions.head_at + EPS, f"{ticket.id} waits in vain: it would delay nobody"


def windows_are_kept(state: State, now: float, granted: list[Holding]) -> None:
    """No lease of somebody else takes a unit that a window still needs."""
    if not state.windows or not granted:
        return
    latest = max(holding.lease_end for holding in granted) + state.policy.windows.lead_s
    near = plainly.windows_near(state, now, latest)
    for kept in near:
        rivals = [one for one in near if one.start < kept.end and kept.start < one.end and one is not kept]
        fair = [holding for holding in granted if not _takes_its_own(holding, rivals, [*state.holdings, *granted])]
        _still_viable([kept], fair, state, now)
        for rival in rivals:
            _still_viable([kept, rival], fair, state, now)


def _still_viable(windows: list[plainly.Kept], granted: list[Holding], state: State, now: float) -> None:
    """There are as many units left for them as they need together, or as there were."""
    before, after = set(), set()
    for kept in windows:
        before |= plainly.viable(kept, state.holdings, state, now)
        after |= plainly.viable(kept, [*state.holdings, *granted], state, now)
    due = min(sum(kept.gpus for kept in windows), len(before))
    assert len(after) >= due, f"a lease runs into {', '.join(kept.window_id for kept in windows)}"


def _takes_its_own(holding: Holding, rivals: list[plainly.Kept], after: list[Holding]) -> bool:
    """Whether it is granted to a group that has a window at the same time, and no more than is kept for it."""
    for rival in rivals:
        if rival.group in holding.groups:
            held = {uuid for each in after if rival.group in each.groups for uuid in each.uuids}
            return len(held) <= rival.gpus
    return False


def group_gets_its_window(state: State, now: float, decisions: Decisions, granted: list[Holding]) -> None:
    """While a window is open, nobody of its group waits beside a GPU that is kept for them."""
    tickets = {ticket.id: ticket for ticket in state.tickets}
    active = [kept for kept in plainly.windows_near(state, now, now + 1) if kept.start <= now]
    if len(active) != 1 or active[0].end - now < state.policy.leases.min_s + 60:
        return
    kept, after = active[0], [*state.holdings, *granted]
    for holding in granted:
        if kept.group in holding.groups and holding.lease_end > kept.end:
            ordinary = next(g for g in decisions.grants if f"new {g.ticket_id}" == holding.claim_id)
            assert ordinary.reason.code != "window", "a lease in a window goes on after it"
    head = tickets.get(decisions.head or "")
    if state.policy.limits.user.gpus or (head is not None and kept.group in head.groups):
        return
    held = {uuid for holding in after if kept.group in holding.groups for uuid in holding.uuids}
    free = plainly.viable(kept, after, state, now) - {uuid for holding in after for uuid in holding.uuids}
    for entry in decisions.line:
        ticket = tickets[entry.ticket_id]
        if kept.group in ticket.groups and ticket.request.kind == "whole" and ticket.request.count == 1:
            waits = ticket.held or not [u for u in plainly.fitting(ticket.request, state) if u.uuid in free]
            assert waits or len(held) >= kept.gpus, f"{ticket.id} waits beside a GPU that is kept for its group"


def limits_hold(state: State, now: float, granted: list[Holding]) -> None:
    """Whoever was granted something is over no limit with it, nor is their group."""
    limits, after = state.policy.limits, [*state.holdings, *granted]
    for user, groups in {(holding.user, holding.groups) for holding in granted}:
        limit = limits.users.get(user)
        if limit is None:
            mine = [limits.members[group] for group in groups if group in limits.members]
            limit = mine[0] if mine else limits.user  # the settings of these worlds have one such group
        bounds = [(limit, lambda record, user=user: record.user == user)]
        for group in groups:
            if group in limits.groups:
                bounds.append((limits.groups[group], lambda record, group=group: group in record.groups))
        for bound, counts in bounds:
            held = sum(holding.weight for holding in after if counts(holding))
            assert bound.gpus is None or held <= bound.gpus + EPS, f"{user} holds more than the limit"
            used = sum(use.period_gpu_s for use in state.uses if counts(use))
            for holding in after:
                if counts(holding):
                    used += holding.weight * (holding.lease_end - max(holding.since, holding.counted_to or 0.0))
            assert bound.gpu_hours is None or used <= bound.gpu_hours * 3600 + EPS, (
                f"{user} gets too many GPU-hours"
            )


def ends_are_due(state: State, now: float, decisions: Decisions, setting: Setting) -> None:
    """Every stop has a cause, a notice that is old enough, and no protection; and what is due is done."""
    ending = {end.claim_id: end.cause for end in decisions.endings}
    warned = {notice.claim_id: notice for notice in decisions.warnings}
    extended = {each.claim_id for each in decisions.extensions}
    for holding in state.holdings:
        cause = ending.get(holding.claim_id)
        told = dict(holding.warned)
        for notice in decisions.warnings:
            assert notice.claim_id != holding.claim_id or notice.key not in told, "told twice"
        if cause is not None:
            assert any(key.startswith(cause) for key in told), f"stopped for {cause} without notice"
        _lease_end_is_due(holding, cause, told, holding.claim_id in warned, extended, state, now)
        _idle_end_is_due(holding, cause, told, decisions, setting, state, now)
        if cause == "overrun":
            told_at = told[f"overrun {holding.overrun_since:.0f}"]
            assert now >= told_at + state.policy.overrun.grace_s - EPS, "stopped for its share without grace"
        if cause == "window":
            assert state.policy.windows.take_back, "a window sent somebody away against the policy"
            assert now >= holding.protected_until - EPS, "sent away for a window in its protected time"


def _lease_end_is_due(
    holding: Holding, cause: str | None, told: dict[str, float], warned: bool, extended: set[str], state: State,
    now: float,
) -> None:  # fmt: skip
    notices = state.policy.leases.notice_s
    mine = [at for key, at in told.items() if key.startswith(f"lease {holding.lease_end:.0f} ")]
    if cause == "lease":
        assert now >= holding.lease_end - EPS, "stopped before its lease ended"
        assert mine, "its lease ended without notice"
        assert now >= min(mine) + min(notices) - EPS, "its lease ended before its notice was old enough"
    elif cause is None and now >= holding.lease_end and mine:
        assert now < min(mine) + min(notices) + EPS, "its lease has ended and nobody stops it"
    if cause is None and now >= holding.lease_end - max(notices):
        assert mine or warned or holding.claim_id in extended, "its lease ends soon and nobody says so"
    if holding.claim_id in extended:
        assert state.policy.leases.extend == "always", "a lease was extended unasked"


def _idle_end_is_due(
    holding: Holding, cause: str | None, told: dict[str, float], decisions: Decisions, setting: Setting,
    state: State, now: float,
) -> None:  # fmt: skip
    rule, since = state.policy.idle, holding.idle_since
    key = f"idle {since or 0:.0f}"
    others = is_waited_for(holding, state, decisions)
    if cause == "idle":
        assert since is not None, "taken back though it is not idle"
        assert now >= holding.protected_until - EPS, "taken back in its protected time"
        assert now >= told[key] + rule.notice_s - EPS, "taken back without time to react"
        assert now >= since + (rule.take_back_waited_s if others else rule.take_back_s or 1e12) - EPS, "too early"
    elif cause is None and since is not None and key in told:
        after = rule.take_back_waited_s if others else rule.take_back_s or 1e12
        due = max(since + after, told[key] + rule.notice_s, holding.protected_until)
        assert now < due + EPS, "idle for long, and nobody takes it back"


def is_waited_for(holding: Holding, state: State, decisions: Decisions) -> bool:
    """Whether somebody else waits for their turn on one of its units."""
    tickets = {ticket.id: ticket for ticket in state.tickets}
    units = [unit for unit in state.units if unit.uuid in holding.uuids]
    for entry in decisions.line:
        ticket = tickets[entry.ticket_id]
        if ticket.user != holding.user and entry.reason.code in WAITS_FOR_TURN and entry.estimate_s is not None:
            asked = replace(ticket.request, share_mib=1) if ticket.request.kind == "share" else ticket.request
            if any(plainly.fits(unit, asked, state) for unit in units):
                return True
    return False


def releases_are_due(state: State, now: float, decisions: Decisions) -> None:
    """What nobody of the group came for is given to all, once, not before its time, and never what they use."""
    known = {(release.window_id, release.start) for release in state.releases}
    windows = {window.id: window for window in state.windows}
    new = {(release.window_id, release.start): release.keep for release in decisions.releases}
    assert not known & set(new), "released twice"
    active = {(kept.window_id, kept.start): kept for kept in plainly.windows_near(state, now, now + 1)}
    assert set(new) <= set(active), "a window that is not open was released"
    for key, kept in active.items():
        wait_s = windows[kept.window_id].no_show_s or state.policy.windows.no_show_s
        assert (key in new) == (now >= kept.start + wait_s and key not in known), "a no-show's release is not due"
        if key in new:
            assert 0 <= new[key] <= kept.gpus
            if not any(kept.group in each.groups for each in (*state.holdings, *state.tickets)):
                assert new[key] == 0, "kept for people who did not come"


def check_extension(state: State, claim_id: str, end: float, now: float) -> None:
    """Nobody waits for it, no window needs it, and it is within the policy."""
    holding = next(each for each in state.holdings if each.claim_id == claim_id)
    rule = state.policy.leases
    assert rule.extend != "never", "extended against the policy"
    assert now < holding.lease_end < end <= holding.lease_end + rule.max_s + EPS
    assert end <= holding.since + rule.max_total_s + EPS, "extended beyond the longest lease of all"
    longer = replace(holding, lease_end=end)
    others = [each for each in state.holdings if each.claim_id != claim_id]
    for kept in plainly.windows_near(state, now, end + state.policy.windows.lead_s):
        before = plainly.viable(kept, state.holdings, state, now)
        due = min(kept.gpus, len(before))
        after = plainly.viable(kept, [*others, longer], state, now)
        assert len(after) >= due, f"extended into the window {kept.window_id}"
