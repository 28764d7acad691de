"""Durations, moments and states as people read them, in their language."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from ..i18n import N_, Translate

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400

STATES = {
    "free": N_("free"),
    "reserved": N_("reserved"),
    "allocated": N_("in use"),
    "draining": N_("draining"),
    "quarantined": N_("out of service"),
    "foreign": N_("used from outside"),
    "missing": N_("missing"),
}
"""What a card's state is called; the keys are the scheduler's."""

MEANINGS = {
    "free": N_("Nobody holds this GPU."),
    "reserved": N_("Held for somebody who is about to start."),
    "allocated": N_("Somebody's workspace holds this GPU."),
    "draining": N_("Whoever holds it may finish; nobody new gets it."),
    "quarantined": N_("It showed a fault: nobody gets it until an admin returns it to service."),
    "foreign": N_("A process that this hub did not start uses it."),
    "missing": N_("The driver does not show this GPU any more."),
}


def duration(seconds: float, _: Translate) -> str:
    """`5 min`, `2 h 05 min`, `3 d 4 h`; in whole minutes; less than half of one is "under a minute"."""
    minutes = int(max(0.0, seconds) / MINUTE_S + 0.5)
    if minutes < 1:
        return _("under a minute")
    if minutes < 60:
        return _("{minutes} min").format(minutes=minutes)
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        if not minutes:
            return _("{hours} h").format(hours=hours)
        return _("{hours} h {minutes} min").format(hours=hours, minutes=f"{minutes:02d}")
    days, hours = divmod(hours, 24)
    if not hours:
        return _("{days} d").format(days=days)
    return _("{days} d {hours} h").format(days=days, hours=hours)


def iso(time: float) -> str:
    """Epoch seconds → `2026-11-23T14:32:00+00:00`, for the `datetime` of a `<time>` and for the API's readers."""
    return datetime.datetime.fromtimestamp(time, datetime.timezone.utc).isoformat(timespec="seconds")


def clock(time: float) -> str:
    """Epoch seconds → `2026-11-23 14:32 UTC`; the page's script puts it into the reader's own time zone."""
    return datetime.datetime.fromtimestamp(time, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def mebibytes(mib: int | float) -> str:
    """`512 MiB`, `39.4 GiB`: always in the unit in which people speak of GPU memory."""
    if mib < 1024:
        return f"{round(mib)} MiB"
    return f"{mib / 1024:.1f}".removesuffix(".0") + " GiB"


def of_mebibytes(used: int | None, total: int) -> str:
    """`31.1 / 40 GiB`, in the unit of the whole; `–` where nobody knows."""
    whole = mebibytes(total)
    if used is None:
        return f"– / {whole}"
    if total < 1024:
        return f"{used} / {whole}"
    return f"{used / 1024:.1f}".removesuffix(".0") + f" / {whole}"


def sentence(text: Mapping[str, str] | str | None, language: str) -> str:
    """A broker's sentence, which comes in each language, in this one; an admin's plain words as they are."""
    if text is None:
        return ""
    if isinstance(text, str):
        return text
    return str(text.get(language) or text.get("en") or "")


def asked_for(request: Mapping[str, Any], _: Translate) -> str:
    """A request in a few words: `2 whole GPUs`, `8 GiB of a GPU`, `a slice 1g.5gb`, with model and memory."""
    kind, count = request.get("kind", "whole"), int(request.get("count") or 1)
    if kind == "share":
        words = _("{size} of a GPU").format(size=mebibytes(int(request.get("share_mib") or 0)))
    elif kind == "mig":
        profile = request.get("mig_profile") or ""
        words = _("{count} × MIG slice {profile}").format(count=count, profile=profile)
    elif count == 1:
        words = _("a whole GPU")
    else:
        words = _("{count} whole GPUs").format(count=count)
    if request.get("model"):
        words += f" · {request['model']}"
    if request.get("min_memory_mib"):
        words += " · " + _("at least {size}").format(size=mebibytes(int(request["min_memory_mib"])))
    return words
