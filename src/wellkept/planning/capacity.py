"""When something will be full, from how it grew."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import sqrt
from statistics import fmean, median

FEWEST = 7
NEWEST = 180
"""Points, the newest: what is computed grows with their square."""
BAND = 1.645
"""The band holds nine in ten."""
FURTHEST = 3.0
"""No date is said that is farther away than so many times what was seen."""


@dataclass(frozen=True)
class Exhaustion:
    """When the limit is reached (seconds since 1970), and the earliest and latest of it (90 %); None: not in sight. ``slope`` is per second.

    ``at`` is None unless growth is certain and the date not too far away; ``earliest`` may say then when it could be at worst.
    """

    at: float | None
    earliest: float | None
    latest: float | None
    slope: float


def exhaustion(points: Sequence[tuple[float, float]], limit: float) -> Exhaustion | None:
    """From (seconds since 1970, amount), in any order; None for fewer than FEWEST different times.

    The trend is the median slope of all pairs (Theil 1950); its band comes from the variance of Kendall's statistic (Sen 1968), made wider by how
    much the rest of each point resembles that of the one before (Hamed and Rao 1998, first lag).
    """
    known = sorted(dict(points).items())[-NEWEST:]
    if len(known) < FEWEST:
        return None
    slopes = sorted((late[1] - early[1]) / (late[0] - early[0]) for early, late in combinations(known, 2))
    slope = median(slopes)
    now, rest = known[-1][0], [amount - slope * (at - known[-1][0]) for at, amount in known]
    half = BAND * _deviation(len(known), rest)
    low = slopes[max(0, round((len(slopes) - half) / 2))]
    high = slopes[min(len(slopes) - 1, round((len(slopes) + half) / 2))]
    if known[-1][1] >= limit:
        return Exhaustion(now, now, now, slope)
    horizon = now + FURTHEST * (now - known[0][0])
    at, earliest, latest = (_reached(known, one, limit) for one in (slope, high, low))
    certain = low > 0 and at is not None and at <= horizon
    worst = earliest if earliest is not None and earliest <= horizon else None
    return Exhaustion(at if certain else None, worst, latest if certain else None, slope)


def _reached(known: Sequence[tuple[float, float]], slope: float, limit: float) -> float | None:
    """When the line of this slope through the middle of the points is at the limit, and not before the newest point."""
    now = known[-1][0]
    level = median(amount - slope * (at - now) for at, amount in known)
    return now + max(limit - level, 0.0) / slope if slope > 0 else None


def _deviation(count: int, rest: Sequence[float]) -> float:
    """Standard deviation of Kendall's statistic of so many points without trend."""
    middle = fmean(rest)
    square = sum((one - middle) ** 2 for one in rest)
    product = sum((one - middle) * (other - middle) for one, other in pairwise(rest))
    found = product / square if square else 0.0
    alike = min(max(found + (2 + 4 * found) / count, 0.0), 0.9)  # what is left of a fitted line looks less alike than it is
    return sqrt(count * (count - 1) * (2 * count + 5) / 18 * (1 + alike) / (1 - alike))
