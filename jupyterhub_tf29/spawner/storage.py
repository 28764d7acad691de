"""Where a user's files are: which volume (or folder) is mounted where in a workspace. Pure.

Three independent places, so that each can be backed up, moved or measured alone:

| in the workspace | what for | whose |
| --- | --- | --- |
| `/home/jovyan` | code and notebooks, and what `pip install` adds | the user's, or a named server's |
| `/models` | weights and checkpoints | the user's |
| `/datasets` | data sets, read-only | shared by all |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ..settings import Settings
from . import labels
from .naming import server_slug, slug

HOME, MODELS, DATASETS, NOTICES = "/home/jovyan", "/models", "/datasets", "/run/tf29hub"

Home = Literal["shared", "own"]


@dataclass(frozen=True)
class Place:
    """One mount: a volume by name, or a folder of the machine (a source that starts with `/`)."""

    source: str
    target: str
    read_only: bool = False
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def is_volume(self) -> bool:
        return not self.source.startswith("/")

    def as_docker_mount(self) -> dict[str, Any]:
        """An entry of the engine's `HostConfig.Mounts`; a folder that is missing is an error, not made."""
        mount: dict[str, Any] = {"Source": self.source, "Target": self.target, "ReadOnly": self.read_only}
        if self.is_volume:
            # the labels go to a volume that the engine makes because of this mount
            return {"Type": "volume", **mount, "VolumeOptions": {"Labels": self.labels}}
        return {"Type": "bind", **mount}


def home_choices(settings: Settings, server_name: str) -> tuple[Home, ...]:
    """What a user may say about a server's home, the default first; empty where nothing is asked."""
    asked = bool(server_name) and settings.storage.named_server_home == "ask"
    return ("shared", "own") if asked else ()


def home_of(settings: Settings, server_name: str, chosen: str | None) -> Home:
    """Which home a server gets: the policy's answer, or what its user chose."""
    policy = settings.storage.named_server_home
    if not server_name or policy == "shared":
        return "shared"
    return "own" if policy == "own" or chosen == "own" else "shared"


def places(settings: Settings, username: str, server_name: str, home: Home) -> list[Place]:
    """The mounts of one server."""
    storage, user = settings.storage, slug(username)
    home_key = server_slug(username, server_name) if home == "own" else user

    def place(kind: str, template: str, key: str, target: str, read_only: bool = False) -> Place:
        owner = {labels.USER: username} if "{user}" in template else {}
        if home == "own" and kind == "home":
            owner[labels.SERVER] = server_name
        return Place(
            source=template.format(name=settings.name, user=key),
            target=target,
            read_only=read_only,
            labels={labels.NAME: settings.name, labels.KIND: kind, **owner},
        )

    return [
        place("home", storage.home, home_key, HOME),
        place("models", storage.models, user, MODELS),
        place("datasets", storage.datasets, user, DATASETS, read_only=True),
    ]
