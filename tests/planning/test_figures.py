"""Comparing two readings of business figures, and keeping them as plain data."""

import json
import random
from decimal import Decimal

import pytest

from wellkept.planning.figures import NOT_LESS, Difference, Figure, compare, explain, from_json, to_json

BALANCE = Figure("trial_balance", "Trial balance", {"1100": "12430.00", "2100": "-5.00"}, {"1100": "account 1100 Receivable"})


def changed(figure: Figure, **values: str) -> Figure:
    return Figure(figure.name, figure.title, {**figure.values, **values}, figure.labels, figure.rule)


def test_a_difference_is_told_in_a_persons_words() -> None:
    (found,) = compare([BALANCE], [changed(BALANCE, **{"1100": "12130.00"})])
    assert found == Difference("trial_balance", "1100", "account 1100 Receivable", "12430.00", "12130.00", "Trial balance")
    assert found.explain() == "account 1100 Receivable: 12,430.00 → 12,130.00"
    assert explain([found]) == ["Trial balance: account 1100 Receivable: 12,430.00 → 12,130.00"]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("-1234567.5", "0", "x: -1,234,567.5 → 0"),
        (None, "3", "x: nothing → 3"),
        ("active; groups: Sales", None, "x: active; groups: Sales → nothing"),
        ("", "007123", "x: empty → 007123"),
        ("1999", "-2000", "x: 1,999 → -2,000"),
        ("2026-01-01", "12a4567", "x: 2026-01-01 → 12a4567"),
        ("-0.25", "NaN", "x: -0.25 → NaN"),
    ],
)
def test_values_are_spoken_as_they_are(before: str | None, after: str | None, told: str) -> None:
    assert Difference("f", "x", "x", before, after).explain() == told


def test_equal_readings_have_no_difference_whatever_their_order() -> None:
    other = Figure("users", "Users", {"user/1": "active"})
    assert compare([BALANCE, other], [other, BALANCE]) == []
    assert compare([], []) == []


def test_the_same_number_written_with_other_zeros_is_the_same() -> None:
    assert compare([BALANCE], [changed(BALANCE, **{"1100": "12430"})]) == []
    codes = Figure("codes", "Codes", {"a": "007", "b": "1.50"})
    assert [d.key for d in compare([codes], [changed(codes, a="7", b="1.5")])] == ["a"]


def test_one_cent_in_a_number_longer_than_a_float_is_seen() -> None:
    before, after = "90071992547409930000.01", "90071992547409930000.02"
    assert float(before) == float(after)
    (found,) = compare([Figure("f", "F", {"x": before})], [Figure("f", "F", {"x": after})])
    assert found.explain() == "x: 90,071,992,547,409,930,000.01 → 90,071,992,547,409,930,000.02"


def test_a_figure_that_is_missing_is_a_difference_of_all_its_values() -> None:
    found = compare([BALANCE], [])
    assert [(d.key, d.before, d.after) for d in found] == [("1100", "12430.00", None), ("2100", "-5.00", None)]
    assert [(d.key, d.before, d.after) for d in compare([], [BALANCE])] == [("1100", None, "12430.00"), ("2100", None, "-5.00")]


def test_a_counter_may_go_on_but_not_back() -> None:
    counter = Figure("sequences", "Next numbers", {"party": "10"}, rule=NOT_LESS)
    assert compare([counter], [changed(counter, party="12")]) == []
    assert [d.explain() for d in compare([counter], [changed(counter, party="9")])] == ["party: 10 → 9"]
    assert [d.after for d in compare([counter], [Figure("sequences", "Next numbers", {}, rule=NOT_LESS)])] == [None]


def test_ignored_figures_are_left_out() -> None:
    jobs = Figure("scheduled_jobs", "Jobs", {"1": "on"})
    before, after = [BALANCE, jobs], [changed(BALANCE, **{"2100": "-5.01"}), changed(jobs, **{"1": "off"})]
    assert [d.figure for d in compare(before, after, ignore={"scheduled_jobs"})] == ["trial_balance"]


def test_long_explanations_say_how_much_more_there_is() -> None:
    found = [Difference("f", str(n), str(n), "1", "2", "F") for n in range(1203)]
    lines = explain(found, most=3)
    assert lines == ["F: 0: 1 → 2", "F: 1: 1 → 2", "F: 2: 1 → 2", "and 1,200 more"]


def test_a_reading_survives_being_written_and_read() -> None:
    reading = [BALANCE, Figure("sequences", "Next numbers", {"客户": "10"}, {"客户": "客户编号"}, NOT_LESS)]
    again = from_json(json.loads(json.dumps(to_json(reading))))
    assert again == reading


def test_a_reading_of_another_version_can_be_read() -> None:
    (old,) = from_json([{"name": "users", "values": {"1": 5}, "colour": "red"}])
    assert old == Figure("users", "users", {"1": "5"})


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"name": "x"}, "list"),
        ("text", "list"),
        ([["name"]], "needs a name"),
        ([{"name": "", "values": {}}], "needs a name"),
        ([{"name": "x"}], "x needs a table of values"),
        ([{"name": "x", "values": ["1"]}], "x needs a table of values"),
        ([{"name": "x", "values": {}, "rule": "roughly"}], "unknown rule 'roughly'"),
    ],
)
def test_data_of_another_shape_is_refused(data: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        from_json(data)


def test_every_change_of_a_random_reading_is_found_and_nothing_else() -> None:
    chance = random.Random(20261122)
    values = {f"k{n}": f"{Decimal(chance.randrange(-(10**9), 10**9)) / 100:.2f}" for n in range(300)}
    reading = Figure("f", "F", values)
    touched = set(chance.sample(sorted(values), 40))
    after = Figure("f", "F", {k: str(Decimal(v) + Decimal("0.01")) if k in touched else v for k, v in values.items()})
    assert {d.key for d in compare([reading], [after])} == touched
