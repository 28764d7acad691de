"""The pin: which build of the notebook image everybody runs. One small JSON file in the hub's state."""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path

_IMAGE_ID = re.compile(r"sha256:[0-9a-f]{64}")


class PinError(ValueError):
    """There is no usable pin; the text says what is wrong with which file and what to do."""


@dataclass(frozen=True)
class Pin:
    """One build of the image, beyond doubt."""

    reference: str
    """What to run: `repository@sha256:…` for an image that was pulled, else the image ID."""
    image_id: str
    """`sha256:…` of the image in this machine's engine."""
    base: str
    """What it was built on, as told at the build, such as `debian`."""
    built: str
    """When, ISO 8601 in UTC."""
    tag: str
    """`repository:tag`, for people; tags can move, so nothing runs by it."""

    @property
    def short_id(self) -> str:
        """The twelve digits that `docker images` shows too."""
        return self.image_id.removeprefix("sha256:")[:12]


def read_pin(path: Path) -> Pin:
    """Read the pin. Raises PinError where there is none or it cannot be used."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PinError(f"{path}: no image is pinned yet; run: tf29hub image build") from None
    except (OSError, ValueError) as error:
        raise PinError(f"{path}: cannot be read ({error}); run: tf29hub image build") from error
    names = [field.name for field in fields(Pin)]
    if not isinstance(data, dict) or any(not isinstance(data.get(name), str) for name in names):
        raise PinError(f"{path}: a pin has the texts {', '.join(names)}; run: tf29hub image build")
    pin = Pin(**{name: data[name] for name in names})
    if not _IMAGE_ID.fullmatch(pin.image_id):
        raise PinError(f"{path}: image_id: expected sha256: and 64 hex digits, found {pin.image_id!r}")
    return pin


def write_pin(path: Path, pin: Pin) -> None:
    """Replace the pin atomically: a reader sees the old one or the new one. Raises OSError."""
    if not _IMAGE_ID.fullmatch(pin.image_id):
        raise PinError(f"image_id: expected sha256: and 64 hex digits, found {pin.image_id!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".image-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(pin), file, indent=2)
            file.write("\n")
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
