"""Moments, sizes and states as people read them, in their language."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from ..gpu.request import Request, RequestError
from ..gpu.words import memory_in_words, request_in_words
from ..i18n import N_

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


def iso(time: float) -> str:
    """Epoch seconds → `2026-11-23T14:32:00+00:00`, for the `datetime` of a `<time>` and for the API's readers."""
    return datetime.datetime.fromtimestamp(time, datetime.timezone.utc).isoformat(timespec="seconds")


def clock(time: float) -> str:
    """Epoch seconds → `2026-11-23 14:32 UTC`; the page's script puts it into the reader's own time zone."""
    return datetime.datetime.fromtimestamp(time, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def of_mebibytes(used: int | None, total: int) -> str:
    """`31.1 / 40 GiB`, in the unit of the whole; `–` where nobody knows."""
    whole = memory_in_words(total)
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


def asked_for(request: Mapping[str, Any], language: str) -> str:
    """A request in a few words; as plain data where a newer broker knows more kinds of them."""
    try:
        return request_in_words(Request.from_json(dict(request)), language)
    except RequestError:
        return ", ".join(f"{key}: {value}" for key, value in request.items())
