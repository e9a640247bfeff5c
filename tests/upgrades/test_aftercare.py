"""What is said of transactions that were timed before and after an upgrade."""

import pytest
from django.utils import translation

from wellkept.lib.text import say
from wellkept.upgrades import aftercare
from wellkept.upgrades.aftercare import Verdict
from wellkept.upgrades.models import Measurement
from wellkept.web import told as sentences

FIVE = [0.30, 0.31, 0.32, 0.33, 0.34]


def verdict(old: list[float | None], new: list[float | None]) -> tuple[str, float | None]:
    made = aftercare.verdicts([Measurement(timings={"x": old}, before=True)], [Measurement(timings={"x": new})])
    return made[0].word, made[0].difference_ms


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        (FIVE, [value + 0.34 for value in FIVE], "slower"),
        (FIVE, [value - 0.15 for value in FIVE], "faster"),
        (FIVE, [value + 0.02 for value in FIVE], "same"),
        (FIVE, [0.2, 0.5, 0.33, 0.9, 0.31], "same"),
        (FIVE, [1.0, 1.1, 1.2, 1.3], "unknown"),
        ([], FIVE, "unknown"),
        (FIVE, [None] * 5, "fails"),
        (FIVE, [None, 0.33, 0.33, 0.33, 0.33, 0.33], "same"),
    ],
    ids=["slower", "faster", "too little to notice", "by chance", "too few", "nothing before", "fails", "failed once"],
)
def test_a_difference_counts_when_it_is_no_chance_and_noticed(old: list[float | None], new: list[float | None], word: str) -> None:
    assert verdict(old, new)[0] == word


def test_the_difference_is_told_in_milliseconds_and_what_fails_comes_first() -> None:
    assert verdict(FIVE, [value + 0.34 for value in FIVE]) == ("slower", 340.0)
    old = Measurement(timings={"good": FIVE, "slow": FIVE, "broken": FIVE}, before=True)
    new = Measurement(timings={"good": FIVE, "slow": [1.0] * 5, "broken": [None] * 5})
    found = aftercare.verdicts([old], [new])
    assert [one.name for one in found] == ["broken", "slow", "good"]
    assert say(aftercare.judged(found, {}, {})) == "broken does not work (1 in all)"
    assert say(aftercare.judged(found[1:], {}, {})) == "slow takes 680 ms longer (1 in all)"
    assert say(aftercare.judged(found[2:], {"worse": 2}, {})) == "Nothing is slower than before"
    assert say(aftercare.judged([], {}, {})) == "Too little was measured to say anything"


def test_only_errors_that_were_not_there_before_are_new() -> None:
    old = Measurement(errors={"known": 3}, before=True)
    assert aftercare.new_errors([old], [Measurement(errors={"known": 9, "rare": 1, "often": 4})]) == [
        {"text": "often", "count": 4},
        {"text": "rare", "count": 1},
    ]
    assert aftercare.new_errors([old], [Measurement(errors=None)]) is None


def test_a_transaction_is_called_as_people_call_it_in_their_language() -> None:
    words = {"sale.sale": {"en": "Sale", "zh_CN": "销售单"}}
    told = aftercare.transaction("sale.sale list", words)
    assert say(told) == "Sale: list"
    for language, called in (("zh-hans", "销售单：列表"), ("zh-hant", "銷售：清單"), ("en", "Sale: list")):
        with translation.override(language):
            assert sentences.told(told) == called
    assert say(aftercare.transaction("stock.shipment.in record", {})) == "Stock shipment in: record"
    assert say(aftercare.transaction("login", {})) == "login"
    slow = [Verdict("sale.sale list", 300.0, 640.0, 340.0, 0.001, (5, 5), "slower")]
    with translation.override("zh-hans"):
        assert "销售单：列表" in sentences.told(aftercare.judged(slow, {}, words))
