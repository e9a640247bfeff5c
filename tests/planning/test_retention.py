from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellkept.planning.retention import Candidate, Rules, decide, rules, token

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def daily(count: int) -> list[Candidate]:
    return [Candidate(number, NOON - timedelta(days=number)) for number in range(count)]


def kept(candidates: list[Candidate], chosen: Rules, zone: str = "UTC") -> set[int]:
    return {decision.id for decision in decide(candidates, chosen, ZoneInfo(zone)) if decision.keep}


def test_keeps_the_last_and_the_newest_of_each_period() -> None:
    assert kept(daily(400), Rules(last=2, daily=3, weekly=0, monthly=0, yearly=0)) == {0, 1, 2}
    # 2026-11-22 is a Sunday: the last day of its ISO week, so each week's newest is a Sunday.
    assert kept(daily(400), Rules(last=1, daily=0, weekly=3, monthly=0, yearly=0)) == {0, 7, 14}
    # The newest of a month is its last day with a backup: 31 October is 22 days back, 30 September 53.
    assert kept(daily(400), Rules(last=1, daily=0, weekly=0, monthly=3, yearly=0)) == {0, 22, 53}
    assert kept(daily(800), Rules(last=1, daily=0, weekly=0, monthly=0, yearly=2)) == {0, 326}


def test_a_reason_says_which_place_a_backup_fills() -> None:
    found = {decision.id: list(decision.reasons) for decision in decide(daily(3), Rules(last=1, daily=2, weekly=0, monthly=0, yearly=0), UTC)}
    assert found == {0: [("newest good", 1), ("last", 1), ("daily", 1)], 1: [("daily", 2)], 2: [("beyond the rules", 1)]}


def test_days_are_those_of_the_organisation() -> None:
    late = [Candidate(1, datetime(2026, 11, 21, 15, 30, tzinfo=UTC)), Candidate(2, datetime(2026, 11, 21, 16, 30, tzinfo=UTC))]
    one_a_day = Rules(last=1, daily=2, weekly=0, monthly=0, yearly=0)
    assert kept(late, one_a_day) == {2}
    assert kept(late, one_a_day, "Asia/Taipei") == {1, 2}


def test_the_newest_good_and_the_newest_proven_always_stay() -> None:
    rows = [
        Candidate(1, NOON - timedelta(days=1)),
        Candidate(2, NOON - timedelta(days=2), proven=True),
        Candidate(3, NOON - timedelta(days=3), proven=True),
    ]
    assert kept(rows, Rules(0, 0, 0, 0, 0)) == {1, 2}


def test_a_broken_backup_fills_no_place_and_goes_only_when_a_good_one_exists() -> None:
    broken = Candidate(1, NOON, good=False)
    assert kept([broken], Rules(0, 0, 0, 0, 0)) == {1}
    assert kept([broken, Candidate(2, NOON - timedelta(days=1))], Rules(last=1, daily=0, weekly=0, monthly=0, yearly=0)) == {2}


def test_the_token_stands_for_exactly_what_goes() -> None:
    few, fewer = decide(daily(5), Rules(3, 0, 0, 0, 0), UTC), decide(daily(5), Rules(2, 0, 0, 0, 0), UTC)
    assert token(few) == token(decide(list(reversed(daily(5))), Rules(3, 0, 0, 0, 0), UTC))
    assert token(few) != token(fewer)


@pytest.mark.parametrize("wrong", [{"hourly": 1}, {"last": -1}, {"last": 1.5}, {"last": True}, {"last": "3"}, {"daily": 10_001}])
def test_rules_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"rule|whole number"):
        rules(wrong)


moments = st.datetimes(datetime(2020, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
candidates = st.lists(st.tuples(moments, st.booleans(), st.booleans()), max_size=40).map(
    lambda rows: [Candidate(number, at, good, proven and good) for number, (at, good, proven) in enumerate(rows)]
)
some_rules = st.builds(Rules, *[st.integers(0, 5)] * 5)


@given(candidates, some_rules)
def test_whatever_the_rules_what_matters_is_kept(rows: list[Candidate], chosen: Rules) -> None:
    decisions = decide(rows, chosen, UTC)
    keeps = {decision.id for decision in decisions if decision.keep}
    good = sorted((row for row in rows if row.good), key=lambda row: (row.at, row.id), reverse=True)
    proven = [row for row in good if row.proven]
    assert {decision.id for decision in decisions} == {row.id for row in rows}
    assert all(decision.reasons for decision in decisions)
    if good:
        assert good[0].id in keeps
    else:
        assert keeps == {row.id for row in rows}
    if proven:
        assert proven[0].id in keeps
    assert {row.id for row in good[: chosen.last]} <= keeps


@given(candidates, some_rules)
def test_applying_a_decision_twice_changes_nothing(rows: list[Candidate], chosen: Rules) -> None:
    once = [row for row in rows if row.id in {decision.id for decision in decide(rows, chosen, UTC) if decision.keep}]
    assert all(decision.keep for decision in decide(once, chosen, UTC))
