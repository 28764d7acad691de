"""The form on the spawn page: the menu of workspaces, what they cost, and what the user has to know first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from ..i18n import in_language
from ..profiles import Profile, Profiles, in_words
from ..units import format_size
from .gpumenu import LEAVE_FIELD, OFFER_FIELD, GpuMenu
from .notices import Notice

TEMPLATES = Path(__file__).parent.parent / "templates"
_FIELD = "option--{profile}--{option}"


@dataclass(frozen=True)
class MenuPage:
    """All that the form shows."""

    profiles: Profiles
    chosen: Mapping[str, Any]
    """The options of the last start that was accepted; they are chosen already."""
    language: str
    gpus_managed: bool = False
    homes: tuple[str, ...] = ()
    notices: list[Notice] = field(default_factory=list)
    disk_used: int | None = None
    """Bytes in the user's volumes, None where not measured."""
    problem: str | None = None
    """For admins: why the menu as it is on disk is not in use."""
    gpus: GpuMenu = field(default_factory=GpuMenu)


def render(page: MenuPage) -> str:
    """The form's HTML (inside JupyterHub's own `<form>`)."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True)
    environment.filters["words"] = lambda text: in_words(text, page.language)
    environment.filters["size"] = format_size
    default = page.profiles.default_on_menu(page.gpus_managed)
    menu = page.profiles.on_menu(page.gpus_managed)
    slugs = {profile.slug for profile in menu}
    selected = page.chosen.get("profile")
    return environment.get_template("menu.html").render(
        page=page,
        menu=menu,
        selected=selected if selected in slugs else (default.slug if default else None),
        field=field_name,
        chosen_in=lambda profile: _chosen_in(profile, page.chosen),
        _=in_language(page.language),
    )


def field_name(profile: str, option: str) -> str:
    """The form field of an option of a profile; every profile on the page has fields of its own."""
    return _FIELD.format(profile=profile, option=option)


def options_from_fields(fields: Mapping[str, list[Any]]) -> dict[str, Any]:
    """The form's fields (each a list of texts) → options; fields of profiles not chosen are dropped."""
    first = {name: values[0] for name, values in fields.items() if values}
    options: dict[str, Any] = {name: first[name] for name in ("profile", "home") if name in first}
    prefix = field_name(str(options.get("profile", "")), "")
    for name, value in first.items():
        # the field for a typed number is always sent; it counts only where it was chosen
        if name.startswith(prefix) and not _is_idle_number(name, value, first):
            options[name.removeprefix(prefix)] = value
        elif name not in options and not name.startswith("option--") and name != "_xsrf":
            options[name] = value
    return options


def line_button(fields: Mapping[str, list[Any]]) -> tuple[str, str] | None:
    """Which button of a place in the line was pressed, and its ticket; None: it was Start."""
    return next(((name, str(fields[name][0])) for name in (LEAVE_FIELD, OFFER_FIELD) if fields.get(name)), None)


def options_from_query(query: Mapping[str, list[Any]]) -> dict[str, Any]:
    """`?opt-profile=cpu-small&opt-memory=8g` → options. JupyterHub 6 has taken the prefix off, 5.5 has not."""
    return {name.removeprefix("opt-"): values[0] if len(values) == 1 else values for name, values in query.items()}


def _is_idle_number(name: str, value: Any, fields: Mapping[str, Any]) -> bool:
    return name.endswith("-other") and fields.get(name.removesuffix("-other")) != "other"


def _chosen_in(profile: Profile, chosen: Mapping[str, Any]) -> dict[str, str]:
    """The choice of each option of `profile`: the last accepted where it still exists, else the default."""
    same = chosen.get("profile") == profile.slug
    picked = {}
    for name, option in profile.profile_options.items():
        last = chosen.get(name) if same else None
        known = last in option.choices or (last == "other" and option.unlisted_choice is not None)
        picked[name] = str(last) if known else option.default_choice
        picked[f"{name}-other"] = str(chosen.get(f"{name}-other", "")) if same else ""
    return picked
