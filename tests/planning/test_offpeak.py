import math
import random
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellkept.lib.text import say
from wellkept.planning.cron import InvalidCron
from wellkept.planning.offpeak import HOURS, By, Curve, Declared, basis, heat_map, horizon, learn
from wellkept.planning.windows import Weekly

ZURICH = "Europe/Zurich"
MONDAY = datetime(2026, 1, 4, 23, tzinfo=UTC)
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
OFFICE = Declared([Weekly(frozenset(range(5)), time(8), time(17, 30), ZURICH)], 30.0)


def used(local: datetime) -> int:
    """40 people in the hours of an office, 3 at other times."""
    return 40 if local.weekday() < 5 and 8 <= local.hour < 18 else 3


def counted(weeks: float, *, zone: str = ZURICH, noise: int = 1, more=lambda _local: 1.0) -> dict[datetime, float]:
    draw, found, hour = random.Random(noise), {}, MONDAY
    while hour < MONDAY + weeks * WEEK:
        local = hour.astimezone(ZoneInfo(zone))
        mean = used(local) * more(local)
        found[hour] = max(0, round(draw.gauss(mean, math.sqrt(mean) if noise else 0)))
        hour += HOUR
    return found


def learnt(weeks: float, declared: Declared | None = None, holidays=frozenset(), **more) -> Curve:
    return learn(counted(weeks, **more), MONDAY, MONDAY + weeks * WEEK, ZURICH, holidays, declared)


def test_the_week_is_found_in_the_clock_of_the_place_through_summer_time() -> None:
    curve = learnt(26, noise=0)
    rows = heat_map(curve)
    assert [len(row) for row in rows] == [24] * 7
    assert [[round(level, 9) for level in row] for row in rows] == [
        [used(datetime(2026, 1, 5 + day, hour, tzinfo=UTC)) for hour in range(24)] for day in range(7)
    ]
    assert say(basis(curve)) == "Learnt from 26.0 weeks of use"


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 3, 30), 24)])
def test_a_day_on_which_the_clock_changes_has_the_hours_that_it_has(day: date, hours: int) -> None:
    place = ZoneInfo(ZURICH)
    starts = datetime.combine(day, time(), place).astimezone(UTC)
    loads = horizon(learnt(4, noise=0), starts, hours + 1)
    assert [load.hour.astimezone(place).date() for load in loads] == [day] * hours + [day + DAY]
    assert {round(load.users, 9) for load in loads[:8]} == {3.0}
    assert sum(load.users for load in loads[:hours]) == pytest.approx(hours * 3 if day.weekday() == 6 else 14 * 3 + 400)


def test_the_hour_that_exists_twice_is_seen_twice_and_the_one_that_does_not_is_missed() -> None:
    place = ZoneInfo(ZURICH)
    for sunday, seen in ((datetime(2026, 10, 25, tzinfo=place), 2), (datetime(2026, 3, 29, tzinfo=place), 0)):
        since, until = sunday.astimezone(UTC), (sunday + DAY).astimezone(UTC)
        curve = learn({}, since, until, ZURICH, set())
        assert sum(weight > 0 for weight in curve.seen) == (24 if seen else 23)
        assert round(curve.seen[6 * 24 + 2], 1) == seen


def test_four_in_five_future_hours_are_in_the_band() -> None:
    for weeks in (4, 12):
        curve = learnt(weeks)
        loads = horizon(curve, MONDAY + weeks * WEEK, 4 * HOURS)
        actual = counted(weeks + 4, noise=7)
        inside = sum(load.low <= actual[load.hour] <= load.high for load in loads) / len(loads)
        assert 0.72 <= inside <= 0.95


def test_without_any_use_the_declared_hours_are_taken_and_said_to_be_that() -> None:
    curve = learn({}, MONDAY, MONDAY, ZURICH, set(), OFFICE)
    rows = heat_map(curve)
    assert rows[0][7:19] == [0, *[30.0] * 9, 15.0, 0]
    assert sum(rows[5]) == 0
    assert (curve.weeks, curve.declared) == (0, 1)
    assert say(basis(curve)) == "Nothing is known about its use yet: these are the declared hours"
    busy, night = horizon(curve, MONDAY + 10 * HOUR, 1)[0], horizon(curve, MONDAY, 1)[0]
    assert busy.low < 15
    assert busy.high > 45
    assert night.users == 0 < night.high


def test_declared_hours_fade_as_use_is_seen() -> None:
    shares = [learnt(weeks, OFFICE).declared for weeks in (0.5, 1, 3, 12)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.6
    assert shares[-1] == 0
    assert say(basis(learnt(1, OFFICE))) == "Only 1.0 weeks of use are known: the declared hours count for 64 percent"
    assert say(basis(learnt(1))) == "Only 1.0 weeks of use are known: the curve is rough"


def test_a_declared_night_shift_crosses_midnight_and_the_end_of_the_week() -> None:
    night = Declared([Weekly(frozenset({6}), time(22), time(6), ZURICH)], 5.0)
    level = learn({}, MONDAY, MONDAY, ZURICH, set(), night).level
    assert [slot for slot in range(HOURS) if level[slot]] == [0, 1, 2, 3, 4, 5, 6 * 24 + 22, 6 * 24 + 23]


def test_holidays_teach_nothing_about_working_days_and_are_expected_to_be_as_they_were() -> None:
    free = {date(2026, 1, 5) + number * WEEK for number in range(0, 20, 2)}
    counts = counted(12, noise=0, more=lambda local: 0.1 if local.date() in free else 1.0)
    curve = learn(counts, MONDAY, MONDAY + 12 * WEEK, ZURICH, free)
    assert heat_map(curve)[0][10] == pytest.approx(40)
    coming = horizon(curve, datetime(2026, 3, 30, 8, tzinfo=UTC), 1)[0]
    assert coming.users == pytest.approx(4, rel=0.15)
    unseen = learn(counted(4, noise=0), MONDAY, MONDAY + 4 * WEEK, ZURICH, {date(2026, 3, 30)})
    assert horizon(unseen, datetime(2026, 3, 30, 8, tzinfo=UTC), 1)[0].users == pytest.approx(3)


def test_monthly_peaks_are_found_by_date_and_by_working_day() -> None:
    def more(local: datetime) -> float:
        rest = [local + number * DAY for number in range(1, 31)]
        left = sum(1 for one in rest if one.month == local.month and one.weekday() < 5)
        return 1.8 if local.weekday() < 5 and (local.day == 12 or left == 0) else 1.0

    curve = learnt(30, more=more)
    found = {(peak.by, peak.number): peak.factor for peak in curve.peaks}
    assert found.keys() == {(By.DAY, 12), (By.WORKING_DAY_LEFT, 1)}
    assert all(1.6 < factor < 2.0 for factor in found.values())
    assert heat_map(curve)[1][10] == pytest.approx(40, rel=0.06)
    friday = horizon(curve, datetime(2026, 10, 30, 9, tzinfo=UTC), 1)[0]
    assert friday.users == pytest.approx(72, rel=0.12)


def test_no_peak_is_seen_in_noise() -> None:
    assert [learnt(26, noise=seed).peaks for seed in range(1, 6)] == [()] * 5


def test_what_is_not_known_is_left_out_and_an_import_of_one_night_is_no_habit() -> None:
    counts: dict[datetime, float | None] = dict(counted(6, noise=0))
    counts |= {hour: None if hour.day % 2 else float("nan") for hour in counts if MONDAY + WEEK <= hour < MONDAY + 2 * WEEK}
    counts[MONDAY + 3 * WEEK] = 9000.0
    curve = learn(counts, MONDAY, MONDAY + 6 * WEEK, ZURICH, set())
    assert curve.weeks == 5
    assert curve.level[0] == pytest.approx(3)
    with pytest.raises(ValueError, match="below 0"):
        learn({MONDAY: -1.0}, MONDAY, MONDAY + HOUR, ZURICH, set())
    with pytest.raises(ValueError, match="whole hours"):
        learn({MONDAY + HOUR / 2: 1.0}, MONDAY, MONDAY + HOUR, ZURICH, set())
    with pytest.raises(InvalidCron):
        learn({}, MONDAY, MONDAY, "Nowhere/Else", set())


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from([ZURICH, "Asia/Taipei", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo", "Pacific/Apia"]),
    st.integers(min_value=0, max_value=24 * 400),
    st.integers(min_value=1, max_value=300),
    st.integers(min_value=0, max_value=50),
)
def test_every_hour_is_counted_once_and_every_future_hour_is_expected_once(zone: str, begins: int, hours: int, users: int) -> None:
    since = MONDAY + begins * HOUR
    curve = learn({since + number * HOUR: users for number in range(hours)}, since, since + hours * HOUR, zone, set())
    assert curve.weeks == pytest.approx(hours / HOURS)
    assert {round(level, 9) for level in curve.level} <= {0, users}
    loads = horizon(curve, since, hours)
    assert [load.hour for load in loads] == [since + number * HOUR for number in range(hours)]
    assert all(load.users == pytest.approx(users) and 0 <= load.low <= load.users <= load.high for load in loads)
