"""What a profile may ask for: whole GPUs, a share of one in MiB, or MIG slices. Standard library only."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from .devices import WHOLE_SLICES

Kind = Literal["whole", "share", "mig"]
KINDS: tuple[Kind, ...] = ("whole", "share", "mig")
_ASKED = ("kind", "count", "share_mib", "mig_profile", "model", "min_memory_mib")


class RequestError(ValueError):
    """A request makes no sense in itself, whatever this machine has; the text says what is allowed."""


@dataclass(frozen=True, slots=True)
class Request:
    """GPUs that one server asks for.

    `count` whole GPUs or MIG slices (a share is always of one GPU), `share_mib` MiB of one GPU that others use
    too, or slices of `mig_profile` such as `1g.5gb`. `model` (words of NVML's name, any case) and
    `min_memory_mib` (all the memory of the GPU or slice, as NVML says it) narrow what fits. Raises RequestError.
    """

    kind: Kind = "whole"
    count: int = 1
    share_mib: int | None = None
    mig_profile: str | None = None
    model: str | None = None
    min_memory_mib: int | None = None
    key: str = field(init=False, repr=False, compare=False, default="")
    """All of it, to look things up by many thousand times: equal requests have equal keys."""
    pool: tuple[str | None, str | None, int | None] = field(
        init=False, repr=False, compare=False, default=(None, None, None)
    )
    """What decides which devices fit at all, however much of them is asked for."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise RequestError(f"kind: expected one of {', '.join(KINDS)}, found {self.kind!r}")
        for name in ("count", "share_mib", "min_memory_mib"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise RequestError(f"{name}: expected a whole number of at least 1, found {value!r}")
        for name in ("model", "mig_profile"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value.strip()):
                raise RequestError(f"{name}: expected a name, found {value!r}")
        if self.count is None:
            raise RequestError("count: expected a whole number of at least 1, found None")
        if (self.kind == "share") != (self.share_mib is not None):
            raise RequestError("share_mib: belongs to kind share, and only there")
        if (self.kind == "mig") != (self.mig_profile is not None):
            raise RequestError("mig_profile: belongs to kind mig, and only there")
        if self.kind == "share" and self.count != 1:
            raise RequestError("count: a share is always of one GPU; ask for whole ones to have several")
        object.__setattr__(self, "key", "/".join(str(getattr(self, name)) for name in _ASKED))
        object.__setattr__(self, "pool", (self.mig_profile, self.model, self.min_memory_mib))

    def weight(self, usable_mib: int | None = None, slices: int | None = None) -> float:
        """What this counts for in fair share and limits, in units of one whole GPU.

        A share counts by its part of the `usable_mib` of the GPU that it is on, a MIG slice by its `slices` of 7.
        Where the GPU is not known yet, a share counts whole and a slice by the number in its profile.
        """
        if self.kind == "share":
            return min(1.0, (self.share_mib or 0) / usable_mib) if usable_mib else 1.0
        if self.kind == "mig":
            return self.count * (slices or profile_slices(self.mig_profile or "")) / WHOLE_SLICES
        return float(self.count)

    def to_json(self) -> dict[str, Any]:
        """Plain data without the fields that are not set."""
        return {name: value for name in _ASKED if (value := getattr(self, name)) is not None}

    @classmethod
    def from_json(cls, data: Any) -> Request:
        """The opposite of `to_json`. Raises RequestError for unknown fields and bad values."""
        if not isinstance(data, dict):
            raise RequestError(f"expected an object such as {{'kind': 'whole', 'count': 1}}, found {data!r}")
        unknown = sorted(set(data) - set(_ASKED))
        if unknown:
            raise RequestError(f"{unknown[0]}: there is no such field; there are {', '.join(_ASKED)}")
        return cls(**data)

    def in_words(self) -> str:
        """For the CLI and logs: `2 GPUs (A100, 40960 MiB or more)`, `a share of 8192 MiB`."""
        if self.kind == "share":
            text = f"a share of {self.share_mib} MiB"
        elif self.kind == "mig":
            text = f"{self.count} MIG slice{'s' if self.count > 1 else ''} {self.mig_profile}"
        else:
            text = f"{self.count} GPU{'s' if self.count > 1 else ''}"
        narrowed = [self.model or "", f"{self.min_memory_mib} MiB or more" if self.min_memory_mib else ""]
        detail = ", ".join(part for part in narrowed if part)
        return f"{text} ({detail})" if detail else text


def profile_slices(mig_profile: str) -> int:
    """`3g.20gb` → 3 compute slices; 1 where the name says nothing."""
    number, _, _ = mig_profile.partition("g.")
    number = number.rpartition("c.")[2]  # compute instances are named 1c.3g.20gb
    return int(number) if number.isdecimal() else 1


@lru_cache(maxsize=1024)
def is_model(name: str, wanted: str) -> bool:
    """Whether `wanted` is in NVML's `name` as words of it: `A100` is in `NVIDIA A100-SXM4-40GB`, `T4` not in
    `T400`.
    """
    return re.search(rf"(?<![a-z0-9]){re.escape(wanted.strip())}(?![a-z0-9])", name, re.IGNORECASE) is not None
