from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wellkept.planning import cron

ZONES = ["UTC", "Europe/Zurich", "America/New_York", "Asia/Taipei", "Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca", "Pacific/Apia"]


def moments(expression: str, zone: str, after: str, count: int) -> list[str]:
    place = ZoneInfo(zone)
    found = islice(cron.upcoming(expression, zone, datetime.fromisoformat(after)), count)
    return [moment.astimezone(place).strftime("%m-%d %H:%M %z") for moment in found]


def test_a_time_that_the_clock_skips_happens_when_it_jumps() -> None:
    assert moments("30 2 * * *", "Europe/Zurich", "2026-03-28T00:00+00:00", 3) == ["03-28 02:30 +0100", "03-29 03:00 +0200", "03-30 02:30 +0200"]


def test_several_skipped_times_happen_once_together() -> None:
    assert moments("*/15 2 * * *", "Europe/Zurich", "2026-03-29T00:00+00:00", 2) == ["03-29 03:00 +0200", "03-30 02:00 +0200"]


def test_a_time_that_comes_twice_happens_the_first_time() -> None:
    assert moments("30 2 * * *", "Europe/Zurich", "2026-10-24T12:00+00:00", 2) == ["10-25 02:30 +0200", "10-26 02:30 +0100"]


def test_an_interval_leaves_no_gap_when_the_clock_goes_back() -> None:
    assert moments("0 * * * *", "Europe/Zurich", "2026-10-24T23:30+00:00", 4) == [
        "10-25 02:00 +0200",
        "10-25 02:00 +0100",
        "10-25 03:00 +0100",
        "10-25 04:00 +0100",
    ]


def test_a_day_that_a_place_left_out_happens_at_its_end() -> None:
    assert moments("0 12 * * *", "Pacific/Apia", "2011-12-29T12:00+00:00", 3) == ["12-29 12:00 -1000", "12-31 00:00 +1400", "12-31 12:00 +1400"]


def test_a_shift_of_half_an_hour_leaves_no_gap() -> None:
    found = list(islice(cron.upcoming("*/10 * * * *", "Australia/Lord_Howe", datetime(2026, 4, 4, 12, tzinfo=UTC)), 40))
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(minutes=10)}


@pytest.mark.parametrize(
    "expression",
    ["", "* * * *", "* * * * * *", "99 * * * *", "0 0 30 2 *", "H * * * *", "R * * * *", "@reboot", "0 0 * * 8", "; rm -rf /", "0 0 ? * *"],
)
def test_what_is_no_expression_or_never_happens_is_refused(expression: str) -> None:
    with pytest.raises(cron.InvalidCron, match=r"cron expression|never happens"):
        cron.normal(expression)


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc/passwd", "/etc/localtime"])
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(cron.InvalidCron, match="time zone"):
        cron.zone(zone)


def test_spaces_and_short_names_become_five_fields() -> None:
    assert [cron.normal(" 0  2 * *   mon-fri "), cron.normal("@daily")] == ["0 2 * * mon-fri", "0 0 * * *"]


@st.composite
def expressions(draw: st.DrawFn) -> tuple[str, list[int], list[int], list[int]]:
    minutes = sorted(draw(st.sets(st.integers(0, 59), min_size=1, max_size=3)))
    hours = sorted(draw(st.sets(st.integers(0, 23), min_size=1, max_size=3)))
    weekdays = sorted(draw(st.sets(st.integers(0, 6), min_size=1, max_size=7)))
    return f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * {','.join(map(str, weekdays))}", minutes, hours, weekdays


def wall_clock(start: datetime, days: int, minutes: list[int], hours: list[int], weekdays: list[int]) -> list[datetime]:
    """Every matching wall-clock time of the days after ``start``, found by looking at each minute that could match."""
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    found = [midnight + timedelta(days=day, hours=hour, minutes=minute) for day in range(-1, days + 2) for hour in hours for minute in minutes]
    return [time for time in found if time.isoweekday() % 7 in weekdays]


def happens_at(local: datetime, place: ZoneInfo) -> datetime:
    """When a wall-clock time happens, found by walking second by second over a jump; independent of the code under test."""
    for step in range(25 * 3600):
        time = local + timedelta(seconds=step)
        moment = time.replace(tzinfo=place).astimezone(UTC)
        if moment.astimezone(place).replace(tzinfo=None) == time:
            return moment
    raise AssertionError


@settings(max_examples=60, deadline=None)
@given(expression=expressions(), zone=st.sampled_from(ZONES), day=st.dates(date(2011, 12, 20), date(2031, 1, 1)))
@example(expression=("30 2 * * 0", [30], [2], [0]), zone="Europe/Zurich", day=date(2026, 3, 27))
@example(expression=("30 2 * * 0", [30], [2], [0]), zone="Europe/Zurich", day=date(2026, 10, 23))
@example(expression=("15,45 1 * * 0", [15, 45], [1], [0]), zone="Australia/Lord_Howe", day=date(2026, 4, 3))
def test_every_occurrence_happens_exactly_once(expression: tuple[str, list[int], list[int], list[int]], zone: str, day: date) -> None:
    """Whatever the zone and its clock changes: the moments are those of the wall clock, in order, none twice, none left out."""
    text, minutes, hours, weekdays = expression
    place, days = ZoneInfo(zone), 9
    start = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    end = start + timedelta(days=days)
    found = []
    for moment in cron.upcoming(text, zone, start):
        if moment > end:
            break
        found.append(moment)
    local = start.astimezone(place).replace(tzinfo=None)
    expected = {happens_at(time, place) for time in wall_clock(local, days, minutes, hours, weekdays)}
    assert found == sorted(moment for moment in expected if start < moment <= end)
    assert max(Counter(found).values(), default=1) == 1


@settings(max_examples=40, deadline=None)
@given(zone=st.sampled_from(ZONES), hour=st.integers(0, 24 * 365 * 3), minute=st.integers(0, 59))
@example(zone="America/New_York", hour=1634, minute=1)
def test_an_hourly_schedule_happens_every_hour_of_elapsed_time(zone: str, hour: int, minute: int) -> None:
    """Intervals ignore the clock: no hour is skipped and none comes twice, but where the clock itself moves by half an hour."""
    start = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
    found = list(islice(cron.upcoming(f"{minute} * * * *", zone, start), 30))
    gaps = {later - earlier for earlier, later in pairwise(found)}
    assert gaps <= {timedelta(hours=1), *([timedelta(minutes=30), timedelta(minutes=90)] if zone == "Australia/Lord_Howe" else [])}


def test_the_time_zone_of_the_machine_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    expected = moments("30 2 * * *", "Europe/Zurich", "2026-03-28T00:00+00:00", 5)
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    time.tzset()
    try:
        assert moments("30 2 * * *", "Europe/Zurich", "2026-03-28T00:00+00:00", 5) == expected
    finally:
        monkeypatch.undo()
        time.tzset()
