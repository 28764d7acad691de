"""Each rule of the scheduler, broken on purpose: the histories must notice.

A rule whose breaking nobody notices is not tested. Each row changes one line of a copy of the scheduler; random
histories are played until a check raises.
"""
# ruff: noqa: E501  (a row of the table is one line: the rule, where it is, what it becomes)

import random

import pytest

from tests.scheduling import happenings
from tests.scheduling import world as world_module
from tests.scheduling.mutants import mutant
from tests.scheduling.watch import accounts_agree
from tests.scheduling.world import Setting, World

PLAIN = Setting()
MIXED = Setting(gpus=5, two_models=True, slices=2, groups=True)
WINDOWS = Setting(windows=True, two_models=True, groups=True)
AWAY = Setting(windows=True, take_back=True, faults=True)
LIMITS = Setting(limits=True, groups=True)
FAULTS = Setting(faults=True, two_models=True, slices=2)
EAGER = Setting(extend="always")

HISTORIES, LENGTH = 12, 700

RULES = {
    # placement
    "one exclusive holder": (PLAIN, "room", "return not self.takes\n        return self.shared", "return True\n        return self.shared"),
    "a share leaves room for the others": (PLAIN, "room", "self.free_mib >= share_mib", "self.free_mib + 4000 >= share_mib"),
    "a share takes its memory": (PLAIN, "room", "self.free_mib -= mib", "self.free_mib -= mib // 2"),
    "no share on a whole holding": (PLAIN, "room", "return self.shared and self.free_mib", "return self.free_mib or self.unit.usable_mib"),
    "slices for those who ask for slices": (MIXED, "room", "unit.mig_profile is None or unit.mig_profile != request.mig_profile", "False"),
    "a GPU in MIG mode is given by slices": (MIXED, "room", "and not unit.mig_mode and unit.uuid not in self._cut", ""),
    "the model that was asked for": (MIXED, "room", "return request.model is None or is_model(unit.model, request.model)", "return True"),
    "as much memory as was asked for": (MIXED, "room", "unit.memory_mib < request.min_memory_mib", "False"),
    "nothing that is out of service": (FAULTS, "room", "if slot.unit.state in IN_SERVICE", "if True"),
    "as many as were asked for": (MIXED, "placement", "key=_by_size)[: request.count]", "key=_by_size)[:1]"),
    # the order of the line
    "use decays": (PLAIN, "fairshare", "gpu_s * 2.0 ** (-max(0.0, elapsed_s) / half_life_s)", "gpu_s"),
    "what is held now counts": (PLAIN, "fairshare", "raw[holding.user] = raw.get(holding.user, 0.0) + more", "pass"),
    "groups have weights": (MIXED, "fairshare", "fair.group_weights.get(group, fair.default_weight)", "1.0"),
    "the use of one's group counts": (MIXED, "fairshare", "steep * group_use / members", "0.0"),
    "a long wait counts": (PLAIN, "order", "- per_second * waited", ""),
    "little use counts": (PLAIN, "order", "-share_weight * factors[ticket.user]", "0.0"),
    "the longest wait comes first": (PLAIN, "order", "return before_all", "return 1.0"),
    "ties by arrival": (PLAIN, "order", 'attrgetter("submitted", "id")', 'attrgetter("id")'),
    "an admin's word": (FAULTS, "order", "line.insert(max(0, (ticket.place or 1) - 1), ticket)", "line.append(ticket)"),
    # backfill
    "nobody delays the head": (PLAIN, "backfill", "other += wanted[: head.spare]", "other += wanted"),
    "a lease that outlasts the head's moment": (PLAIN, "backfill", "min(whole, head.by)", "whole"),
    "the head's spare units are used up": (PLAIN, "backfill", "self.spare -= 1", "pass"),
    "others may pass": (PLAIN, "backfill", "if head is not None and not room.policy.backfill:", "if head is not None:"),
    "nobody passes where the policy says so": (Setting(backfill=False), "backfill", "not room.policy.backfill", "False"),
    "the head's moment": (PLAIN, "backfill", "sorted(moments)[request.count - 1]", "sorted(moments)[-1]"),
    "the first who can start is the head": (PLAIN, "grants", "if self.head is None:\n                in_turn", "if self.head is None and ticket.request.count == 1:\n                in_turn"),
    # leases
    "no lease longer than the longest": (Setting(longest_s=5 * 3600.0), "grants", "min(ticket.lease_s, self._leases.max_s)", "ticket.lease_s"),
    "no lease shorter than its user takes": (PLAIN, "grants", "least = longest if ticket.accepts_s is None", "least = floor if ticket.accepts_s is None"),
    "a lease ends": (PLAIN, "leases", 'return Ending(holding.claim_id, "lease")', "return None"),
    "no end before the lease's": (PLAIN, "leases", "ends_at = max(end, (now", "ends_at = max(0.0, (now"),
    "notice before an end": (PLAIN, "leases", "if now >= ends_at and (first_told is not None or not notice_s)", "if now >= end"),
    "extended only while nobody waits": (EAGER, "leases", 'if wanted.by_others(holding):\n        return None, Reason("extend-waited", {})', "pass"),
    "extended by the policy only": (PLAIN, "leases", 'if state.policy.leases.extend == "always" and', "if"),
    "an end to all extensions": (EAGER, "leases", "holding.since + rule.max_total_s", "holding.since + 9 * rule.max_total_s"),
    "protected at first": (PLAIN, "grants", "self.now + self._leases.protected_s", "self.now"),
    # idle, share, windows' taking back
    "protected from idleness": (PLAIN, "leases", "told_at + rule.notice_s, holding.protected_until)", "told_at + rule.notice_s)"),
    "time to react": (PLAIN, "leases", "max(since + after_s, told_at + rule.notice_s,", "max(since + after_s,"),
    "idle for long enough": (PLAIN, "leases", "rule.take_back_waited_s if waited else rule.take_back_s", "rule.warn_s"),
    "idle and nobody waits": (PLAIN, "leases", "waited = wanted.by_others(holding)", "waited = True"),
    "an idle claim is taken back": (PLAIN, "leases", 'return Ending(holding.claim_id, "idle")', "return None"),
    "grace for a share that was passed": (PLAIN, "leases", "told.get(key, now) + policy.overrun.grace_s", "told.get(key, now)"),
    "a window sends away by the policy only": (Setting(windows=True, faults=True), "takeback", "if not state.policy.windows.take_back or not", "if not"),
    "protected from windows": (AWAY, "leases", "after_notice, holding.protected_until)", "after_notice)"),
    # windows
    "no lease into a window": (WINDOWS, "room", "return start - lead_s", "return end"),
    "a window's head start": (WINDOWS, "room", "return start - lead_s", "return start"),
    "as many as the window keeps": (WINDOWS, "reserve", "chosen = able[: one.gpus]", "chosen = able[: one.gpus - 1]"),
    "the model that the window keeps": (WINDOWS, "reserve", "return one.model is None or is_model(unit.model, one.model)", "return True"),
    "what others have is not kept": (WINDOWS, "reserve", "(end > begins or is_open) and one.group not in groups for", "False for"),
    "the window's group may": (WINDOWS, "grants", "if mine and shape not in self._none_kept and", "if False and"),
    "a lease in a window ends with it": (WINDOWS, "grants", "self.now + allowance.lease_s, window_end, until)", "self.now + allowance.lease_s, until)"),
    "no-shows are released": (WINDOWS, "windows", "and one.no_show_at <= now", "and one.end <= now"),
    "not before their time": (WINDOWS, "windows", "and one.no_show_at <= now", "and one.start <= now"),
    "a release counts": (WINDOWS, "windows", "window.count if keep is None else min(keep, window.count)", "window.count + 1"),
    "the local calendar": (WINDOWS, "windows", "tzinfo=ZoneInfo(window.timezone))", "tzinfo=ZoneInfo('Asia/Tokyo'))"),
    "not on other days": (WINDOWS, "windows", "day.weekday() not in window.weekdays", "False"),
    # limits
    "GPUs at once": (LIMITS, "limits", "account.held + weight > bound.gpus + _TINY", "False"),
    "GPU-hours": (LIMITS, "limits", "if bound.gpu_hours is not None:", "if False:"),
    "what a lease can still use": (LIMITS, "limits", "until = now if holding.state == \"draining\" else max(now, holding.lease_end)", "until = now"),
    "a lease within the hours": (LIMITS, "limits", "longest = min(longest, left_s)", "pass"),
    "limits of groups": (LIMITS, "limits", "self._groups[name], name) for name in groups", "self._groups[name], name) for name in ()"),
    "two in one decision": (LIMITS, "limits", "account.held += weight\n                account.gpu_s += weight * lease_s", "pass"),
    # accounts
    "what was counted is not counted again": (PLAIN, "fairshare", "max(holding.since, holding.counted_to)", "holding.since"),
    "an account is as of its time": (PLAIN, "fairshare", "at = max(use.at, end)", "at = use.at"),
}  # fmt: skip


def play(world, load):
    """Until something is noticed, or for good."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(world_module, "fairshare", load("fairshare"))
        patched.setattr(happenings, "leases", load("leases"))
        world.run(LENGTH)
        accounts_agree(world)


@pytest.mark.parametrize("rule", RULES)
def test_a_broken_rule_is_noticed(rule, tmp_path):
    setting, module, old, new = RULES[rule]
    with mutant(tmp_path, module, old, new) as load:
        for seed in range(HISTORIES):
            world = World(setting, random.Random(seed), decide=load("decide").decide)
            try:
                play(world, load)
            except (
                AssertionError,
                LookupError,
                ValueError,
            ):  # a check that fails, or a world that no longer holds together
                return
    pytest.fail(f"nobody notices when this is broken: {rule}")


def test_the_unbroken_scheduler_passes(tmp_path):
    """So that a row above fails for its change and for nothing else."""
    with mutant(tmp_path, "decide", '"""The one entrance', '"""The only entrance') as load:
        for setting in (PLAIN, MIXED, WINDOWS, AWAY, LIMITS, FAULTS, EAGER):
            world = World(setting, random.Random(1), decide=load("decide").decide)
            play(world, load)
            accounts_agree(world)
