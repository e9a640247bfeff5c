import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellkept.planning.capacity import FEWEST, exhaustion

DAY = 86400.0


def grown(slope: float, days: int = 60, noise: float = 0.0, seed: int = 1) -> list[tuple[float, float]]:
    """From 100 by so much each day, with noise that lasts."""
    draw, wandering, points = random.Random(seed), 0.0, []
    for day in range(days):
        wandering = 0.7 * wandering + draw.gauss(0, noise)
        points.append((day * DAY, 100 + slope * day + wandering))
    return points


@settings(max_examples=40, deadline=None)
@given(st.floats(min_value=0.1, max_value=50), st.integers(min_value=FEWEST, max_value=30))
def test_a_straight_line_ends_where_it_ends(slope: float, days: int) -> None:
    limit = 100 + slope * days * 1.5
    found = exhaustion(grown(slope, days), limit)
    assert found is not None
    assert found.at == pytest.approx(days * 1.5 * DAY)
    assert found.earliest == pytest.approx(found.at)
    assert found.latest == pytest.approx(found.at)


def test_the_band_holds_the_truth_nine_times_in_ten() -> None:
    hits = 0
    for seed in range(40):
        found = exhaustion(grown(0.5, 60, 1.5, seed), 160)
        assert found is not None
        hits += found.earliest is not None and found.latest is not None and found.earliest <= 120 * DAY <= found.latest
    assert hits >= 32


def test_without_growth_nothing_is_in_sight() -> None:
    said = [exhaustion(grown(0.0, 60, 1.5, seed), 110) for seed in range(40)]
    assert sum(one is not None and one.at is not None for one in said) <= 2
    assert exhaustion(grown(-0.5), 110) is not None
    shrinking = exhaustion(grown(-0.5), 110)
    assert shrinking is not None
    assert (shrinking.at, shrinking.earliest) == (None, None)


def test_what_is_years_away_after_two_months_is_not_in_sight() -> None:
    found = exhaustion(grown(0.5), 100_000)
    assert found is not None
    assert (found.at, found.earliest, found.latest) == (None, None, None)
    assert found.slope == pytest.approx(0.5 / DAY)


def test_what_is_full_is_full_now() -> None:
    found = exhaustion(grown(0.5), 120)
    assert found is not None
    assert found.at == found.earliest == 59 * DAY


def test_a_few_wild_values_and_their_order_change_little() -> None:
    points = grown(0.5)
    points[10], points[50] = (points[10][0], 10_000.0), (points[50][0], 0.0)
    random.Random(1).shuffle(points)
    found = exhaustion(points, 160)
    assert found is not None
    assert found.at == pytest.approx(120 * DAY, rel=0.02)


def test_few_points_say_nothing() -> None:
    assert exhaustion(grown(1.0, FEWEST - 1), 200) is None
    assert exhaustion([(0.0, 1.0)] * 50, 200) is None
