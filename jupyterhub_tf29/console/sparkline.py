"""A line of a few hours in the size of a word: from samples to the path of an SVG. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

WIDTH, HEIGHT = 240, 36
"""The viewBox; the page stretches it."""
_MARGIN = 1.5
"""So that a line at 0 or at the top is not cut in half."""
POINTS = 60
"""More cannot be told apart in a line as wide as a word; neighbours become their mean."""
GAP_FACTOR = 4.0
"""A pause of so many usual distances between samples is a gap in the line: the card was not seen then."""

Point = tuple[float, float | None]
"""(time in epoch seconds, value); None where the driver says none."""


@dataclass(frozen=True)
class Sparkline:
    """The path to draw (`M…L…`), the area below it, and what the words beside it say."""

    line: str
    area: str
    latest: float
    mean: float
    highest: float


def sparkline(points: Sequence[Point], start: float, end: float, top: float) -> Sparkline | None:
    """What `points` (in order of time) drew between `start` and `end`, on a scale from 0 to `top`.

    None where there is nothing to draw.
    """
    seen = [(time, value) for time, value in points if value is not None and start <= time <= end]
    if not seen or end <= start or top <= 0:
        return None
    strokes = _strokes(_thinned(seen, start, end))
    scaled = [[_place(point, start, end, top) for point in stroke] for stroke in strokes]
    values = [value for _, value in seen]
    return Sparkline(
        line="".join(_path(stroke) for stroke in scaled),
        area="".join(_below(stroke) for stroke in scaled),
        latest=values[-1],
        mean=sum(values) / len(values),
        highest=max(values),
    )


def _thinned(seen: list[tuple[float, float]], start: float, end: float) -> list[tuple[float, float]]:
    """At most POINTS of them."""
    buckets: dict[int, list[tuple[float, float]]] = {}
    for time, value in seen:
        buckets.setdefault(int((time - start) / (end - start) * POINTS), []).append((time, value))
    return [
        (sum(time for time, _ in few) / len(few), sum(value for _, value in few) / len(few))
        for few in buckets.values()
    ]


def _strokes(seen: list[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Cut where the card was not seen for long."""
    distances = sorted(later[0] - earlier[0] for earlier, later in pairwise(seen))
    usual = distances[len(distances) // 2] if distances else 0.0
    strokes = [[seen[0]]]
    for earlier, later in pairwise(seen):
        if usual and later[0] - earlier[0] > GAP_FACTOR * usual:
            strokes.append([])
        strokes[-1].append(later)
    return strokes


def _place(point: tuple[float, float], start: float, end: float, top: float) -> tuple[float, float]:
    time, value = point
    share = min(max(value / top, 0.0), 1.0)
    return (
        round((time - start) / (end - start) * WIDTH, 1),
        round(HEIGHT - _MARGIN - share * (HEIGHT - 2 * _MARGIN), 1),
    )


def _path(stroke: list[tuple[float, float]]) -> str:
    (x, y), *rest = stroke
    # a single sample is a dot: a line of no length with round ends
    return f"M{x:g} {y:g}" + "".join(f"L{x:g} {y:g}" for x, y in rest or [(x, y)])


def _below(stroke: list[tuple[float, float]]) -> str:
    return f"{_path(stroke)}L{stroke[-1][0]:g} {HEIGHT}L{stroke[0][0]:g} {HEIGHT}Z"
