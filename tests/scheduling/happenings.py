"""What people, machines and admins do in a history, each a function that does it to a world at random."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import TYPE_CHECKING

from jupyterhub_tf29.gpu.request import Request
from jupyterhub_tf29.gpu.scheduler import leases
from jupyterhub_tf29.gpu.scheduler.state import Ticket, Window
from tests.scheduling import rules

if TYPE_CHECKING:
    from tests.scheduling.world import World

HOUR = 3600.0


def arrive(world: World) -> None:
    """Somebody asks for GPUs."""
    dice, setting = world.dice, world.setting
    if len(world.tickets) >= 12:
        return
    user = f"user-{dice.randrange(setting.users)}"
    lease_s = dice.choice((0.25, 1, 2, 3.5, 6, 12, 24)) * HOUR
    accepts_s = dice.choice((None, None, None, lease_s / 4))
    ticket = Ticket(world.new_id("t"), user, groups_of(user), wish(world), world.now, lease_s, accepts_s)
    world.tickets[ticket.id] = ticket


def wish(world: World) -> Request:
    """Something that people ask for, sometimes in vain."""
    dice, setting = world.dice, world.setting
    kind = dice.random()
    model = dice.choice((None, None, "A100", "T4")) if setting.two_models else None
    if setting.slices and kind < 0.25:
        return Request("mig", count=dice.choice((1, 1, 2)), mig_profile="1g.5gb")
    if kind < 0.55:
        memory = dice.choice((None, None, None, 20000)) if setting.two_models else None
        return Request(count=dice.choice((1, 1, 1, 2, 2, 3, setting.gpus)), model=model, min_memory_mib=memory)
    return Request("share", share_mib=dice.choice((2000, 5000, 13000, 20000)), model=model)


def groups_of(user: str) -> tuple[str, ...]:
    """Of six users, two are of the course, one is of the lab, one of both."""
    number = int(user.rpartition("-")[2]) % 6
    return {0: ("course",), 1: ("course",), 2: ("lab",), 3: ("course", "lab")}.get(number, ())


def leave(world: World) -> None:
    """Somebody stops their server before its lease ends."""
    if world.holdings:
        world.end(world.dice.choice(list(world.holdings)))


def cancel(world: World) -> None:
    """Somebody gives their place up."""
    if world.tickets:
        del world.tickets[world.dice.choice(list(world.tickets))]


def wait(world: World) -> None:
    """Time passes: seconds, minutes or hours."""
    world.pass_time(world.dice.choice((5.0, 60.0, 600.0, 1800.0, HOUR, 2 * HOUR)))


def oversleep(world: World) -> None:
    """The broker is down for a while, and nothing is decided."""
    world.now += world.dice.choice((600.0, 3 * HOUR))
    world.watch.forget()


def settle(world: World) -> None:
    """The broker brings its accounts up to date."""
    world.settle()


def accept(world: World) -> None:
    """Somebody takes the shorter lease that was offered."""
    for offer in world.last.offers if world.last else ():
        if offer.ticket_id in world.tickets:
            ticket = world.tickets[offer.ticket_id]
            world.tickets[ticket.id] = replace(ticket, accepts_s=offer.accepts_s)
            return


def extend(world: World) -> None:
    """Somebody asks for more time."""
    if world.holdings:
        claim_id = world.dice.choice(list(world.holdings))
        state = world.state()
        end, _ = leases.may_extend(state, claim_id, world.dice.choice((HOUR, 30 * HOUR)), world.now)
        if end is not None:
            rules.check_extension(state, claim_id, end, world.now)
            world.holdings[claim_id] = replace(world.holdings[claim_id], lease_end=end)
            world.watch.forget()  # people may delay themselves


def doze(world: World) -> None:
    """A claim falls idle, or wakes up."""
    if world.holdings:
        claim_id = world.dice.choice(list(world.holdings))
        held = world.holdings[claim_id]
        world.holdings[claim_id] = replace(held, idle_since=None if held.idle_since else world.now)


def overrun(world: World) -> None:
    """A share takes more than it may, or stops to."""
    if world.holdings:
        claim_id = world.dice.choice(list(world.holdings))
        held = world.holdings[claim_id]
        if held.mib is not None:
            world.holdings[claim_id] = replace(held, overrun_since=None if held.overrun_since else world.now)


def hold(world: World) -> None:
    """A ticket's server is still stopping, or has stopped."""
    if world.tickets:
        ticket_id = world.dice.choice(list(world.tickets))
        ticket = world.tickets[ticket_id]
        world.tickets[ticket_id] = replace(ticket, held=not ticket.held)


def fail(world: World) -> None:
    """A GPU fails, is drained by an admin, or comes back."""
    if world.setting.faults:
        uuid = world.dice.choice(list(world.units))
        states = ("free", "free", "draining", "quarantined", "foreign", "missing")
        world.units[uuid] = replace(world.units[uuid], state=world.dice.choice(states))


def reserve(world: World) -> None:
    """An admin makes a window that nobody knew of when leases were granted."""
    if world.setting.windows and world.setting.faults:
        soon = datetime.datetime.fromtimestamp(world.now + HOUR, datetime.timezone.utc)
        name, days = world.new_id("soon"), (soon.weekday(),)
        window = Window(name, "lab", 2, days, f"{soon:%H:%M}", 3 * HOUR, "UTC", last_day=f"{soon:%Y-%m-%d}")
        world.windows = (*world.windows[:2], *world.windows[2:][-1:], window)


def put(world: World) -> None:
    """An admin puts somebody at a place in the line."""
    if world.tickets and world.setting.faults:
        ticket_id = world.dice.choice(list(world.tickets))
        place = world.dice.choice((None, 1, 3))
        world.tickets[ticket_id] = replace(world.tickets[ticket_id], place=place)


HAPPENINGS = [
    arrive,
    leave,
    cancel,
    wait,
    oversleep,
    settle,
    accept,
    extend,
    doze,
    overrun,
    hold,
    fail,
    put,
    reserve,
]
WEIGHTS = [34, 10, 3, 30, 1, 3, 4, 4, 4, 1, 1, 2, 1, 1]
