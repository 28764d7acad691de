"""The parts of the scheduler alone: placement, fair share, windows, idleness, limits, and single decisions."""

import datetime
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_tf29.gpu.request import Request
from jupyterhub_tf29.gpu.scheduler import fairshare, idle, leases, windows
from jupyterhub_tf29.gpu.scheduler import policy as p
from jupyterhub_tf29.gpu.scheduler.decide import decide
from jupyterhub_tf29.gpu.scheduler.explain import explain
from jupyterhub_tf29.gpu.scheduler.forecast import forecast
from jupyterhub_tf29.gpu.scheduler.state import Holding, State, Ticket, Unit, Use, Window

NOW = 1_800_000_000.0
HOUR = 3600.0
A100, T4 = "NVIDIA A100-SXM4-40GB", "Tesla T4"


def units(count=4, model=A100, memory=40960, first=0):
    return tuple(Unit(f"GPU-{first + n}", model, memory, memory - 2000) for n in range(count))


def held(uuid, hours, user="other", mib=None, **more):
    weight = 1.0 if mib is None else mib / 38960
    return Holding(f"claim-{uuid}-{user}", user, (), (uuid,), mib, NOW - HOUR, NOW + hours * HOUR, weight, **more)


def ticket(name="me", request=None, hours=4.0, groups=(), ago=60.0, **more):
    return Ticket(f"ticket-{name}", name, groups, request or Request(), NOW - ago, hours * HOUR, **more)


# -- placement ---------------------------------------------------------------------------------------------------

PAIRS = {("GPU-0", "GPU-1"): 260, ("GPU-2", "GPU-3"): 260} | {
    (f"GPU-{one}", f"GPU-{other}"): 20 for one in (0, 1) for other in (2, 3)
}


@pytest.mark.parametrize(
    ("holdings", "request_", "given"),
    [
        ([], Request(count=2), {"GPU-0", "GPU-1"}),
        ([held("GPU-0", 1)], Request(count=2), {"GPU-2", "GPU-3"}),
        ([held("GPU-0", 1)], Request(), {"GPU-1"}),
        ([held("GPU-2", 1, mib=9000)], Request("share", share_mib=9000), {"GPU-2"}),
        ([held("GPU-2", 1, mib=9000), held("GPU-1", 1, mib=20000)], Request("share", share_mib=9000), {"GPU-1"}),
        ([held("GPU-2", 1, mib=30000)], Request("share", share_mib=9000), {"GPU-0"}),
        ([held("GPU-0", 1, mib=100)], Request(count=3), {"GPU-1", "GPU-2", "GPU-3"}),
    ],
    ids=[
        "two: the pair that is linked",
        "two: not a broken pair",
        "one: the rest of a broken pair",
        "a share: beside another",
        "a share: where less is left over",
        "a share that does not fit beside another",
        "whole ones: never one with shares",
    ],
)
def test_which_units_are_given(holdings, request_, given):
    state = State(units(), tuple(holdings), (ticket(request=request_),), links=PAIRS)
    [grant] = decide(state, NOW).grants
    assert set(grant.uuids) == given


def test_one_gpu_is_the_smallest_that_fits():
    state = State(units(2) + units(2, T4, 15360, first=2), (), (ticket(),))
    assert decide(state, NOW).grants[0].uuids == ("GPU-2",)
    large = replace(state, tickets=(ticket(request=Request(min_memory_mib=20000)),))
    assert decide(large, NOW).grants[0].uuids == ("GPU-0",)


def test_several_gpus_are_of_one_model_where_that_can_be():
    state = State(units(2) + units(1, T4, 15360, first=2), (), (ticket(request=Request(count=2)),))
    assert set(decide(state, NOW).grants[0].uuids) == {"GPU-0", "GPU-1"}


def test_a_well_connected_set_of_many_is_found_without_trying_all():
    many = units(32)
    links = {
        (many[one].uuid, many[other].uuid): 300 if one % 4 == other % 4 else 10
        for one in range(32)
        for other in range(32)
        if many[one].uuid < many[other].uuid
    }
    state = State(many, (), (ticket(request=Request(count=8)),), links=links)
    [grant] = decide(state, NOW).grants
    assert len({int(uuid.rpartition("-")[2]) % 4 for uuid in grant.uuids}) == 1


# -- fair share --------------------------------------------------------------------------------------------------


@given(
    cuts=st.lists(st.floats(0, 5e5), max_size=20),
    weight=st.floats(0.01, 8),
    half_life_s=st.floats(3600, 1e6),
)
def test_decay_does_not_depend_on_who_looked_when(cuts, weight, half_life_s):
    holding = Holding("c", "u", (), ("GPU-0",), None, NOW, NOW + 1e6, weight)
    nothing = Use("u", (), 0.0, NOW)
    at_once = fairshare.settle(nothing, [holding], NOW + 5e5, half_life_s)
    use = nothing
    for moment in sorted(NOW + cut for cut in [*cuts, 5e5]):
        use = fairshare.settle(use, [holding], moment, half_life_s)
        holding = replace(holding, counted_to=moment)
    assert use.decayed_gpu_s == pytest.approx(at_once.decayed_gpu_s, rel=1e-9)
    assert use.period_gpu_s == pytest.approx(weight * 5e5, rel=1e-9)


def test_use_halves_and_is_measured_against_the_whole_machine():
    rule = p.FairShare()
    full = 4 * rule.half_life_s / fairshare.LN2
    state = State(units(4), uses=(Use("a", (), full / 4, NOW - rule.half_life_s), Use("b", (), 0.0, NOW)))
    found = fairshare.standings(state, NOW)
    assert found["a"].own == pytest.approx(1 / 8)
    assert found["b"].own == 0
    assert (found["a"].share, found["b"].share) == (0.5, 0.5)
    use_a, use_b = 1 / 8 + 0 / 2, 0 + (1 / 8) / 2  # one's own, and a member's part of what the others used
    assert found["a"].factor == pytest.approx(2 ** (-use_a / 0.5))
    assert found["b"].factor == pytest.approx(2 ** (-use_b / 0.5))


def test_factors_are_those_of_the_standings():
    policy = p.Policy(fair=p.FairShare(group_weights={"lab": 3.0}))
    uses = tuple(Use(f"u{n}", ("lab",) if n % 2 else (), n * 1e5, NOW - n) for n in range(9))
    state = State(units(4), (held("GPU-0", 1, "u3"),), (ticket("u4"),), uses=uses, policy=policy)
    expected = {user: standing.factor for user, standing in fairshare.standings(state, NOW).items()}
    assert fairshare.factors(state, NOW) == pytest.approx(expected)


def test_a_clock_that_is_put_back_gives_nothing_away():
    assert fairshare.decayed(100.0, -3600, 1e5) == 100.0
    assert fairshare.accrued(1.0, -3600, 1e5) == 0.0


# -- windows -----------------------------------------------------------------------------------------------------

BERLIN = Window("class", "course", 2, (0, 1, 2, 3, 4), "09:00", 2 * HOUR, "Europe/Berlin")


def starts(window, first, days):
    begin = datetime.datetime.fromisoformat(first).replace(tzinfo=ZoneInfo("UTC")).timestamp()
    found = windows.times(window, begin, begin + days * 86400)
    return [datetime.datetime.fromtimestamp(start, ZoneInfo("UTC")).strftime("%m-%d %H:%M") for start, _ in found]


@pytest.mark.parametrize(
    ("window", "first", "days", "expected"),
    [
        (BERLIN, "2027-01-15", 4, ["01-15 08:00", "01-18 08:00"]),
        (BERLIN, "2027-03-26", 4, ["03-26 08:00", "03-29 07:00"]),
        (replace(BERLIN, except_days=("2027-01-18",)), "2027-01-15", 5, ["01-15 08:00", "01-19 08:00"]),
        (replace(BERLIN, first_day="2027-01-18", last_day="2027-01-18"), "2027-01-11", 14, ["01-18 08:00"]),
        (replace(BERLIN, weekdays=(6,), start="02:30"), "2027-03-28", 1, ["03-28 01:30"]),
        (replace(BERLIN, weekdays=(3,), start="23:30"), "2027-01-15", 1, ["01-14 22:30"]),
    ],
    ids=["a weekend", "clocks change", "a holiday", "one day only", "a time that is skipped", "over midnight"],
)
def test_when_windows_are(window, first, days, expected):
    assert starts(window, first, days) == expected


def test_a_lease_that_would_run_into_a_window_is_offered_shorter():
    at = windows.times(BERLIN, NOW, NOW + 7 * 86400)[0][0]
    now = at - 3 * HOUR
    state = State(units(2), tickets=(replace(ticket(hours=8), submitted=now),), windows=(BERLIN,))
    decisions = decide(state, now)
    assert decisions.grants == ()
    [offer] = decisions.offers
    assert offer.lease_s == pytest.approx(3 * HOUR - 120)
    assert decisions.line[0].reason.code == "lease-window"
    taken = replace(state, tickets=(replace(state.tickets[0], accepts_s=offer.accepts_s),))
    [grant] = decide(taken, now + 600).grants
    assert grant.lease_end == pytest.approx(at - 120)


def test_a_failed_gpu_is_replaced_by_another_for_the_window():
    at = windows.times(BERLIN, NOW, NOW + 7 * 86400)[0][0]
    state = State(units(3), tickets=(replace(ticket(hours=8), submitted=at - HOUR),), windows=(BERLIN,))
    assert len(decide(state, at - HOUR).grants) == 1
    broken = replace(state, units=(replace(state.units[0], state="quarantined"), *state.units[1:]))
    assert decide(broken, at - HOUR).grants == ()


# -- idleness ----------------------------------------------------------------------------------------------------

RULE = p.Idle()


def looks(*utilisations, every=60.0, **more):
    first = NOW - every * (len(utilisations) - 1)
    return [idle.Look(first + n * every, one, 1, 5000, **more) for n, one in enumerate(utilisations)]


@pytest.mark.parametrize(
    ("row", "state"),
    [
        (looks(*[1] * 20), "idle"),
        (looks(*[2] * 20), "idle"),
        (looks(*[1] * 19, 3), "busy"),
        (looks(*[1] * 5), "unknown"),
        ([], "unknown"),
        (looks(*[0] * 20, kernel_busy=True), "busy"),
        (looks(*[0] * 20)[:-8], "unknown"),
        (looks(*[0] * 20, every=400.0), "unknown"),
        (looks(*[None] * 20), "unknown"),
        ([look._replace(processes=0, used_mib=10) for look in looks(*[None] * 20)], "idle"),
    ],
    ids=[
        "nothing", "at the bound", "just woke", "too few samples", "no samples", "a busy kernel",
        "no news for long", "too rare to tell", "a slice with a process", "a slice without one",
    ],
)  # fmt: skip
def test_the_verdict(row, state):
    assert idle.verdict({"GPU-0": row}, NOW - 1e5, NOW, RULE).state == state


def test_one_busy_gpu_of_several_makes_the_claim_busy_and_the_last_to_fall_idle_counts():
    long, short = looks(*[0] * 40), looks(*[90] * 20, *[0] * 20)
    assert idle.verdict({"a": long, "b": looks(*[0] * 19, 50)}, NOW - 1e5, NOW, RULE).state == "busy"
    found = idle.verdict({"a": long, "b": short}, NOW - 1e5, NOW, RULE)
    assert (found.state, found.since) == ("idle", NOW - 19 * 60)


def test_samples_from_before_the_claim_are_somebody_elses():
    assert idle.verdict({"a": looks(*[0] * 60)}, NOW - 5 * 60, NOW, RULE).state == "unknown"


# -- single decisions --------------------------------------------------------------------------------------------


def test_a_broker_that_slept_through_a_lease_warns_before_it_stops():
    state = State(units(1), (held("GPU-0", -3),))
    first = decide(state, NOW)
    assert first.endings == ()
    [notice] = first.warnings
    assert notice.in_s == 300
    told = replace(state, holdings=(replace(state.holdings[0], warned=((notice.key, NOW),)),))
    assert decide(told, NOW + 299).endings == ()
    assert decide(told, NOW + 300).endings[0].cause == "lease"


def test_without_any_notice_leases_end_on_time():
    policy = p.Policy(leases=p.Leases(notice_s=()))
    assert decide(State(units(1), (held("GPU-0", 0),), policy=policy), NOW).endings[0].cause == "lease"


def test_extended_only_as_far_as_the_policy_goes_and_while_nobody_else_waits():
    state = State(units(1), (held("GPU-0", 1),))
    claim = state.holdings[0].claim_id
    assert leases.may_extend(state, claim, HOUR, NOW)[0] == NOW + 2 * HOUR
    waited = replace(state, tickets=(ticket(),))
    assert leases.may_extend(waited, claim, HOUR, NOW) == (None, ("extend-waited", {}))
    own = replace(state, tickets=(ticket("other"),))
    assert leases.may_extend(own, claim, HOUR, NOW)[0] == NOW + 2 * HOUR
    never = replace(state, policy=p.Policy(leases=p.Leases(extend="never")))
    assert leases.may_extend(never, claim, HOUR, NOW)[1].code == "extend-never"
    with pytest.raises(KeyError):
        leases.may_extend(state, "nobody", HOUR, NOW)


def test_estimates_follow_the_ends_of_leases():
    state = State(
        units(2),
        (held("GPU-0", 1), held("GPU-1", 2)),
        (ticket("a", ago=300), ticket("b", ago=200), ticket("c", ago=100), ticket("d", ago=50, held=True)),
    )
    line = decide(state, NOW).line
    waits = [entry.estimate_s for entry in line]
    assert waits[:3] == [HOUR + 30, 2 * HOUR + 30, HOUR + 4 * HOUR + 60]
    assert waits[3] is None


def test_a_forecast_changes_nothing_and_says_what_would_be():
    state = State(units(2), (held("GPU-0", 1),), (ticket("a", Request(count=2)),))
    wishes = {"one": Request(), "many": Request(count=3)}
    found = forecast(state, NOW, "me", (), wishes, {"one": 1800.0, "many": HOUR})
    assert (found["one"].now, found["one"].free, found["one"].total) == (True, 1, 2)
    assert (found["many"].possible, found["many"].reason.code) == (False, "never")
    late = forecast(state, NOW, "me", (), {"one": Request()}, 4 * HOUR)["one"]
    assert (late.now, late.place, late.reason.code) == (False, 2, "would-delay")


def test_a_decision_is_explained_with_its_numbers():
    waiting = (ticket("a", ago=3600), ticket("me"))
    used = (Use("a", (), 1e5, NOW), Use("me", (), 1e6, NOW))
    state = State(units(1), (held("GPU-0", 1, idle_since=NOW - 600),), waiting, uses=used)
    found = explain(state, NOW, "ticket-me").to_json()
    assert (found["place"], found["is_head"], found["needs"], found["free"]) == (2, False, 1, 0)
    assert [one["ticket_id"] for one in found["ahead"]] == ["ticket-a"]
    assert found["ahead"][0]["factors"]["rank"] > found["factors"]["rank"]
    assert found["releases"] == [
        {"claim_id": "claim-GPU-0-other", "user": "other", "uuids": ["GPU-0"], "end_s": HOUR, "idle_s": 600.0}
    ]
    with pytest.raises(KeyError):
        explain(state, NOW, "ticket-of-nobody")


def test_the_most_generous_of_ones_groups_limits_counts_and_ones_own_line_before_all():
    limits = p.Limits(
        user=p.Limit(gpus=1),
        members={"lab": p.Limit(gpus=2, gpu_hours=10), "course": p.Limit(gpus=3)},
        users={"chief": p.Limit()},
    )
    state = State(units(4), policy=p.Policy(limits=limits))

    def codes(user, groups, count):
        wish = ticket(user, Request(count=count), groups=groups, hours=1)
        decisions = decide(replace(state, tickets=(wish,)), NOW)
        return decisions.line[0].reason.code if decisions.line else "granted"

    assert codes("anybody", (), 2) == "limit-gpus"
    assert codes("anybody", ("lab",), 2) == "granted"
    assert codes("anybody", ("lab", "course"), 3) == "granted"
    assert codes("chief", ("lab",), 4) == "granted"
