from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellkept.planning.cron import InvalidCron, exists
from wellkept.planning.windows import Opening, Weekly, holding, openings

EVERY_DAY = frozenset(range(7))
CHANGES = {
    "Europe/Zurich": (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)),
    "America/New_York": (datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)),
    "Australia/Lord_Howe": (datetime(2026, 10, 3, 15, 30, tzinfo=UTC), datetime(2026, 4, 4, 15, tzinfo=UTC)),
}
clock = st.times(timezones=st.none()).map(lambda moment: moment.replace(second=0, microsecond=0))
places = st.sampled_from(["UTC", "Asia/Taipei", *CHANGES])
moments = st.integers(0, 333 * 86_400).map(lambda seconds: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
spans = st.lists(st.tuples(moments, st.integers(1, 500)).map(lambda pair: Opening(pair[0], pair[0] + timedelta(hours=pair[1]))), max_size=5)
weekly = st.builds(Weekly, st.frozensets(st.integers(0, 6)), clock, clock, places)


def shown(rule: Weekly, after: str, count: int = 1) -> list[str]:
    place = ZoneInfo(rule.time_zone)
    found = openings([rule], [], [], datetime.fromisoformat(after))[:count]
    return [f"{one.starts.astimezone(place):%a %H:%M %z} - {one.ends.astimezone(place):%a %H:%M %z}" for one in found]


def nightly(opens: str, closes: str, days: frozenset[int] = EVERY_DAY, place: str = "Europe/Zurich") -> Weekly:
    return Weekly(days, time.fromisoformat(opens), time.fromisoformat(closes), place)


def test_it_goes_over_midnight_and_belongs_to_the_day_on_which_it_opens() -> None:
    saturday = nightly("22:00", "04:00", frozenset({5}))
    assert shown(saturday, "2026-11-22T01:00+00:00", 2) == ["Sat 22:00 +0100 - Sun 04:00 +0100"] * 2
    assert shown(saturday, "2026-11-22T03:00+00:00")[0] == "Sat 22:00 +0100 - Sun 04:00 +0100"
    assert holding(openings([saturday], [], [], datetime(2026, 11, 22, 3, tzinfo=UTC)), datetime(2026, 11, 22, 3, tzinfo=UTC)) is None


def test_it_is_shorter_when_the_clock_jumps_and_ends_the_first_time_when_it_goes_back() -> None:
    assert shown(nightly("02:30", "04:00"), "2026-03-29T00:00+00:00") == ["Sun 03:00 +0200 - Sun 04:00 +0200"]
    assert shown(nightly("01:00", "02:30"), "2026-10-24T22:00+00:00") == ["Sun 01:00 +0200 - Sun 02:30 +0200"]
    assert shown(nightly("02:10", "02:50"), "2026-03-28T12:00+00:00") == ["Mon 02:10 +0200 - Mon 02:50 +0200"], "one that falls into the jump is none"


def test_what_touches_is_one_and_the_same_times_are_a_whole_day() -> None:
    late, early = nightly("20:00", "00:00", frozenset({5})), nightly("00:00", "06:00", frozenset({6}))
    (first, *_later) = openings([late, early], [], [], datetime(2026, 11, 23, tzinfo=UTC))
    assert first.ends - first.starts == timedelta(hours=10)
    (always,) = openings([nightly("00:00", "00:00")], [], [], datetime(2026, 11, 23, tzinfo=UTC))
    assert always.ends - always.starts > timedelta(days=390)


def test_a_freeze_ends_a_window_early() -> None:
    start = datetime(2026, 12, 1, tzinfo=UTC)
    window, freeze = Opening(start, start + timedelta(hours=8)), Opening(start + timedelta(hours=2), start + timedelta(hours=3))
    assert openings([], [window], [freeze], start) == [Opening(window.starts, freeze.starts), Opening(freeze.ends, window.ends)]


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(InvalidCron):
        openings([nightly("22:00", "23:00", place="Mars/Olympus")], [], [], datetime(2026, 1, 1, tzinfo=UTC))


@given(weekly, moments)
@settings(max_examples=60, deadline=None)
def test_it_is_open_when_the_clock_of_the_place_says_so(rule: Weekly, moment: datetime) -> None:
    """By the definition, wherever no change of the clock is near."""
    if any(abs(moment - change) < timedelta(days=2) for change in CHANGES.get(rule.time_zone, ())):
        return
    local = moment.astimezone(ZoneInfo(rule.time_zone))
    minute, yesterday = local.time().replace(tzinfo=None), (local.weekday() - 1) % 7
    if rule.opens < rule.closes:
        expected = local.weekday() in rule.days and rule.opens <= minute < rule.closes
    else:
        expected = (local.weekday() in rule.days and minute >= rule.opens) or (yesterday in rule.days and minute < rule.closes)
    assert (holding(openings([rule], [], [], moment), moment) is not None) is expected


@given(clock, clock, st.sampled_from([(place, change) for place, both in CHANGES.items() for change in both]))
@settings(max_examples=60, deadline=None)
def test_around_a_change_of_the_clock_it_opens_and_closes_at_its_times_or_at_the_jump(
    opens: time, closes: time, change: tuple[str, datetime]
) -> None:
    place, moment = ZoneInfo(change[0]), change[1]
    rule = Weekly(frozenset({moment.astimezone(place).weekday()}), opens, closes, change[0])
    for one in openings([rule], [], [], moment - timedelta(days=1))[:2]:
        for at, wanted in ((one.starts, opens), (one.ends, closes)):
            local = at.astimezone(place)
            skipped = not exists(datetime.combine(local.date(), wanted), place)
            assert local.time().replace(tzinfo=None) == wanted or (skipped and at == moment)
            assert local.fold == 0 or skipped


@given(st.lists(weekly, max_size=2), spans, spans, moments)
@settings(max_examples=40, deadline=None)
def test_openings_are_apart_in_order_and_never_frozen(rules: list[Weekly], single: list[Opening], freezes: list[Opening], after: datetime) -> None:
    found, without = openings(rules, single, freezes, after), openings(rules, single, [], after)
    assert all(one.starts < one.ends and one.ends > after for one in found)
    assert all(one.ends < other.starts or any(one.ends == freeze.starts for freeze in freezes) for one, other in pairwise(found))
    edges = [edge for one in (*found, *freezes, *without) for edge in (one.starts, one.ends)][:40]
    for edge in (edge for edge in edges if edge >= after):
        frozen = any(freeze.starts <= edge < freeze.ends for freeze in freezes)
        assert (holding(found, edge) is not None) is (holding(without, edge) is not None and not frozen)
