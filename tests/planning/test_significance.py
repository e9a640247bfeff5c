"""Chance against published tables and against counting all orders."""

from itertools import combinations

import pytest

from wellkept.planning.significance import chance


def counted(before: list[float], after: list[float]) -> float:
    """The same by trying every order."""
    every = sorted([*before, *after])
    seen = sum(one > other for one in after for other in before)
    least = min(seen, len(before) * len(after) - seen)
    orders = [[sum(one > other for one in set(every) - set(chosen) for other in chosen)] for chosen in combinations(every, len(before))]
    return min(1.0, 2 * sum(order[0] <= least for order in orders) / len(orders))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]),
        ([1.0, 5.0, 6.0], [2.0, 3.0, 4.0, 7.0]),
        ([2.0], [1.0, 3.0]),
        ([1.0, 2.0, 9.0, 4.0], [3.0, 5.0, 6.0, 7.0, 8.0]),
    ],
)
def test_chance_is_what_counting_every_order_gives(before: list[float], after: list[float]) -> None:
    assert chance(before, after) == pytest.approx(counted(before, after))
    assert chance(after, before) == pytest.approx(chance(before, after))


def test_few_values_prove_nothing_and_many_do() -> None:
    assert chance([1.0, 2.0], [3.0, 4.0]) == pytest.approx(1 / 3)
    assert chance([0.1 * n for n in range(5)], [1 + 0.1 * n for n in range(5)]) == pytest.approx(2 / 252)
    assert chance([1.0] * 9, [1.0] * 9) > 0.9
    assert chance([1.0 + n / 100 for n in range(70)], [9.0 + n / 100 for n in range(70)]) < 1e-20
    with pytest.raises(ValueError, match="two samples"):
        chance([], [1.0])
