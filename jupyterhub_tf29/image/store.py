"""The images of this project in the engine: which there are, who uses them, and which may go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from docker.errors import APIError, ImageNotFound

from .engine import IMAGE_LABEL, INSTALLATION_LABEL, ImageError, check_architecture


@dataclass(frozen=True)
class Stored:
    """One image of ours in the engine."""

    image_id: str
    kind: str
    """`notebook` or `base`."""
    tags: tuple[str, ...]
    created: str
    size_bytes: int
    labels: dict[str, str]
    containers: tuple[str, ...]
    """Names of the containers made from it, running or stopped."""


def ours(client: Any, installation: str) -> list[Stored]:
    """The images that this installation made, newest first. Others' images are never in it."""
    users: dict[str, list[str]] = {}
    for container in client.api.containers(all=True):
        users.setdefault(container["ImageID"], []).append((container["Names"] or ["?"])[0].lstrip("/"))
    filters = {"label": [IMAGE_LABEL, f"{INSTALLATION_LABEL}={installation}"]}
    found = [
        Stored(
            image_id=image.id,
            kind=image.labels[IMAGE_LABEL],
            tags=tuple(image.tags),
            created=image.attrs["Created"],
            size_bytes=image.attrs["Size"],
            labels=image.labels,
            containers=tuple(sorted(users.get(image.id, []))),
        )
        for image in client.images.list(filters=filters)
    ]
    return sorted(found, key=lambda one: one.created, reverse=True)


def prunable(images: list[Stored], pinned_id: str | None) -> list[Stored]:
    """What may be removed: what is neither pinned, nor used by any container, nor the newest base.

    With no pin nothing is known to be unused, so nothing may go.
    """
    if pinned_id is None:
        return []
    bases = [one for one in images if one.kind == "base"]
    newest_bases = {one.image_id for one in sorted(bases, key=lambda one: one.created)[-1:]}
    keep = {pinned_id, *newest_bases}
    return [one for one in images if one.image_id not in keep and not one.containers]


def remove(client: Any, stored: Stored) -> None:
    """Remove an image with its tags; the engine refuses what is in use. Raises ImageError."""
    try:
        for name in stored.tags or (stored.image_id,):
            client.images.remove(name, force=False)
    except APIError as error:
        raise ImageError(f"{stored.image_id[7:19]} was not removed: {error.explanation}") from error


def find(client: Any, name: str) -> Any:
    """A local notebook image by tag, ID or digest, fit for this machine. Raises ImageError."""
    try:
        image = client.images.get(name)
    except (ImageNotFound, APIError):
        raise ImageError(
            f"the engine has no image {name!r}; `tf29hub image list` shows what it has, "
            "`tf29hub image build` makes one"
        ) from None
    check_architecture(client, image)
    if (image.labels or {}).get(IMAGE_LABEL) != "notebook":
        raise ImageError(
            f"{name!r} is not a notebook image of this project: it lacks the label {IMAGE_LABEL}=notebook"
        )
    return image
