"""Who used how much: what was held in the past, GPU-seconds by month, and what fair share remembers.

One GPU-second is one whole GPU held for a second; a share counts by its part of the usable memory, a MIG slice by
its sevenths. It is reckoned from the grant until it is given back, or was last seen where nobody gave it back. A
holding's row is there from its first second on, so a `kill -9` loses nothing; what has ended is added to the
month's sum in the same transaction that ends it, so sums and history cannot part.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa

from ..scheduler.fairshare import charge, group_of, is_forgotten
from ..scheduler.state import Use
from .book import Book
from .records import Claim, Holding, UseRecord
from .store import TABLES, USAGE, Store, add_usage
from .view import period_bounds

HISTORY_S = 400 * 86400.0
"""Single holdings are forgotten after so long; the months' sums stay."""

COLUMNS = ("month", "user", "group")


def opened(book: Book, claim: Claim) -> None:
    """A claim was granted (or found): its devices are held from `claim.since`. Inside a change."""
    claim.group = group_of(claim.groups, book.rules.policy.fair) or next(iter(sorted(claim.groups)), "")
    _begin(book, claim, claim.since)


def closed(book: Book, claim: Claim, end: float, reason: str) -> None:
    """Its user has it no more, as of `end`: into history, the month's sum and fair share. Inside a change."""
    end = max(end, claim.since)
    table = TABLES[Holding]
    book.also(
        sa.update(table)
        .where(table.c.claim == claim.id, table.c.end == 0)
        .values(end=sa.case((table.c.start > end, table.c.start), else_=end), reason=reason)
    )
    for number, (month, seconds) in enumerate(by_month(claim.since, end)):
        # a claim counts in the month in which it began
        book.also(add_usage(month, claim.user, claim.group, claim.weight * seconds, 0 if number else 1))
    settle(book, claim, end)


def reopened(book: Book, claim: Claim, now: float) -> None:
    """It was given back, and its container runs after all: held again, from `now`. Inside a change."""
    claim.since = claim.counted_to = now
    _begin(book, claim, now)


def settle(book: Book, claim: Claim, end: float) -> None:
    """Put what the claim used up to `end` into its user's `Use`. Inside a change."""
    half_life_s = book.rules.policy.fair.half_life_s
    start = max(claim.since, claim.counted_to)
    if end <= start:
        return
    record = book.uses.get(claim.user) or UseRecord(claim.user, list(claim.groups), 0.0, start, 0.0)
    use = Use(record.user, tuple(claim.groups), record.decayed_gpu_s, record.at, record.period_gpu_s)
    use = charge(use, claim.weight, start, end, half_life_s)
    claim.counted_to = end
    book.put(UseRecord(use.user, list(use.groups), use.decayed_gpu_s, use.at, use.period_gpu_s))
    book.put(claim)


def turn_of_period(book: Book, before: float, now: float) -> None:
    """Where a week or month began since `before`, limits' GPU-hours begin anew. Inside a change."""
    begin = period_bounds(now, book.rules.period, book.rules.timezone)[0]
    if not before < begin <= now:
        return
    for claim in book.claims.values():
        if claim.held:
            settle(book, claim, begin)
    half_life_s = book.rules.policy.fair.half_life_s
    active = {claim.user for claim in book.claims.values()} | {ticket.user for ticket in book.tickets.values()}
    for record in list(book.uses.values()):
        record.period_gpu_s = 0.0
        use = Use(record.user, (), record.decayed_gpu_s, record.at)
        if record.user not in active and is_forgotten(use, now, half_life_s):
            book.drop(record)
        else:
            book.put(record)


def prune(book: Book, now: float) -> None:
    """Forget single holdings that ended long ago. Inside a change."""
    table = TABLES[Holding]
    book.also(sa.delete(table).where(table.c.end > 0, table.c.end < now - HISTORY_S))


def by_month(start: float, end: float) -> Iterator[tuple[str, float]]:
    """`(month such as "2026-11", seconds of the span in it)`, in UTC; at least one, of zero seconds maybe."""
    while True:
        day = datetime.fromtimestamp(start, timezone.utc)
        following = datetime(day.year + day.month // 12, day.month % 12 + 1, 1, tzinfo=timezone.utc).timestamp()
        yield f"{day.year}-{day.month:02d}", max(0.0, min(end, following) - start)
        if end <= following:
            return
        start = following


def usage(
    store: Store,
    open_claims: Iterable[Claim],
    now: float,
    *,
    start: float,
    end: float,
    by: tuple[str, ...] = ("user",),
    user: str | None = None,
) -> list[dict[str, Any]]:
    """GPU-seconds and claims by any of COLUMNS, most first; what is still held counts up to `now`.

    Whole months (UTC) only: all that `start` and `end` (epoch seconds) touch. Raises ValueError for another `by`.
    """
    wrong = [column for column in by if column not in COLUMNS]
    if wrong or not by:
        raise ValueError(f"by: expected some of {', '.join(COLUMNS)}, found {wrong[0] if wrong else 'nothing'!r}")
    first, last = _month(start), _month(end)
    found: dict[tuple[str, ...], list[float]] = {}

    def add(row: dict[str, str], gpu_seconds: float, claims: int) -> None:
        if first <= row["month"] <= last and user in (None, row["user"]):
            total = found.setdefault(tuple(row[column] for column in by), [0.0, 0])
            total[0] += gpu_seconds
            total[1] += claims

    for row in store.rows(sa.select(USAGE)):
        add({column: row[column] for column in COLUMNS}, row["gpu_seconds"], row["claims"])
    for claim in open_claims:
        if claim.held:
            for number, (month, seconds) in enumerate(by_month(claim.since, max(now, claim.since))):
                key = {"month": month, "user": claim.user, "group": claim.group}
                add(key, claim.weight * seconds, 0 if number else 1)
    rows = [
        {**dict(zip(by, key, strict=True)), "gpu_seconds": round(gpu_seconds, 3), "claims": int(claims)}
        for key, (gpu_seconds, claims) in found.items()
    ]
    return sorted(rows, key=lambda row: (-row["gpu_seconds"], [row[column] for column in by]))


def as_csv(rows: list[dict[str, Any]], by: tuple[str, ...]) -> str:
    """One line each, with a head; GPU-hours with three decimals, as people reckon."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*by, "gpu_hours", "claims"])
    for row in rows:
        cells = [_harmless(row[column]) for column in by]
        writer.writerow([*cells, f"{row['gpu_seconds'] / 3600:.3f}", row["claims"]])
    return out.getvalue()


def _harmless(text: str) -> str:
    """A name that a spreadsheet would run as a formula, quoted as spreadsheets do."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _month(time: float) -> str:
    day = datetime.fromtimestamp(time, timezone.utc)
    return f"{day.year}-{day.month:02d}"


def _begin(book: Book, claim: Claim, start: float) -> None:
    for uuid, weight in _parts(book, claim).items():
        device = book.devices.get(uuid)
        model = device.model if device else ""
        # a claim may be held several times: given back, and found running after all
        identity = f"{claim.id}/{uuid}/{start:.3f}"
        book.put(Holding(identity, claim.id, claim.user, claim.server, claim.group, uuid, model, weight, start))


def _parts(book: Book, claim: Claim) -> dict[str, float]:
    """The claim's weight, spread over its devices by what each is."""
    slices = {uuid: (book.devices[uuid].slices if uuid in book.devices else 7) for uuid in claim.uuids}
    total = sum(slices.values()) or 1
    return {uuid: claim.weight * many / total for uuid, many in slices.items()}
