"""`profiles.yaml`: the menu of workspaces. The commented example is `config/profiles.yaml`.

The shape is KubeSpawner's `profile_list` (`display_name`, `slug`, `default`, `description`, `profile_options`
with `choices` and `unlisted_choice`), which admins know; `override` stands where KubeSpawner has
`kubespawner_override`, with keys that mean the same on Docker and on Kubernetes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from . import yamlfile
from .gpu.request import Request
from .settings import Limits, MiB
from .units import Duration, Size, format_size

RESERVED_OPTIONS = frozenset({"profile", "home", "image"})
"""Keys of a server's options that mean something else than an option of a profile."""

Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$", max_length=40)]
Text = str | dict[str, str]
"""A sentence, or one for each language: `{en: Small, zh: 小型}`."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Gpu(_Part):
    """What a workspace asks of the GPUs; such a profile is on the menu only where GPUs are managed.

    Whole GPUs (`count`), or a `share` of one GPU's memory, or `count` MIG slices (`mig`). `model` and `min_memory`
    narrow which GPUs will do. `lease`: for how long they are granted; None: as hub.yaml says.
    """

    count: Annotated[int, Field(ge=1, le=16)] = 1
    share: Annotated[Size | None, Field(ge=MiB)] = None
    mig: Annotated[str | None, Field(pattern=r"^\d+g\.\d+gb(?:\+me)?$")] = None
    model: Annotated[str | None, Field(min_length=1)] = None
    min_memory: Annotated[Size | None, Field(ge=MiB)] = None
    lease: Annotated[Duration | None, Field(ge=1)] = None

    @property
    def request(self) -> Request:
        """What the broker is asked for."""
        return Request(
            kind="share" if self.share else "mig" if self.mig else "whole",
            count=self.count,
            share_mib=self.share // MiB if self.share else None,
            mig_profile=self.mig,
            model=self.model,
            min_memory_mib=self.min_memory // MiB if self.min_memory else None,
        )

    @model_validator(mode="after")
    def _of_one_kind(self) -> Gpu:
        if self.share and self.mig:
            raise ValueError("share and mig exclude one another: a share is a part of a whole GPU's memory")
        if self.share and self.count != 1:
            raise ValueError("share is of one GPU: leave count out, or ask for whole GPUs")
        return self


class Override(_Part):
    """What a profile, or a choice within it, sets on the server. None: as `hub.yaml` says."""

    mem_limit: Size | None = None
    mem_guarantee: Size | None = None
    cpu_limit: Annotated[float, Field(gt=0)] | None = None
    shm_size: Size | None = None
    environment: dict[str, str] = {}
    default_url: str | None = None
    gpu: Gpu | None = None

    def merged(self, other: Override) -> Override:
        """This override with `other` laid over it."""
        values = {key: value for key, value in other if value is not None}
        values["environment"] = {**self.environment, **other.environment}
        return self.model_copy(update=values)

    @model_validator(mode="after")
    def _within_bounds(self, info: ValidationInfo) -> Override:
        limits = (info.context or {}).get("limits")
        if limits is not None:
            check_bounds(self, limits)
        return self


class BoundsError(ValueError):
    """An override asks for more than `hub.yaml` allows for any server."""


def check_bounds(override: Override, limits: Limits) -> None:
    """Raise BoundsError where `override` is beyond `limits.max_memory` or `limits.max_cpus`."""
    if override.mem_limit is not None and override.mem_limit > limits.max_memory:
        found, most = format_size(override.mem_limit), format_size(limits.max_memory)
        raise BoundsError(f"mem_limit {found} is more than limits.max_memory in hub.yaml, {most}")
    if override.cpu_limit is not None and override.cpu_limit > limits.max_cpus:
        raise BoundsError(
            f"cpu_limit {override.cpu_limit:g} is more than limits.max_cpus in hub.yaml, {limits.max_cpus:g}"
        )


class Choice(_Part):
    """One listed choice of an option."""

    display_name: Text
    default: bool = False
    override: Override = Override()


class UnlistedChoice(_Part):
    """A number that the user types, between `min` and `max`; `{value}` in the override stands for it."""

    display_name: Text
    unit: str = ""
    min: Annotated[int, Field(ge=0)]
    max: Annotated[int, Field(ge=0)]
    override: dict[str, Any]

    def override_for(self, value: int, limits: Limits | None = None) -> Override:
        """The override with `value` filled in. Raises pydantic's ValidationError where it makes no sense."""
        filled = _filled(self.override, value)
        return Override.model_validate(filled, context={"limits": limits} if limits else None)

    @model_validator(mode="after")
    def _both_ends_make_sense(self, info: ValidationInfo) -> UnlistedChoice:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is more than max {self.max}")
        for value in (self.min, self.max):
            self.override_for(value, (info.context or {}).get("limits"))
        return self


class Option(_Part):
    """Something that the user chooses within a profile."""

    display_name: Text
    choices: Annotated[dict[Slug, Choice], Field(min_length=1)]
    unlisted_choice: UnlistedChoice | None = None

    @property
    def default_choice(self) -> str:
        """The slug of the choice marked `default`, or of the first."""
        return next((slug for slug, choice in self.choices.items() if choice.default), next(iter(self.choices)))

    @model_validator(mode="after")
    def _one_default(self) -> Option:
        _at_most_one_default(self.choices.items())
        return self


def _filled(override: Any, value: int) -> Any:
    """`override` with `{value}` filled in, within its parts (`gpu`), too."""
    if isinstance(override, dict):
        return {key: _filled(part, value) for key, part in override.items()}
    return override.format(value=value) if isinstance(override, str) else override


def _not_reserved(options: dict[str, Option]) -> dict[str, Option]:
    for name in options:
        if name in RESERVED_OPTIONS:
            raise ValueError(f"an option cannot be called {name!r}: the name is reserved")
    return options


class Profile(_Part):
    """One workspace on the menu."""

    slug: Slug
    display_name: Text
    description: Text = ""
    default: bool = False
    override: Override = Override()
    profile_options: Annotated[dict[Slug, Option], AfterValidator(_not_reserved)] = {}

    @property
    def needs_gpu(self) -> bool:
        """Whether the profile, or any choice within it, asks for a GPU."""
        return bool(self.override.gpu or self.gpu_choices or self.typed_gpu)

    @property
    def gpu_choices(self) -> dict[tuple[str, str], Gpu]:
        """(option, choice) → what that choice asks of the GPUs; choices that ask for none are not there."""
        return {
            (name, slug): choice.override.gpu
            for name, option in self.profile_options.items()
            for slug, choice in option.choices.items()
            if choice.override.gpu
        }

    @property
    def typed_gpu(self) -> bool:
        """Whether a number that the user types may be about GPUs."""
        typed = (option.unlisted_choice for option in self.profile_options.values())
        return any(unlisted is not None and "gpu" in unlisted.override for unlisted in typed)


class Profiles(_Part):
    """All of `profiles.yaml`."""

    profiles: Annotated[list[Profile], Field(min_length=1)]

    @model_validator(mode="after")
    def _distinct_with_one_default(self) -> Profiles:
        seen: set[str] = set()
        for profile in self.profiles:
            if profile.slug in seen:
                raise ValueError(f"the slug {profile.slug!r} is used by two profiles")
            seen.add(profile.slug)
        _at_most_one_default((profile.slug, profile) for profile in self.profiles)
        return self

    def on_menu(self, gpus_managed: bool) -> list[Profile]:
        """The profiles that can be chosen; those with GPUs only where GPUs are managed."""
        return [profile for profile in self.profiles if gpus_managed or not profile.needs_gpu]

    def default_on_menu(self, gpus_managed: bool) -> Profile | None:
        """The profile marked `default`, else the first on the menu; None where the menu is empty."""
        menu = self.on_menu(gpus_managed)
        return next((profile for profile in menu if profile.default), menu[0] if menu else None)


def _at_most_one_default(items: Iterable[tuple[str, Any]]) -> None:
    marked = [slug for slug, item in items if item.default]
    if len(marked) > 1:
        raise ValueError(f"only one can be the default, found {', '.join(marked)}")


def load_profiles(path: Path, limits: Limits) -> Profiles:
    """Read `profiles.yaml` and hold every override against `limits`. Raises ConfigError."""
    return yamlfile.load(path, Profiles, context={"limits": limits})


def in_words(text: Text, language: str) -> str:
    """The sentence in `language`, else in English, else whatever there is."""
    if isinstance(text, str):
        return text
    return text.get(language) or text.get("en") or next(iter(text.values()), "")
