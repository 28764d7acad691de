"""How devices and their users do, sample by sample: strangers, overrun shares, idle GPUs, faults, lost devices."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from ...i18n import LANGUAGES, N_
from ..devices import Sample, Trouble, used_by_container
from ..scheduler.idle import Look, verdict
from .book import Book, Sight
from .records import ALLOCATED, Claim

LOOKS_KEPT = 60
"""Of each claim and device; a verdict needs ten."""

TOLD_EVERY_S = 3600.0
"""A trouble that lasts, or comes again, is told so often."""

FAULT = N_(
    "A GPU of this workspace has a fault. Save your work; then stop the workspace and start it again to get "
    "another one."
)


def sampled(book: Book, samples: Iterable[Sample], troubles: Iterable[Trouble], now: float) -> None:
    """How the devices do, and who is on them."""
    book.sampled_at = now
    with book.change(now):
        for sample in samples:
            sight = book.sights.setdefault(sample.uuid, Sight())
            sight.sample = sample
            _look_for_strangers(book, sample, sight, now)
        troubled(book, troubles, now)
        for claim in book.claims.values():
            if claim.state == ALLOCATED:
                _watch_share(book, claim, now)
                _watch_idle(book, claim, now)


def troubled(book: Book, troubles: Iterable[Trouble], now: float) -> None:
    """Faults that devices told: some forbid their use until an admin has looked. Inside a change."""
    for trouble in troubles:
        device = book.devices.get(trouble.uuid)
        if trouble.quarantine:
            quarantine(book, trouble.uuid, trouble.text, now)
        elif device and now - book.troubled.get((trouble.uuid, trouble.kind, trouble.code), 0.0) >= TOLD_EVERY_S:
            book.troubled[(trouble.uuid, trouble.kind, trouble.code)] = now
            detail = {"kind": trouble.kind, "code": trouble.code}
            text = dict.fromkeys(LANGUAGES, trouble.text)
            book.event(now, "device-trouble", text, device=trouble.uuid, level="warning", detail=detail)


def quarantine(book: Book, uuid: str, why: str, now: float) -> None:
    """Nobody new gets it until an admin puts it back; its holder is told. Inside a change."""
    device = book.devices.get(uuid)
    if device is None or device.quarantined:
        return
    device.quarantined, device.quarantined_at = why, now
    book.put(device)
    detail = {"reason": why}
    sentence = N_("The GPU was taken out of service: {why}")
    book.event(now, "device-quarantined", sentence, device=uuid, level="error", detail=detail, why=why)
    _tell_holders(book, uuid, now)


def missing(book: Book, uuid: str, now: float) -> None:
    """The driver does not show it any more; its holder is told, too. Inside a change."""
    sentence = N_("The GPU is missing: the driver does not show it any more.")
    book.event(now, "device-missing", sentence, device=uuid, level="error")
    _tell_holders(book, uuid, now)


def lost(book: Book, claim: Claim, uuids: list[str], now: float) -> None:
    """Devices that are gone from inside its container while it runs (`systemctl daemon-reload` does that)."""
    if sorted(uuids) == sorted(claim.lost):
        return
    with book.change(now):
        news = [uuid for uuid in uuids if uuid not in claim.lost]
        claim.lost = sorted(uuids)
        book.put(claim)
        for uuid in news:
            sentence = N_(
                "This workspace has lost its GPU, which the machine took from its container. Your files are safe; "
                "stop the workspace and start it again."
            )
            book.event(now, "lost-device", sentence, about=claim, device=uuid, level="error")


def _tell_holders(book: Book, uuid: str, now: float) -> None:
    for claim in book.holders(uuid):
        if claim.state == ALLOCATED:
            book.event(now, "lost-device", FAULT, about=claim, device=uuid, level="error")


def _look_for_strangers(book: Book, sample: Sample, sight: Sight, now: float) -> None:
    """Who is on the device without holding it."""
    allowed = {claim.container_id for claim in book.holders(sample.uuid)}
    allowed |= {one.id for one in book.containers.values() if sample.uuid in one.uuids}
    strangers = [one for one in sample.processes if one.container_id not in allowed]
    if not strangers:
        if sight.foreign:
            book.event(now, "device-free-again", N_("The stranger on the GPU is gone."), device=sample.uuid)
        sight.foreign = ""
        return
    first = strangers[0]
    where = f"container {first.container_id[:12]}" if first.container_id else "the machine itself"
    others = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
    text = f"process {first.pid} of {where}{others}"
    if not sight.foreign:
        sight.foreign_since = now
        sentence = N_("Something that no claim covers uses the GPU: {who}.")
        detail = {"pids": [one.pid for one in strangers], "container": first.container_id or ""}
        book.event(now, "device-foreign", sentence, device=sample.uuid, level="warning", detail=detail, who=text)
    sight.foreign = text


def _watch_share(book: Book, claim: Claim, now: float) -> None:
    if not claim.mib:
        return
    samples = [book.sights[uuid].sample for uuid in claim.uuids if uuid in book.sights]
    used = used_by_container([one for one in samples if one is not None], claim.container_id)
    over = sum(used.values()) > claim.mib + book.rules.tolerance_mib
    if over != bool(claim.over_since):
        claim.over_since = now if over else 0.0
        book.put(claim)


def _watch_idle(book: Book, claim: Claim, now: float) -> None:
    """Only the newest looks are kept; since when it is idle is remembered from verdict to verdict."""
    rows = {}
    for uuid in claim.uuids:
        sight = book.sights.get(uuid)
        if sight is None or sight.sample is None:
            book.idle_since.pop(claim.id, None)
            return
        row = rows[uuid] = sight.looks.setdefault(claim.id, deque(maxlen=LOOKS_KEPT))
        if not row or sight.sample.time > row[-1].time:
            row.append(_look(claim, sight.sample, book.busy_kernels.get(claim.id)))
    found = verdict(rows, claim.committed_at, now, book.rules.policy.idle)
    if found.since is None:
        book.idle_since.pop(claim.id, None)
    else:
        book.idle_since[claim.id] = min(found.since, book.idle_since.get(claim.id, found.since))
    book.verdicts[claim.id] = found.state


def _look(claim: Claim, sample: Sample, kernel_busy: bool | None) -> Look:
    """Of a shared device, what others do on it says nothing about a container that has no process there."""
    mine = [one for one in sample.processes if one.container_id == claim.container_id]
    utilisation = sample.utilisation if mine or not claim.mib else 0
    return Look(sample.time, utilisation, len(mine), sum(one.used_mib or 0 for one in mine), kernel_busy)
