from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellkept.planning.calibration import Outcome, by_month, loss, pinball
from wellkept.planning.forecast import Forecast, quantile

values = st.lists(st.floats(min_value=0, max_value=1000), min_size=1, max_size=30)


def ended(day: int, seconds: float, month: int = 3) -> Outcome:
    return Outcome(datetime(2026, month, day, 12, tzinfo=UTC), Forecast(10.0, 20.0), seconds)


@settings(max_examples=60, deadline=None)
@given(values, st.sampled_from([0.5, 0.9]), st.floats(min_value=0, max_value=1000))
def test_no_forecast_costs_less_than_the_quantile_itself(actual: list[float], share: float, other: float) -> None:
    best = quantile(sorted(actual), share)
    assert sum(pinball(best, one, share) for one in actual) <= sum(pinball(other, one, share) for one in actual) + 1e-6


def test_too_little_costs_nine_times_as_much_as_too_much() -> None:
    assert pinball(10, 20, 0.9) == pytest.approx(9)
    assert pinball(20, 10, 0.9) == pytest.approx(1)
    assert loss([ended(1, 10.0)]) == pytest.approx((0 + 1) / 2)
    with pytest.raises(ValueError, match="at least one"):
        loss([])


def test_runs_inside_their_p90_by_the_months_of_the_place() -> None:
    late = Outcome(datetime(2026, 3, 31, 23, tzinfo=UTC), Forecast(10.0, 20.0), 21.0)
    months = by_month([late, *(ended(day, 20.0) for day in range(1, 10)), ended(10, 20.1)], ZoneInfo("Asia/Taipei"))
    assert [(month.first, month.runs, month.inside) for month in months] == [(date(2026, 3, 1), 10, 9), (date(2026, 4, 1), 1, 0)]
    assert months[0].share == pytest.approx(0.9)
    assert months[0].low == pytest.approx(0.596, abs=0.001)
    assert months[0].high == pytest.approx(0.982, abs=0.001)
    assert months[1].low == 0
