import pytest

from bench.detection import score
from bench.series import Trace

TRACE = Trace("one", "a series", relative=False, values=[], changes=[(1000, 1400, 1000), (3000, 3400, 3000)])


def test_silence_gets_nothing_and_whoever_is_there_at_once_gets_everything() -> None:
    assert score([], TRACE) == 0
    assert score([1000, 3000], TRACE) == 100


def test_late_is_worse_than_early_and_a_second_alarm_in_a_change_changes_nothing() -> None:
    early, late = score([1010, 3010], TRACE), score([1390, 3390], TRACE)
    assert 99 < early < 100
    assert 50 < late < 60
    assert score([1010, 1200, 3010], TRACE) == early
    assert score([1010], TRACE) == pytest.approx(early / 2, abs=0.1)


def test_an_alarm_outside_costs() -> None:
    assert score([100, 1000, 3000], TRACE) == score([2500, 1000, 3000], TRACE)
    assert 97 < score([100, 1000, 3000], TRACE) < 98
    assert score([1410, 1000, 3000], TRACE) > score([2500, 1000, 3000], TRACE)
