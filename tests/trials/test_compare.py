"""Two runs side by side: what got worse is named, what is only slower is not."""

import json
from dataclasses import replace

from wellkept.adapters.trial import FAILED, LEFT_OUT, PASSED, Assertion, Trial, TrialStep
from wellkept.trials.compare import compare
from wellkept.trials.run import Report, from_json, to_json

QUOTE = TrialStep("quote", "seller", "ann", 2.0, (Assertion("the order has a number", "yes", "yes"),), ("Are you sure?",))
PAY = TrialStep("pay", "cashier", "bob", 1.0, (Assertion("the money is there", "12.5", "12.5"), Assertion("the books balance", "0", "0")))
SALE = Trial("sale", PASSED, (QUOTE, PAY), {"customer": "苏州永泰"})
TIME = Trial("time", LEFT_OUT, (), {}, "a module is not activated")
BEFORE = Report("2026-11-22T10:00:00+00:00", 4.0, (SALE, TIME))


def test_a_report_survives_being_written_down() -> None:
    assert from_json(json.loads(json.dumps(to_json(BEFORE)))) == BEFORE
    assert BEFORE.count() == {"passed": 1, "failed": 0, "left out": 1}
    assert BEFORE.holds
    assert not replace(BEFORE, flows=(TIME,)).holds, "what is left out alone proves nothing"
    assert not replace(BEFORE, flows=(SALE, replace(TIME, outcome=FAILED))).holds


def test_the_same_flow_slower_is_not_worse_but_has_its_ratio() -> None:
    slower = replace(BEFORE, flows=(replace(SALE, steps=(replace(QUOTE, seconds=3.0), PAY)), TIME))
    sale, time = compare(BEFORE, slower)
    assert (sale.worse, sale.lost, time.worse) == (False, [], False)
    assert [(pace.step, pace.before, pace.after, pace.ratio) for pace in sale.paces] == [("quote", 2.0, 3.0, 1.5), ("pay", 1.0, 1.0, 1.0)]


def test_what_passes_no_more_and_what_proves_less_is_worse() -> None:
    wrong = replace(PAY, assertions=(Assertion("the money is there", "12.5", "0"),))
    failed = Trial("sale", FAILED, (QUOTE, wrong), {}, "pay: the money is there: 12.5 was expected, 0 was found")
    (sale, _time) = compare(BEFORE, replace(BEFORE, flows=(failed, TIME)))
    assert (sale.worse, sale.after, sale.reason) == (True, FAILED, failed.reason)
    assert sale.lost == ["pay: the money is there", "pay: the books balance"]
    less = replace(SALE, steps=(QUOTE, replace(PAY, assertions=PAY.assertions[:1])))
    (sale, _time) = compare(BEFORE, replace(BEFORE, flows=(less, TIME)))
    assert (sale.worse, sale.after, sale.lost) == (True, PASSED, ["pay: the books balance"])


def test_a_flow_that_is_left_out_or_missing_afterwards_is_worse_and_a_new_one_is_not() -> None:
    left = Trial("sale", LEFT_OUT, (), {}, "nobody sells")
    assert [one.worse for one in compare(BEFORE, replace(BEFORE, flows=(left, TIME)))] == [True, False]
    (sale, _time) = compare(BEFORE, replace(BEFORE, flows=(TIME,)))
    assert (sale.worse, sale.after, sale.paces[0].after, sale.paces[0].ratio) == (True, None, None, None)
    (_time, sale) = compare(replace(BEFORE, flows=(TIME,)), BEFORE)
    assert (sale.worse, sale.before, sale.after) == (False, None, PASSED)
