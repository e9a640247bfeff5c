"""Whether two samples of durations differ by more than chance: the exact rank-sum test of Mann and Whitney, which asks nothing of their shape."""

from collections.abc import Sequence
from functools import lru_cache
from math import comb

LARGEST = 60
"""So many values of a sample are looked at, the newest: what is exact grows with the product of both sizes."""


def chance(before: Sequence[float], after: Sequence[float]) -> float:
    """How likely ranks as uneven as these are, or more so, when nothing changed (two-sided, 0 … 1). With few values it cannot be small.

    Equal values count half for each side, which errs towards chance. Raises ValueError for an empty sample.
    """
    old, new = list(before)[-LARGEST:], list(after)[-LARGEST:]
    if not old or not new:
        raise ValueError("two samples are needed")
    above = sum(1.0 if late > early else 0.5 if late == early else 0.0 for late in new for early in old)
    least = int(min(above, len(old) * len(new) - above) + 0.5)
    ways = sum(_orders(len(old), len(new))[: least + 1])
    return min(1.0, 2.0 * ways / comb(len(old) + len(new), len(old)))


@lru_cache(maxsize=100)
def _orders(old: int, new: int) -> list[int]:
    """For each number of pairs with the newer value on top, in how many orders of both samples there are so many.

    They are the coefficients of the Gaussian binomial: the product of (1 - q^(new+i)) / (1 - q^i) for i from 1 to ``old``.
    """
    counts = [1] + [0] * (old * new)
    for factor in range(1, old + 1):
        for power in range(len(counts) - 1, new + factor - 1, -1):
            counts[power] -= counts[power - new - factor]
        for power in range(factor, len(counts)):
            counts[power] += counts[power - factor]
    return counts
