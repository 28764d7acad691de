"""What a user asked for, held against the menu: the one gate for the form, the REST API and the query.

Pure: profiles and options in, a `Chosen` out, or a `ChoiceError` whose sentence says what is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ..i18n import Translate
from ..profiles import Option, Override, Profile, Profiles, in_words
from ..settings import Limits

OTHER = "other"
"""The choice that stands for a number typed by the user, which is then under `<option>-other`."""


class ChoiceError(ValueError):
    """The options cannot be honoured. `sentence` is a key of the catalogues with `{fields}` from `values`."""

    def __init__(self, sentence: str, **values: object) -> None:
        self.sentence, self.values = sentence, values
        super().__init__(sentence.format(**values))

    def in_words(self, translate: Translate) -> str:
        """The sentence in the reader's language."""
        return translate(self.sentence).format(**self.values)


@dataclass(frozen=True)
class Chosen:
    """Options that passed: what to remember as the user's next default, and what the server gets."""

    profile: Profile
    options: dict[str, str]
    """Canonical: the profile's slug, every option with its choice, and `home` where it was asked."""
    override: Override


def choose(
    profiles: Profiles,
    options: Mapping[str, Any],
    *,
    limits: Limits,
    gpus_managed: bool = False,
    homes: tuple[str, ...] = (),
) -> Chosen:
    """Validate `options` (any JSON object) against the menu.

    `homes`: what `home` may be (`shared`, `own`), first the default; empty where there is nothing to choose.
    Whatever is left out takes its default. Raises ChoiceError.
    """
    options = {str(key): _plain(str(key), value) for key, value in options.items()}
    profile = _profile(profiles, options.pop("profile", None), gpus_managed)
    canonical = {"profile": profile.slug}
    override = profile.override
    for name, option in profile.profile_options.items():
        choice, typed = options.pop(name, option.default_choice), options.pop(f"{name}-{OTHER}", None)
        override = override.merged(_option(name, option, choice, typed, limits))
        canonical[name] = choice
        if choice == OTHER:
            canonical[f"{name}-{OTHER}"] = str(typed)
    if homes:
        canonical["home"] = _home(options.pop("home", homes[0]), homes)
    if options:
        allowed = ", ".join([*profile.profile_options, *(["home"] if homes else [])]) or "-"
        raise ChoiceError(
            "The workspace “{profile}” has no option {found}. Its options are: {allowed}.",
            profile=in_words(profile.display_name, "en"),
            found=", ".join(repr(key) for key in sorted(options)),
            allowed=allowed,
        )
    return Chosen(profile, canonical, override)


def _plain(key: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ChoiceError(
            "The option {name} must be a word or a number, found {found}.", name=key, found=repr(value)
        )
    return str(value)


def _profile(profiles: Profiles, slug: str | None, gpus_managed: bool) -> Profile:
    menu = {profile.slug: profile for profile in profiles.on_menu(gpus_managed)}
    if slug is None:
        default = profiles.default_on_menu(gpus_managed)
        if default is None:
            raise ChoiceError("There is no workspace on this hub's menu yet. Please tell its admin.")
        return default
    if slug in menu:
        return menu[slug]
    if any(profile.slug == slug for profile in profiles.profiles):
        raise ChoiceError(
            "The workspace {found} needs a GPU, and this hub hands out none. You can choose: {allowed}.",
            found=repr(slug),
            allowed=", ".join(menu) or "-",
        )
    raise ChoiceError(
        "There is no workspace {found}. You can choose: {allowed}.",
        found=repr(slug),
        allowed=", ".join(menu) or "-",
    )


def _option(name: str, option: Option, choice: str, typed: str | None, limits: Limits) -> Override:
    unlisted = option.unlisted_choice
    if choice in option.choices:
        return option.choices[choice].override
    if choice != OTHER or unlisted is None:
        allowed = [*option.choices, *([OTHER] if unlisted else [])]
        raise ChoiceError(
            "The option {name} cannot be {found}. You can choose: {allowed}.",
            name=name,
            found=repr(choice),
            allowed=", ".join(allowed),
        )
    # ASCII digits only: int() also takes underscores, spaces and other scripts' digits
    valid = typed is not None and typed.isascii() and typed.isdigit() and len(typed) <= 9
    if not valid or not unlisted.min <= int(typed or 0) <= unlisted.max:
        raise ChoiceError(
            "The option {name} must be a whole number from {min} to {max}, found {found}.",
            name=name,
            min=unlisted.min,
            max=unlisted.max,
            found=repr(typed),
        )
    try:
        return unlisted.override_for(int(typed or 0), limits)
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
        raise ChoiceError("The option {name} cannot be set: {problem}.", name=name, problem=problem) from error


def _home(found: str, homes: tuple[str, ...]) -> str:
    if found not in homes:
        raise ChoiceError(
            "The home cannot be {found}. You can choose: {allowed}.",
            found=repr(found),
            allowed=", ".join(homes),
        )
    return found
