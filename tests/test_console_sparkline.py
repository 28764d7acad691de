import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_tf29.console.sparkline import HEIGHT, POINTS, WIDTH, sparkline

HOUR = 3600.0


def minutes(values, start=0.0):
    return [(start + 60.0 * i, value) for i, value in enumerate(values)]


def test_nothing_seen_is_nothing_drawn():
    assert sparkline([], 0, HOUR, 100) is None
    assert sparkline(minutes([None, None]), 0, HOUR, 100) is None, "MIG slices have no utilisation"
    assert sparkline(minutes([5, 6]), 10 * HOUR, 11 * HOUR, 100) is None, "all of it is older"


def test_words_beside_the_line():
    drawn = sparkline(minutes([0, 50, 100, 30]), 0, HOUR, 100)
    assert (drawn.latest, drawn.mean, drawn.highest) == (30, 45, 100)


def test_the_line_runs_from_left_to_right_and_up_where_values_grow():
    drawn = sparkline([(0, 0), (HOUR, 100)], 0, HOUR, 100)
    (x0, y0), (x1, y1) = points(drawn.line)
    assert (x0, x1) == (0, WIDTH)
    assert HEIGHT > y0 > y1 > 0


def test_a_pause_is_a_gap():
    drawn = sparkline([*minutes([10, 10, 10]), *minutes([20, 20, 20], start=1800)], 0, HOUR, 100)
    assert drawn.line.count("M") == 2
    assert drawn.area.count("Z") == 2


def test_a_long_history_is_a_short_path_with_the_same_words():
    drawn = sparkline(minutes([0] * 300 + [80] * 60), 0, 6 * HOUR, 100)
    assert len(points(drawn.line)) <= POINTS + 1
    assert (drawn.latest, drawn.highest) == (80, 80)
    assert drawn.mean == pytest.approx(80 / 6)


def test_one_sample_is_a_dot():
    drawn = sparkline([(60, 10)], 0, HOUR, 100)
    assert len(set(points(drawn.line))) == 1
    assert drawn.line.count("L") == 1


def test_more_than_the_scale_has_stays_inside():
    drawn = sparkline(minutes([250, 250]), 0, HOUR, 100)
    assert all(0 <= y <= HEIGHT for _, y in points(drawn.line))


@pytest.mark.parametrize(("start", "end", "top"), [(10, 10, 100), (10, 0, 100), (0, 10, 0)])
def test_no_room_is_nothing_drawn(start, end, top):
    assert sparkline([(5, 1)], start, end, top) is None


@given(
    st.lists(st.tuples(st.floats(0, 1e5), st.one_of(st.none(), st.floats(0, 200))), max_size=60).map(
        lambda rows: sorted(rows, key=lambda row: row[0])
    )
)
def test_every_point_is_in_the_picture(rows):
    drawn = sparkline(rows, 0, 1e5, 100)
    if drawn is not None:
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points(drawn.line))
        assert re.fullmatch(r"(M[\d.]+ [\d.]+(L[\d.]+ [\d.]+)+)+", drawn.line)


def points(path):
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]
