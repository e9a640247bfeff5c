import copy
import json
import math
import random
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellkept.planning.detection import Change, Kind, Series, deviates, observe, plain, rate, restore

EVERY = 60
HOUR, DAY, WEEK = 3600, 86400, 604800
BEGIN = 1_767_571_200
LEARNT = 5 * WEEK


def level(at: float) -> float:
    """100 by day, 40 at night and at weekends."""
    weekday, hour = int((at - BEGIN) // DAY) % 7, at % DAY / HOUR
    return 100.0 if weekday < 5 and 8 <= hour < 18 else 40.0


def value(at: float, factor: float = 1.0) -> float:
    """With noise that depends on the moment only: 5 %, and now and then six times as much."""
    draw = random.Random(int(at))
    return level(at) * factor * math.exp(draw.gauss(0, 0.05)) * (6 if draw.random() < 0.003 else 1)


def fed(series: Series, first: float, end: float, factor: float = 1.0, every: int = EVERY) -> list[Change]:
    found = (observe(series, at, value(at, factor)) for at in range(int(first), int(end), every))
    return [one for one in found if one is not None]


@lru_cache
def _learnt() -> tuple[Series, tuple[Change, ...]]:
    series = Series(relative=True)
    return series, tuple(fed(series, BEGIN, BEGIN + LEARNT, every=3 * EVERY))


@pytest.fixture
def learnt() -> Series:
    return copy.deepcopy(_learnt()[0])


NOON = BEGIN + LEARNT + 12 * HOUR


def test_five_usual_weeks_with_outliers_find_nothing() -> None:
    assert _learnt()[1] == ()


def test_a_shift_is_found_within_minutes_with_its_beginning_size_and_evidence(learnt: Series) -> None:
    assert fed(learnt, BEGIN + LEARNT, NOON) == []
    (found,) = fed(learnt, NOON, NOON + HOUR, 1.6)
    assert found.kind is Kind.SHIFT
    assert abs(found.since - NOON) <= 2 * EVERY
    assert found.found - NOON <= 12 * EVERY
    assert found.usual == pytest.approx(100, rel=0.05)
    assert found.level == pytest.approx(160, rel=0.1)
    assert found.confidence > 0.99
    assert [point.at for point in found.evidence][-1] == found.found
    assert len(found.evidence) == 60
    assert deviates(learnt)


def test_it_is_one_change_until_it_grows_and_it_ends(learnt: Series) -> None:
    fed(learnt, BEGIN + LEARNT, NOON)
    assert len(fed(learnt, NOON, NOON + 2 * HOUR, 1.6)) == 1
    assert [one.kind for one in fed(learnt, NOON + 2 * HOUR, NOON + 4 * HOUR, 3.0)] == [Kind.SHIFT]
    fed(learnt, NOON + 4 * HOUR, NOON + 5 * HOUR)
    assert not deviates(learnt)


def test_a_fall_is_found_as_well(learnt: Series) -> None:
    fed(learnt, BEGIN + LEARNT, NOON)
    (found,) = fed(learnt, NOON, NOON + HOUR, 0.5)
    assert found.level < 60 < found.usual


def test_a_few_outliers_in_a_row_are_no_shift(learnt: Series) -> None:
    fed(learnt, BEGIN + LEARNT, NOON)
    assert fed(learnt, NOON, NOON + 3 * EVERY, 50.0) == []
    assert fed(learnt, NOON + 3 * EVERY, NOON + HOUR) == []


def test_what_stays_becomes_usual(learnt: Series) -> None:
    begins = BEGIN + LEARNT
    assert fed(learnt, begins, begins + 4 * WEEK, 1.6, every=600)
    later = fed(learnt, begins + 4 * WEEK, begins + 6 * WEEK, 1.6, every=600)
    assert [one for one in later if one.level > one.usual] == []
    assert learnt.level[12] == pytest.approx(math.log(160), abs=0.15)


def test_a_slow_drift_is_found_in_days_before_it_is_large(learnt: Series) -> None:
    begins = BEGIN + LEARNT
    found = []
    for at in range(begins, begins + 21 * DAY, 300):
        change = observe(learnt, at, value(at, 1 + 0.02 * (at - begins) / DAY))
        found += [change] if change is not None and change.kind is Kind.DRIFT else []
    assert found[0].found - begins <= 14 * DAY
    assert found[0].level > found[0].usual
    assert len(found[0].evidence) >= 20


def test_days_that_differ_by_less_than_anybody_minds_are_no_drift() -> None:
    series = Series()
    steady = [observe(series, BEGIN + at, 100 + math.sin(at / DAY) / 100) for at in range(0, LEARNT, 600)]
    higher = [observe(series, BEGIN + LEARNT + at, 100.4 + math.sin(at / DAY) / 100) for at in range(0, WEEK, 600)]
    assert {*steady, *higher} == {None}


def test_it_goes_on_where_it_stopped_after_it_was_written_down(learnt: Series) -> None:
    fed(learnt, BEGIN + LEARNT, NOON + 3 * EVERY)
    text = json.dumps(plain(learnt))
    assert len(text) < 16_000
    again = restore(json.loads(text))
    ours, theirs = fed(learnt, NOON, NOON + HOUR, 1.6), fed(again, NOON, NOON + HOUR, 1.6)
    assert [(one.kind, one.since, one.found) for one in ours] == [(one.kind, one.since, one.found) for one in theirs]
    assert len(ours) == 1


def test_values_that_are_none_and_moments_that_do_not_go_on_change_nothing(learnt: Series) -> None:
    fed(learnt, BEGIN + LEARNT, NOON)
    before = plain(learnt)
    for at, broken in ((NOON, math.nan), (NOON, math.inf), (NOON, -3.0), (NOON, 0.0), (NOON - EVERY, 100.0), (NOON - HOUR, 100.0)):
        assert observe(learnt, at, broken) is None
    assert plain(learnt) == before


def test_a_clock_that_is_put_back_goes_on_and_still_finds(learnt: Series) -> None:
    fed(learnt, NOON - HOUR, NOON)
    assert len(fed(learnt, NOON + 9 * WEEK, NOON + 9 * WEEK + 30 * EVERY, 1.6)) == 1
    assert fed(learnt, NOON, NOON + HOUR) == []
    assert len(fed(learnt, NOON + HOUR, NOON + 2 * HOUR, 1.6)) == 1


def test_a_gap_is_no_change_and_evidence_begins_anew_after_it(learnt: Series) -> None:
    fed(learnt, BEGIN + LEARNT, NOON)
    assert fed(learnt, NOON, NOON + 4 * EVERY, 1.6) == []
    assert fed(learnt, NOON + 3 * HOUR, NOON + 3 * HOUR + 3 * EVERY, 1.6) == []
    assert fed(learnt, NOON + 3 * HOUR + 3 * EVERY, NOON + 4 * HOUR) == []


def test_a_series_that_never_moved_may_move_a_little_and_not_much() -> None:
    for usual, little, much in ((5.0, 5.01, 9.0), (0.0, 0.0, 1.0)):
        series = Series()
        found = [observe(series, BEGIN + at, usual) for at in range(0, LEARNT, 600)]
        found += [observe(series, BEGIN + LEARNT + at, little) for at in range(0, HOUR, EVERY)]
        assert set(found) == {None}
        late = [observe(series, BEGIN + LEARNT + HOUR + at, much) for at in range(0, HOUR, EVERY)]
        assert sum(one is not None for one in late) == 1


def test_the_week_is_that_of_the_place() -> None:
    taipei = Series(time_zone="Asia/Taipei")
    observe(taipei, BEGIN + 30 * 60, 1.0)
    assert taipei.slot == 8


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(min_value=0, max_value=3e6), st.floats(allow_nan=True, allow_infinity=True)),
        max_size=60,
    ),
    st.booleans(),
)
def test_nothing_breaks_it(samples: list[tuple[float, float]], relative: bool) -> None:
    series = Series(relative=relative)
    for at, measured in samples:
        observe(series, BEGIN + at, measured)
    assert restore(json.loads(json.dumps(plain(series)))).weeks == series.weeks


def test_a_counter_that_was_reset_says_nothing_about_that_moment() -> None:
    assert rate((0.0, 100.0), (10.0, 150.0)) == 5
    assert math.isnan(rate((0.0, 100.0), (10.0, 3.0)))
    assert math.isnan(rate((10.0, 100.0), (10.0, 150.0)))
