"""What the broker says about GPUs and the line, in sentences for users. Pure."""

from __future__ import annotations

import math

from ..gpu.client import Forecast, Text, Ticket
from ..i18n import N_, in_language

_ORDINALS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", 6: "sixth"}


def forecast_in_words(forecast: Forecast | None, language: str) -> str:
    """What would happen if Start were pressed now; None: the broker did not say in time."""
    _ = in_language(language)
    if forecast is None:
        return _("How many are free is not known right now.")
    if not forecast["possible"]:
        return text_in(forecast["reason"], language) or _("This cannot be had here now.")
    free, total = forecast["free"], forecast["total"]
    if forecast["now"]:
        return _("{free} of {total} free, starts at once").format(free=free, total=total)
    sentence = (
        _("All taken: you would be {place}, {about}")
        if free == 0
        else _("{free} of {total} free, not enough for this: you would be {place}, {about}")
    )
    place, about = place_in_words(forecast["place"], language), about_in_words(forecast["estimate_s"], language)
    return sentence.format(free=free, total=total, place=place, about=about)


def ticket_in_words(ticket: Ticket, language: str) -> str:
    """How a place in the line stands."""
    _ = in_language(language)
    if ticket["state"] != "waiting":
        return _("It is your turn: your GPU is held for you. Press Start.")
    return _("You are {place} in the line, {about}.").format(
        place=place_in_words(ticket["place"], language), about=about_in_words(ticket["estimate_s"], language)
    )


def lease_in_words(lease_s: float | None, language: str) -> str:
    """For how long, and what the end costs; shown before Start."""
    _ = in_language(language)
    if not lease_s:
        return _(
            "The server stops when its time is up, or when its GPU stays idle for long: kernels lose their state, "
            "files stay."
        )
    return _(
        "For {time}. The server stops when its time is up, or when its GPU stays idle for long: kernels lose "
        "their state, files stay."
    ).format(time=duration_in_words(lease_s, language))


def place_in_words(place: int, language: str) -> str:
    """`third`, `第 3 位`."""
    if language == "zh":
        return f"第 {place} 位"
    return _ORDINALS.get(place) or f"number {place}"


def about_in_words(estimate_s: float | None, language: str) -> str:
    """`in about 25 minutes (an estimate)`, or that nobody can tell."""
    _ = in_language(language)
    if estimate_s is None:
        return _("and nobody can tell how long it takes")
    return _("in about {time} (an estimate)").format(time=duration_in_words(_rounded(estimate_s), language))


def duration_in_words(seconds: float, language: str) -> str:
    """Seconds → `25 minutes`, `1 hour 30 minutes`, `3 days`; at least a minute."""
    minutes = max(1, math.ceil(seconds / 60))
    days, rest = divmod(minutes, 24 * 60)
    hours, minutes = divmod(rest, 60)
    parts = [(days, _DAYS), (hours, _HOURS)] if days else [(hours, _HOURS), (minutes, _MINUTES)]
    _ = in_language(language)
    return " ".join(_(one if n == 1 else many).format(n=n) for n, (one, many) in parts if n)


_DAYS = (N_("{n} day"), N_("{n} days"))
_HOURS = (N_("{n} hour"), N_("{n} hours"))
_MINUTES = (N_("{n} minute"), N_("{n} minutes"))


def _rounded(seconds: float) -> float:
    """An estimate is no promise: to five minutes beyond ten, to a quarter of an hour beyond two hours."""
    step = 60 if seconds <= 600 else 300 if seconds <= 7200 else 900
    return math.ceil(seconds / step) * step


def text_in(text: Text | None, language: str) -> str:
    """A sentence of the broker's in the reader's language, else in English, else empty."""
    return (text or {}).get(language) or (text or {}).get("en") or ""
