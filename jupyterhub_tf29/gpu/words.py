"""What the scheduler decides, as sentences for the people it concerns, in each language.

None of them names another user; groups are named where GPUs are kept for them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..i18n import LANGUAGES, N_, in_language
from .request import Request
from .scheduler.decisions import Notice, Reason

Text = dict[str, str]
"""A sentence by language."""

GRANTED = {
    "free": N_("GPUs are free: it starts at once."),
    "backfill": N_("GPUs are free that delay nobody who is before you: it starts at once."),
    "window": N_("GPUs are kept for your group now: it starts at once."),
}

REASONS = {
    "units": N_("GPUs that fit this: {total}; free of them: {free}. It needs {request}."),
    "share-units": N_("No GPU has enough free memory for this now. It needs {request}."),
    "window-kept": N_("GPUs are free, but they are kept for the group {group} for another {end}."),
    "lease-window": N_(
        "In {start} GPUs are kept for the group {group}, and this would run into that time. It could start now "
        "for {lease}."
    ),
    "lease-window-soon": N_("In {start} GPUs are kept for the group {group}, and this would run into that time."),
    "would-delay": N_(
        "{free} GPUs are free, but they are needed by whoever is first in the line in about {head} at the latest, "
        "and this would delay that."
    ),
    "no-backfill": N_("Others came before you, and nobody passes anybody here."),
    "lease-hours": N_("Your GPU hours of this period are enough for {lease} only. Choose a shorter time."),
    "limit-gpus": N_(
        "You may hold {limit} GPUs at once, and have {used} already. Stop a workspace to start this one."
    ),
    "limit-hours": N_("{used} of your {limit} GPU hours are used or taken; new ones come with the next period."),
    "limit-group-gpus": N_("The group {group} may hold {limit} GPUs at once, and has {used} already."),
    "limit-group-hours": N_(
        "{used} of the {limit} GPU hours of the group {group} are used or taken in this period."
    ),
    "out-of-service": N_(
        "It needs {request}, and GPUs that fit this are out of service now. The admins can see it."
    ),
    "never": N_("This cannot be had here: it needs {request}, and {total} GPUs of this machine fit that."),
    "held": N_("It keeps its place, and does not start now."),
}

EXTENSIONS = {
    "extended": N_("The lease was extended."),
    "extend-ended": N_("The lease has ended already."),
    "extend-never": N_("Leases are not extended here."),
    "extend-waited": N_("Somebody waits for these GPUs, so the lease cannot be extended."),
    "extend-total": N_("A lease lasts at most {max}, with all extensions."),
    "extend-window": N_("The GPUs are kept for a group when this lease ends, so it cannot be extended."),
    "extend-hours": N_("Your GPU hours of this period are used up, so the lease cannot be extended."),
}

NOTICES = {
    "lease": N_(
        "The time of your GPUs ends in {time}: the server stops and kernels lose their state. Files stay."
    ),
    "idle": N_(
        "Your GPUs are idle. If they stay so, the server stops in {time} and kernels lose their state. Files stay."
    ),
    "idle-only": N_("Your GPUs are idle. Please stop the server if you do not need it."),
    "overrun": N_(
        "Your server uses more GPU memory than its share. If it goes on, it stops in {time} and kernels lose "
        "their state. Files stay."
    ),
    "overrun-only": N_("Your server uses more GPU memory than its share, at the cost of others on this GPU."),
    "window": N_(
        "Your GPUs are reserved for a group. The server stops in {time} and kernels lose their state. Files stay."
    ),
}

ENDINGS = {
    "lease": N_("The time of the GPUs of this workspace was up."),
    "idle": N_("The GPUs of this workspace were idle for long, so they were taken back."),
    "overrun": N_("The workspace used more GPU memory than its share, so it was stopped."),
    "window": N_("The GPUs of this workspace were needed for a group that had them reserved."),
}

UNITS = (
    (86400, N_("{n} day"), N_("{n} days")),
    (3600, N_("{n} hour"), N_("{n} hours")),
    (60, N_("{n} minute"), N_("{n} minutes")),
)


def say(reason: Reason) -> Text:
    """Why a ticket starts, waits or is refused, and why a lease is extended or not."""
    values = reason.values
    key: str = reason.code
    if key == "units" and values["request"]["kind"] == "share":
        key = "share-units"
    elif key == "lease-window" and not values["lease_s"]:
        key = "lease-window-soon"
    sentence = {**GRANTED, **REASONS, **EXTENSIONS}[key]
    return _each(sentence, values)


def say_notice(notice: Notice) -> Text:
    """What a user is warned of."""
    if notice.in_s is None:
        return _each(NOTICES[f"{notice.kind}-only"], {})
    return _each(NOTICES[notice.kind], {"time_s": notice.in_s})


def say_ending(cause: str) -> Text:
    """Why a server was stopped."""
    return _each(ENDINGS[cause], {})


def request_in_words(request: Request, language: str) -> str:
    """`2 GPUs (A100)`, `8 GiB of a GPU`, `1 MIG slice 1g.5gb`."""
    _ = in_language(language)
    if request.share_mib is not None:
        text = _("{memory} of a GPU").format(memory=memory_in_words(request.share_mib))
    elif request.mig_profile is not None:
        text = _("{n} × MIG {profile}").format(n=request.count, profile=request.mig_profile)
    else:
        text = (_("{n} GPU") if request.count == 1 else _("{n} GPUs")).format(n=request.count)
    detail = [request.model or ""]
    if request.min_memory_mib is not None:
        detail.append(_("{memory} or more").format(memory=memory_in_words(request.min_memory_mib)))
    narrowed = ", ".join(part for part in detail if part)
    return f"{text} ({narrowed})" if narrowed else text


def memory_in_words(mib: int) -> str:
    """`512 MiB`, `8 GiB`, `39.5 GiB`."""
    return f"{mib} MiB" if mib < 1024 else f"{mib / 1024:.1f}".removesuffix(".0") + " GiB"


def duration_in_words(seconds: float, language: str) -> str:
    """The two largest units: `25 minutes`, `1 hour 30 minutes`, `3 days 4 hours`; at least a minute."""
    _ = in_language(language)
    left = max(1, math.ceil(seconds / 60 - 0.01)) * 60
    parts: list[str] = []
    for size, one, many in UNITS:
        n, left = divmod(left, size)
        if n:
            parts.append(_(one if n == 1 else many).format(n=n))
        elif parts:
            break
    return " ".join(parts[:2])


def _each(sentence: str, values: Mapping[str, Any]) -> Text:
    return {language: _filled(in_language(language)(sentence), values, language) for language in LANGUAGES}


def _filled(sentence: str, values: Mapping[str, Any], language: str) -> str:
    fields: dict[str, Any] = {}
    for name, value in values.items():
        if name == "request":
            fields[name] = request_in_words(Request.from_json(value), language)
        elif name.endswith("_s") and value is not None:
            fields[name.removesuffix("_s")] = duration_in_words(value, language)
        elif isinstance(value, float):
            fields[name] = f"{value:g}"
        else:
            fields[name] = value
    return sentence.format(**fields)
