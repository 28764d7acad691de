"""What the menu says about GPUs: beside each workspace its line, and above them the user's own places. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..gpu.client import Forecast, Ticket
from ..i18n import in_language
from ..profiles import Gpu, Profile, in_words
from . import gpuwords

LEAVE_FIELD = "leave-line"
"""The form's field (a button) that gives up the place of the ticket that is its value."""

OFFER_FIELD = "take-offer"
"""The same for taking a shorter lease that could start at once."""


@dataclass(frozen=True)
class Line:
    """Beside a workspace, or beside one choice within it."""

    key: str
    text: str
    lease: str
    option: str = ""
    choice: str = ""
    """Shown while this choice of this option is chosen; both empty: always."""


@dataclass(frozen=True)
class Place:
    """One ticket of the user's."""

    ticket: str
    workspace: str
    server: str
    """Its name; empty for the default server."""
    text: str
    reason: str
    turn: bool
    """Whether it has come."""
    offer: str = ""
    """What could be had at once, in words; empty where nothing is offered."""


@dataclass(frozen=True)
class GpuMenu:
    """All of it; empty where this hub hands out no GPUs."""

    lines: Mapping[str, list[Line]] = field(default_factory=dict)
    """By profile."""
    places: list[Place] = field(default_factory=list)
    line_url: str = ""
    """The page with all cards and the whole line."""
    meanwhile_url: str = ""
    """Where a workspace is started beside the server that waits; empty: nowhere."""


def wishes(menu: Iterable[Profile]) -> dict[str, Gpu]:
    """Key → what is asked for, for everything on the menu that a user may choose by a click."""
    found = {}
    for profile in menu:
        for key, gpu, _, _ in _wishes_of(profile):
            found[key] = gpu
    return found


def gpu_menu(
    menu: Iterable[Profile],
    forecasts: Mapping[str, Forecast],
    tickets: Iterable[Ticket],
    language: str,
    *,
    line_url: str = "",
    meanwhile_url: str = "",
) -> GpuMenu:
    """Put together what the broker said; what is missing in `forecasts` is not known right now."""
    profiles = list(menu)
    names = {profile.slug: in_words(profile.display_name, language) for profile in profiles}
    lines = {}
    for profile in profiles:
        of_profile = [
            _line(key, gpu, option, choice, forecasts.get(key), language)
            for key, gpu, option, choice in _wishes_of(profile)
        ]
        if of_profile:
            lines[profile.slug] = of_profile
    places = [_place(ticket, names, language) for ticket in tickets]
    return GpuMenu(lines, places, line_url, meanwhile_url)


def _wishes_of(profile: Profile) -> list[tuple[str, Gpu, str, str]]:
    base = profile.override.gpu
    deciding = {option for option, _ in profile.gpu_choices}
    if not deciding:
        return [(profile.slug, base, "", "")] if base is not None else []
    return [
        (f"{profile.slug}--{name}--{slug}", gpu, name, slug)
        for name in profile.profile_options
        if name in deciding
        for slug, choice in profile.profile_options[name].choices.items()
        if (gpu := choice.override.gpu or base) is not None
    ]


def _line(key: str, gpu: Gpu, option: str, choice: str, forecast: Forecast | None, language: str) -> Line:
    possible = forecast is None or forecast["possible"]
    lease_s = forecast["lease_s"] if forecast else gpu.lease
    return Line(
        key=key,
        text=gpuwords.forecast_in_words(forecast, language),
        lease=gpuwords.lease_in_words(lease_s, language) if possible else "",
        option=option,
        choice=choice,
    )


def _place(ticket: Ticket, names: Mapping[str, str], language: str) -> Place:
    _ = in_language(language)
    offer: Any = ticket.get("offer")
    return Place(
        ticket=ticket["id"],
        workspace=names.get(ticket["profile"], ticket["profile"]),
        server=ticket["server"],
        text=gpuwords.ticket_in_words(ticket, language),
        reason=gpuwords.text_in(ticket["reason"], language) if ticket["state"] == "waiting" else "",
        turn=ticket["state"] != "waiting",
        offer=_("Start now, for {time} only").format(time=gpuwords.duration_in_words(offer["lease_s"], language))
        if offer
        else "",
    )
