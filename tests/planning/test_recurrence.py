from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wellkept.planning import cron, recurrence
from wellkept.planning.cron import InvalidCron
from wellkept.planning.recurrence import WEEKDAYS, Pattern

CHANGES = {
    "Europe/Zurich": [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)],
    "America/New_York": [datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)],
    "Australia/Lord_Howe": [datetime(2026, 4, 4, 15, tzinfo=UTC), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)],
    "Africa/Casablanca": [datetime(2026, 2, 15, 2, tzinfo=UTC), datetime(2026, 3, 22, 2, tzinfo=UTC)],
    "Asia/Taipei": [datetime(2026, 6, 1, tzinfo=UTC)],
}
around = st.sampled_from([(zone, change) for zone, changes in CHANGES.items() for change in changes])
RULES = [
    "*/15 * * * *",
    "30 2 * * *",
    "DTSTART:20240101T020000\nRRULE:FREQ=MINUTELY;INTERVAL=20",
    "DTSTART:20240101T003000\nRRULE:FREQ=HOURLY",
    "DTSTART:20240101T013000\nRRULE:FREQ=HOURLY;INTERVAL=5",
    "DTSTART:20240101T000000\nRRULE:FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=0,30",
    "DTSTART:20240102T023000\nRRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,WE",
    "DTSTART:20240101T023000\nRRULE:FREQ=MONTHLY;BYDAY=1SU,-1SU",
    "DTSTART:20260201T021500\nRRULE:FREQ=DAILY;COUNT=60",
]


def found(text: str, zone: str, after: str, count: int) -> list[str]:
    moments = islice(recurrence.upcoming(recurrence.normal(text), zone, datetime.fromisoformat(after)), count)
    return [f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %z}" for moment in moments]


def rule(line: str, starts: str = "20260301T023000") -> str:
    return f"DTSTART:{starts}\nRRULE:{line}"


def test_leap_days_and_ends_of_months_are_left_out_where_there_are_none() -> None:
    leap = found(rule("FREQ=YEARLY", "20240229T120000"), "UTC", "2024-03-01T00:00+00:00", 2)
    assert leap == ["2028-02-29 12:00 +0000", "2032-02-29 12:00 +0000"]
    last = found(rule("FREQ=MONTHLY;BYMONTHDAY=-1", "20280101T120000"), "UTC", "2028-02-01T00:00+00:00", 2)
    assert last == ["2028-02-29 12:00 +0000", "2028-03-31 12:00 +0000"]
    assert found(rule("FREQ=MONTHLY", "20280131T120000"), "UTC", "2028-02-01T00:00+00:00", 1) == ["2028-03-31 12:00 +0000"]


def test_by_the_hour_it_is_an_interval_through_changes_of_the_clock() -> None:
    back = found(rule("FREQ=HOURLY", "20260101T000000"), "Europe/Zurich", "2026-10-24T23:30+00:00", 3)
    assert back == ["2026-10-25 02:00 +0200", "2026-10-25 02:00 +0100", "2026-10-25 03:00 +0100"]
    ahead = found(rule("FREQ=MINUTELY;INTERVAL=30", "20260101T000000"), "Europe/Zurich", "2026-03-29T00:00+00:00", 3)
    assert ahead == ["2026-03-29 01:30 +0100", "2026-03-29 03:00 +0200", "2026-03-29 03:30 +0200"]
    lord = list(islice(recurrence.upcoming(rule("FREQ=MINUTELY;INTERVAL=10"), "Australia/Lord_Howe", datetime(2026, 4, 4, 12, tzinfo=UTC)), 40))
    assert {later - earlier for earlier, later in pairwise(lord)} == {timedelta(minutes=10)}


def test_it_ends_by_its_count_of_what_happened_and_by_its_last_moment() -> None:
    both = found(rule("FREQ=HOURLY;COUNT=3", "20261025T020000"), "Europe/Zurich", "2026-10-24T00:00+00:00", 9)
    assert both == ["2026-10-25 02:00 +0200", "2026-10-25 02:00 +0100", "2026-10-25 03:00 +0100"]
    assert found(rule("FREQ=DAILY;COUNT=3"), "Europe/Zurich", "2026-03-02T01:30+00:00", 9) == ["2026-03-03 02:30 +0100"]
    for until, last in {"20260303": 3, "20260303T023000": 3, "20260303T022959": 2, "20260303T013000Z": 3, "20260303T012959Z": 2}.items():
        ends = found(rule(f"FREQ=DAILY;UNTIL={until}"), "Europe/Zurich", "2026-02-01T00:00+00:00", 9)
        assert ends == [f"2026-03-0{day} 02:30 +0100" for day in range(1, last + 1)]
    assert recurrence.next_after(rule("FREQ=DAILY;COUNT=3"), "Europe/Zurich", datetime(2026, 3, 3, 1, 30, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("RRULE:FREQ=DAILY", "two lines"),
        ("DTSTART;TZID=Europe/Zurich:20260301T020000\nRRULE:FREQ=DAILY", "without a time zone"),
        (rule("FREQ=DAILY\nRRULE:FREQ=WEEKLY"), "two lines"),
        (rule("FREQ=DAILY\nEXDATE:20260302T020000"), "two lines"),
        (rule("FREQ=DAILY", "20260301T020000Z"), "not a time"),
        (rule("FREQ=DAILY", "20260230T020000"), "not a time"),
        (rule("FREQ=DAILY", "00010101"), "not a time"),
        (rule("INTERVAL=2"), "“FREQ” cannot"),
        (rule("FREQ=SECONDLY"), "SECONDLY"),
        (rule("FREQ=DAILY;BYSECOND=1"), "BYSECOND"),
        (rule("FREQ=DAILY;INTERVAL=0"), "INTERVAL=0"),
        (rule("FREQ=DAILY;INTERVAL=1,2"), "INTERVAL=1,2"),
        (rule("FREQ=DAILY;BYHOUR=24"), "BYHOUR=24"),
        (rule("FREQ=DAILY;BYHOUR=2;BYHOUR=3"), "BYHOUR=3"),
        (rule("FREQ=MONTHLY;BYMONTHDAY=0"), "BYMONTHDAY=0"),
        (rule("FREQ=WEEKLY;BYDAY=1MO"), "BYDAY=1MO"),
        (rule("FREQ=MONTHLY;BYDAY=1MO,TU"), "BYDAY=1MO,TU"),
        (rule("FREQ=DAILY;BYDAY="), "BYDAY="),
        (rule("FREQ=MONTHLY;BYWEEKNO=3"), "BYWEEKNO=3"),
        (rule("FREQ=DAILY;BYSETPOS=1"), "BYSETPOS=1"),
        (rule("FREQ=DAILY;COUNT=3;UNTIL=20260401"), "UNTIL=20260401"),
        (rule("FREQ=DAILY;UNTIL=20260401Z"), "UNTIL=20260401Z"),
        (rule("FREQ=DAILY;UNTIL=20250401"), "never happens"),
        (rule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"), "never happens"),
        (rule("FREQ=HOURLY;INTERVAL=24;BYHOUR=5"), "never happens"),
        (rule("FREQ=DAILY;X=" + "9" * 5000), "cannot be used"),
        ("", "not a cron expression"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_part_that_is_wrong(text: str, says: str) -> None:
    with pytest.raises(InvalidCron, match=says):
        recurrence.normal(text)


def test_a_rule_has_one_form_and_an_expression_stays_one() -> None:
    typed = " dtstart:20260301  rrule:wkst=su;byday=2mo,-1fr;freq=monthly;interval=2; "
    assert recurrence.normal(typed) == "DTSTART:20260301T000000\nRRULE:FREQ=MONTHLY;INTERVAL=2;BYDAY=2MO,-1FR;WKST=SU"
    assert recurrence.normal(recurrence.normal(typed)) == recurrence.normal(typed)
    assert recurrence.normal(" @daily") == "0 0 * * *"


def test_a_rule_is_data_for_a_sentence_with_what_its_start_adds() -> None:
    def plain(line: str) -> Pattern | None:
        return recurrence.pattern(rule(line))

    starts = datetime(2026, 3, 1, 2, 30)  # noqa: DTZ001 - a time of the wall clock
    half_past = (starts.time(),)
    assert plain("FREQ=WEEKLY;INTERVAL=2;COUNT=9") == Pattern("WEEKLY", 2, (), (), ((0, 6),), half_past, starts, "", 9)
    assert plain("FREQ=MONTHLY;BYDAY=-1SU;UNTIL=20270101") == Pattern("MONTHLY", 1, (), (), ((-1, 6),), half_past, starts, "20270101", None)
    assert plain("FREQ=YEARLY") == Pattern("YEARLY", 1, (3,), (1,), (), half_past, starts, "", None)
    assert plain("FREQ=HOURLY;INTERVAL=4") == Pattern("HOURLY", 4, (), (), (), (), starts, "", None)
    assert [plain("FREQ=YEARLY;BYWEEKNO=7"), plain("FREQ=HOURLY;BYHOUR=3"), recurrence.pattern("0 0 * * *")] == [None, None, None]


@st.composite
def both_notations(draw: st.DrawFn) -> tuple[str, str]:
    """The same times as an expression and as a rule."""
    hours, minutes = (sorted(draw(st.sets(st.integers(0, most), min_size=1, max_size=3))) for most in (23, 59))
    days = sorted(draw(st.sets(st.integers(0, 6), min_size=1, max_size=7)))
    hour, minute = (",".join(map(str, numbers)) for numbers in (hours, minutes))
    line = f"FREQ=WEEKLY;BYHOUR={hour};BYMINUTE={minute};BYDAY={','.join(WEEKDAYS[day] for day in days)}"
    return f"{minute} {hour} * * {','.join(str((day + 1) % 7) for day in days)}", rule(line, "20110101T000000")


@settings(max_examples=50, deadline=None)
@given(both_notations(), st.sampled_from([*CHANGES, "Pacific/Apia", "America/St_Johns"]), st.dates(date(2011, 12, 20), date(2031, 1, 1)))
@example(("30 2 * * 0", rule("FREQ=WEEKLY;BYDAY=SU;BYHOUR=2;BYMINUTE=30", "20110101")), "Europe/Zurich", date(2026, 3, 27))
@example(("30 2 * * 0", rule("FREQ=WEEKLY;BYDAY=SU;BYHOUR=2;BYMINUTE=30", "20110101")), "Europe/Zurich", date(2026, 10, 23))
def test_both_notations_mean_the_same_moments(notations: tuple[str, str], zone: str, day: date) -> None:
    start = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    expression, text = notations
    expected = list(islice(cron.upcoming(expression, zone, start), 12))
    assert list(islice(recurrence.upcoming(text, zone, start), 12)) == expected
    assert list(recurrence.between(expression, zone, start, expected[-1])) == expected


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(RULES), around, st.lists(st.integers(0, 4 * 86_400), max_size=12))
def test_every_occurrence_is_found_exactly_once_whatever_the_steps(text: str, change: tuple[str, datetime], cuts: list[int]) -> None:
    zone, moment = change
    begin = moment - timedelta(days=2)
    edges = [begin + timedelta(seconds=cut) for cut in sorted([0, *cuts, 4 * 86_400])]
    pieces = [list(recurrence.between(text, zone, early, late)) for early, late in pairwise(edges)]
    whole = list(recurrence.between(text, zone, edges[0], edges[-1]))
    assert [one for piece in pieces for one in piece] == whole
    assert whole == sorted(set(whole))
    assert all(edges[0] < one <= edges[-1] and one.tzinfo is UTC for one in whole)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(RULES), around, st.lists(st.integers(-40_000, 60_000), min_size=1, max_size=12))
def test_a_clock_that_steps_back_makes_nothing_happen_twice_or_be_lost(text: str, change: tuple[str, datetime], steps: list[int]) -> None:
    zone, moment = change
    begin = kept = now = moment - timedelta(days=1)
    fired = []
    for step in steps:
        now += timedelta(seconds=step)
        fired += recurrence.between(text, zone, kept, now)
        kept = max(kept, now)
    assert fired == list(recurrence.between(text, zone, begin, kept))


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(["MINUTELY", "HOURLY", "DAILY", "WEEKLY"]),
    st.integers(1, 50),
    st.sampled_from(["", ";BYDAY=TU,SU", ";BYMONTH=3,4", ";BYMONTHDAY=-1,5,20"]),
    st.sampled_from(["", ";WKST=SU"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 3, 1)),  # noqa: DTZ001 - hypothesis wants naive bounds
    st.integers(0, 90 * 1440),
)
def test_a_rule_goes_on_as_if_counted_from_its_start(unit: str, every: int, days: str, week: str, starts: datetime, minutes: int) -> None:
    line = f"FREQ={unit};INTERVAL={every}{'' if unit == 'WEEKLY' and 'MONTHDAY' in days else days}{week}"
    starts = starts.replace(microsecond=0)
    after = starts + timedelta(minutes=minutes)
    expected = list(islice(rrulestr(f"RRULE:{line}", dtstart=starts).xafter(after), 3))
    got = list(islice(recurrence.upcoming(rule(line, f"{starts:%Y%m%dT%H%M%S}"), "UTC", after.replace(tzinfo=UTC)), len(expected)))
    assert [one.replace(tzinfo=None) for one in got] == expected


def test_the_time_zone_of_the_machine_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    expected = found(rule("FREQ=DAILY"), "Europe/Zurich", "2026-03-28T00:00+00:00", 5)
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    time.tzset()
    try:
        assert found(rule("FREQ=DAILY"), "Europe/Zurich", "2026-03-28T00:00+00:00", 5) == expected
    finally:
        monkeypatch.undo()
        time.tzset()
