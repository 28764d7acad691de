"""Sizes and durations as people write them: `8G`, `512M`, `2h`, `90s`.

Sizes are powers of 1024, as in JupyterHub's `mem_limit` and in Docker's `--memory`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_SIZE_SUFFIX = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_DURATION_SUFFIX = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE | re.ASCII)
_DURATION = re.compile(r"(\d+)\s*([smhd])", re.ASCII)


def parse_size(text: str | int) -> int:
    """`"8G"` or a number of bytes → bytes. Raises ValueError with what is allowed."""
    if isinstance(text, int) and not isinstance(text, bool):
        if text < 0:
            raise ValueError(f"a size cannot be negative, found {text}")
        return text
    match = _SIZE.fullmatch(text.strip()) if isinstance(text, str) else None
    if not match:
        raise ValueError(f"expected a size such as 512M, 8G or 1T, found {text!r}")
    number, suffix = match.groups()
    return int(float(number) * _SIZE_SUFFIX[suffix.upper()])


def format_size(size_bytes: int | float) -> str:
    """Bytes → at most one decimal in the largest unit that fits: `1.5 GiB`, `200 MiB`, `12 B`."""
    for suffix in ("TiB", "GiB", "MiB", "KiB"):
        unit = _SIZE_SUFFIX[suffix[0]]
        if size_bytes >= unit:
            number = f"{size_bytes / unit:.1f}".removesuffix(".0")
            return f"{number} {suffix}"
    return f"{int(size_bytes)} B"


def parse_duration(text: str | int) -> int:
    """`"2h"`, `"90s"` or a number of seconds → seconds. Raises ValueError with what is allowed."""
    if isinstance(text, int) and not isinstance(text, bool):
        if text < 0:
            raise ValueError(f"a duration cannot be negative, found {text}")
        return text
    match = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if not match:
        raise ValueError(f"expected a duration such as 90s, 30m, 2h or 7d, found {text!r}")
    number, suffix = match.groups()
    return int(number) * _DURATION_SUFFIX[suffix]


def _none_or(parse: Any) -> Any:
    return lambda value: value if value is None else parse(value)


Size = Annotated[int, BeforeValidator(_none_or(parse_size)), Field(ge=0)]
"""A pydantic field in bytes that also takes `8G`."""

Duration = Annotated[int, BeforeValidator(_none_or(parse_duration)), Field(ge=0)]
"""A pydantic field in seconds that also takes `2h`."""
