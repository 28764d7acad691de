"""What the machine shows, against what the book says: the engine's containers, NVML's devices and processes.

The rules: what the engine runs is held, and a stopped container is still a claim until it is removed. A claim that
was given back ends only when the engine, asked after that, has no container of it, and NVML, asked after that,
shows no process of that container on its devices; a device that does not become free in time is quarantined. A
claim whose container never came is given back after a bound.

Each look must have *begun* after what it is compared with: `listed_at` is when the listing was asked for, a
sample's `time` when its device was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...i18n import LANGUAGES, N_
from ..devices import Inventory, Sample, used_by_container
from ..request import Request
from . import accounting, turns, wishes
from .book import Book, Seen
from .lookout import missing, quarantine, troubled
from .records import ALLOCATED, DRAINING, RESERVED, Claim, DeviceRecord

UNEXPLAINED_MIB = 1024
"""More memory in use than drivers keep for themselves on an idle card, and no process: one is dying just now, and
its owner cannot be told any more."""

SEEN_EVERY_S = 60.0
"""So often it is written that a container is still there; use that nobody saw end is charged up to then."""


def counted(book: Book, inventory: Inventory, now: float) -> None:
    """The devices that there are."""
    before = book.inventory
    with book.change(now):
        for found in inventory.devices:
            _count(book, found, now)
        book.inventory = inventory
        for device in book.devices.values():
            was = before is None or before.device(device.uuid) is not None
            if was and inventory.device(device.uuid) is None:
                missing(book, device.uuid, now)
            elif before is not None and not was and inventory.device(device.uuid):
                book.event(now, "device-back", N_("The GPU is there again."), device=device.uuid)
        troubled(book, inventory.troubles, now)


def listed(book: Book, containers: Sequence[Seen], listed_at: float, now: float) -> None:
    """The engine's containers with GPUs, running or not, as of `listed_at`."""
    book.containers = {one.id: one for one in containers}
    book.listed_at = listed_at
    with book.change(now):
        book.intruders = {one: why for one, why in book.intruders.items() if one in book.containers}
        by_claim: dict[str, list[Seen]] = {}
        for one in containers:
            by_claim.setdefault(one.claim, []).append(one)
        for claim in list(book.claims.values()):
            _compare(book, claim, by_claim.pop(claim.id, []), listed_at, now)
        for unknown in by_claim.values():
            for one in sorted(unknown, key=lambda seen: not seen.running)[:1]:
                _adopt(book, one, now)


def settle(book: Book, now: float) -> None:
    """Draw the conclusions: end what is free, quarantine what is not in time, give back what never came."""
    with book.change(now):
        turns.expire_holds(book, now)
        for claim in list(book.claims.values()):
            if claim.state == RESERVED and _never_came(book, claim, now):
                wishes.given_back(book, claim, "never-came", now, now)
            if claim.state == DRAINING:
                _drain(book, claim, now)


def still_used(book: Book, claim: Claim) -> dict[str, str]:
    """Device → why it cannot be taken for free of this claim yet; empty when all are.

    Both looks must have begun after the claim was given back.
    """
    theirs = {one.id for one in book.containers.values() if one.claim == claim.id}
    if book.listed_at <= claim.released_at:
        return dict.fromkeys(claim.uuids, "the container engine was not asked since")
    if theirs:
        return dict.fromkeys(claim.uuids, f"its container {next(iter(theirs))[:12]} is not removed")
    reasons = {}
    for uuid in claim.uuids:
        sight = book.sights.get(uuid)
        if book.inventory is not None and book.inventory.device(uuid) is None:
            continue  # it is missing: nothing can be on it, and nobody gets it
        if sight is None or sight.sample is None or sight.sample.time <= claim.released_at:
            reasons[uuid] = "it was not seen since"
        elif claim.container_id and used_by_container([sight.sample], claim.container_id):
            reasons[uuid] = f"a process of the container {claim.container_id[:12]} is still on it"
        elif _unexplained(sight.sample) > UNEXPLAINED_MIB:
            reasons[uuid] = f"{sight.sample.used_mib} MiB of it are in use by no process that can be named"
    return reasons


def _unexplained(sample: Sample) -> int:
    """MiB in use that belong to no process that is listed; 0 where the driver does not say all of it."""
    used = [process.used_mib for process in sample.processes]
    known = [mib for mib in used if mib is not None]
    return sample.used_mib - sum(known) if len(known) == len(used) else 0


# -- devices ---------------------------------------------------------------------------------------------------


def _count(book: Book, found: Any, now: float) -> None:
    known = book.devices.get(found.uuid)
    facts = {
        "model": found.model,
        "memory_mib": found.memory_mib,
        "usable_mib": found.usable_mib,
        "bus_id": found.bus_id,
        "minor": found.minor,
        "parent": found.parent or "",
        "mig_profile": found.mig_profile or "",
        "slices": found.slices,
    }
    if known is None:
        book.put(DeviceRecord(found.uuid, **facts, seen_at=now))
        return
    changed = any(getattr(known, key) != value for key, value in facts.items())
    if changed or now - known.seen_at >= SEEN_EVERY_S:
        vars(known).update(facts, seen_at=now)
        book.put(known)


# -- containers ------------------------------------------------------------------------------------------------


def _compare(book: Book, claim: Claim, containers: list[Seen], listed_at: float, now: float) -> None:
    if containers:
        one = next((seen for seen in containers if seen.id == claim.container_id), containers[0])
        if claim.state == RESERVED:
            wishes.taken(book, claim, one.id, now)
        elif (
            claim.state == DRAINING and listed_at > claim.released_at and any(seen.running for seen in containers)
        ):
            running = next(seen for seen in containers if seen.running)
            wishes.taken(book, claim, running.id, now)
        elif claim.state == ALLOCATED and (one.id != claim.container_id or now - claim.seen_at >= SEEN_EVERY_S):
            claim.container_id, claim.seen_at = one.id, now
            book.put(claim)
    elif claim.state == ALLOCATED and listed_at > claim.committed_at:
        # gone without a word of the Hub: it was killed in between, or an admin removed the container
        wishes.given_back(book, claim, "container-gone", now, max(claim.seen_at, claim.committed_at))


def _adopt(book: Book, one: Seen, now: float) -> None:
    """A container of a claim that the book does not know: it holds what its labels say, if that can be."""
    problem = book.fits(one.uuids, one.mib)
    if problem:
        why = f"it was given {', '.join(one.uuids)}, but {problem}"
        if one.id not in book.intruders:
            text = dict.fromkeys(LANGUAGES, f"Container {one.id[:12]} of {one.user} is removed: {why}")
            book.event(now, "intruder", text, level="error", detail={"container": one.id, "user": one.user})
        book.intruders[one.id] = why
        return
    devices = [book.devices[uuid] for uuid in one.uuids if uuid in book.devices]
    if one.mib:
        request = Request(kind="share", share_mib=one.mib)
        weight = request.weight(usable_mib=devices[0].usable_mib if devices else None)
    else:
        request = Request(count=len(one.uuids))
        weight = sum(device.slices for device in devices) / 7 or float(len(one.uuids))
    claim = Claim(
        id=one.claim,
        user=one.user,
        server=one.server,
        groups=[],
        request=request.to_json(),
        uuids=list(one.uuids),
        mib=one.mib,
        weight=weight,
        state=ALLOCATED,
        since=now,
        lease_end=one.lease_end or now + book.rules.default_lease_s,
        protected_until=now,
        profile=one.profile,
        container_id=one.id,
        committed_at=now,
        seen_at=now,
    )
    accounting.opened(book, claim)
    book.put(claim)
    book.event(now, "adopted", N_("A running workspace was found again with its GPUs."), about=claim)


# -- the end of a claim ----------------------------------------------------------------------------------------


def _never_came(book: Book, claim: Claim, now: float) -> bool:
    """A ticket's claim has the bound of its turn; the engine must have been asked since it was wanted last."""
    wanted = wishes.renewed(claim)
    in_time = now - wanted < book.rules.start_s or book.listed_at <= wanted
    return not (in_time or claim.ticket or claim.ending_cause)


def _drain(book: Book, claim: Claim, now: float) -> None:
    reasons = still_used(book, claim)
    if not reasons:
        _end(book, claim, now)
        return
    late = now - claim.released_at - book.rules.free_within_s
    if late < 0 or book.listed_at <= claim.released_at:
        return  # without the engine nothing starts, and nothing is known
    left = [one.id for one in book.containers.values() if one.claim == claim.id]
    for one in left:
        # given back, stopped, and nobody has removed it: the Hub died in between
        book.intruders.setdefault(one, "its server has given its GPUs back")
    if left and late < book.rules.free_within_s:
        return
    for uuid, reason in reasons.items():
        bound = round(book.rules.free_within_s)
        quarantine(book, uuid, f"it did not become free within {bound} s: {reason}", now)
    if not left:
        _end(book, claim, now)


def _end(book: Book, claim: Claim, now: float) -> None:
    book.drop(claim)
    book.idle_since.pop(claim.id, None)
    book.verdicts.pop(claim.id, None)
    for uuid in claim.uuids:
        if uuid in book.sights:
            book.sights[uuid].looks.pop(claim.id, None)
    detail = {"uuids": claim.uuids, "seconds": now - claim.released_at}
    book.event(now, "freed", N_("The GPUs are free again."), about=claim, detail=detail)
