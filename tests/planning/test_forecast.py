import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellkept.planning.forecast import Forecast, Phase, forecast, quantile, remaining

seconds = st.lists(st.floats(min_value=0, max_value=1e6), min_size=1, max_size=60)


@given(seconds, st.floats(min_value=0.01, max_value=1))
def test_a_quantile_is_the_smallest_value_that_enough_values_do_not_exceed(values: list[float], share: float) -> None:
    ordered = sorted(values)
    found = quantile(ordered, share)
    assert found in ordered
    assert sum(value <= found for value in ordered) >= share * len(ordered) - 1e-9
    assert sum(value < found for value in ordered) < share * len(ordered)


def test_three_runs_are_a_history_and_two_are_not() -> None:
    assert forecast([4.0, 2.0]) is None
    assert forecast([4.0, 2.0, 9.0]) == Forecast(4.0, 9.0)
    assert forecast([float(n) for n in range(1, 101)]) == Forecast(50.0, 90.0)


def test_no_values_have_no_quantile() -> None:
    with pytest.raises(ValueError, match="at least one"):
        quantile([], 0.5)


@pytest.mark.parametrize(
    ("phases", "left"),
    [
        ([Phase(Forecast(10, 20)), Phase(Forecast(5, 6))], Forecast(15, 26)),
        ([Phase(Forecast(10, 20), done=True), Phase(Forecast(5, 6))], Forecast(5, 6)),
        ([Phase(Forecast(10, 20), elapsed=4)], Forecast(6, 16)),
        ([Phase(Forecast(10, 20), elapsed=14)], Forecast(0, 6)),
        ([Phase(Forecast(10, 20), elapsed=30)], Forecast(0, 0)),
        ([Phase(Forecast(10, 20), elapsed=4, fraction=0.25)], Forecast(12, 16)),
        ([Phase(None, elapsed=4, fraction=0.5)], Forecast(4, 4)),
        ([Phase(None, elapsed=4, fraction=0.01)], None),
        ([Phase(Forecast(10, 20)), Phase(None)], None),
        ([Phase(None, done=True)], Forecast(0, 0)),
        ([], Forecast(0, 0)),
    ],
)
def test_what_is_left_of_a_run(phases: list[Phase], left: Forecast | None) -> None:
    assert remaining(phases) == left
