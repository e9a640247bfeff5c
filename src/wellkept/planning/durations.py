"""How long an operation will take: its past runs are replayed under today's drivers, and the replays are counted.

A replay takes the seconds of each step of a past run times (driver today ÷ driver then)^elasticity times (speed of the host then ÷ now), and sums
them. The sum of the steps' p90 is not the p90 of their sum: a run whose steps were slow together is replayed as a whole, so it stays as slow as it
was. A replay weighs less the older it is and the less its drivers, host and release resemble today's. To all replays come a few imagined ones, spread
around their median: where few runs are known they make the band wide, where many are they vanish (the predictive distribution of a Dirichlet process,
Ferguson 1973). `bench/forecasts.py` compares this with other ways; the numbers below were chosen there, on other histories than those it reports.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import combinations
from math import exp, log
from statistics import NormalDist, median

from wellkept.planning.forecast import Forecast

FEW = 5
"""So many runs of one's own are enough to do without those of relatives."""
NEWEST = 40
HALF_LIFE, OLDEST = 60.0, 3650.0
"""Days after which a run weighs half, and from which on it does not age."""
CLOSE = log(2)
"""A run whose drivers differ by this (a factor of two) weighs half."""
OTHER_RELEASE = 0.25
IMAGINED = 2.0
"""How many runs are imagined."""
QUANTILES = 20
"""In so many equal parts the imagined runs are cut."""
LEARNT = 0.3
"""How far from 1 elasticities are before anything is learnt (one standard deviation)."""
STEEPEST = 1.5
FILLS = 20
"""So often a step that a past run did not have is drawn from those that had it."""


class Kin(IntEnum):
    """Whose a past run is: of the same environment, of a copy of it, or of another system of the same kind."""

    OWN = 0
    COPY = 1
    OTHER = 2


SPREAD = {Kin.OWN: 0.5, Kin.COPY: 0.6, Kin.OTHER: 1.0}
"""How wide the imagined runs are spread (standard deviation of the logarithm) when the nearest runs are such ones."""
COUNTS = {Kin.OWN: 1.0, Kin.COPY: 0.5, Kin.OTHER: 0.1}
AT_MOST = {Kin.OWN: float(NEWEST), Kin.COPY: 1.0, Kin.OTHER: 0.5}
"""What one run of each weighs, and all of them together."""

Drivers = Mapping[str, float]


@dataclass(frozen=True)
class Work:
    """What a run does: the drivers of each of its steps (rows, bytes …; only those above 0 count), the speed of its host, the release.

    A speed is above 0; 2.0 is twice as fast as 1.0.
    """

    steps: Mapping[str, Drivers]
    speed: float = 1.0
    release: str = ""


@dataclass(frozen=True)
class PastRun:
    """A run that succeeded: its work, the seconds of each step, how many days ago it was, and whose it is."""

    work: Work
    seconds: Mapping[str, float]
    days: float
    kin: Kin = Kin.OWN


@dataclass(frozen=True)
class Expected:
    """Seconds of the whole run and of each step; ``evidence`` is how many runs like this one the past is worth."""

    whole: Forecast
    steps: Mapping[str, Forecast] = field(default_factory=dict)
    evidence: float = 0.0


def expected(coming: Work, past: Iterable[PastRun]) -> Expected | None:
    """What a run will take by the newest past runs of the same operation; None when it has a step that none of them had.

    While there are fewer than FEW of one's own, copies help, and then other systems. Equal input gives equal output (draws are seeded).
    """
    runs = _helpful(past)
    replays = {step: _replayed(step, coming, runs) for step in coming.steps}
    if not replays or not all(replays.values()):
        return None
    weights = _weights(coming, runs)
    spread = SPREAD[min(run.kin for run in runs)]
    steps = {step: _quantiles([(seconds, weights[at]) for at, seconds in known.items()], spread) for step, known in replays.items()}
    return Expected(_quantiles(_sums(replays, weights), spread), steps, sum(weights))


def _helpful(past: Iterable[PastRun]) -> list[PastRun]:
    newest = sorted(past, key=lambda run: run.days)
    chosen: list[PastRun] = []
    for kin in Kin:
        if len(chosen) < FEW:
            chosen += [run for run in newest if run.kin == kin][:NEWEST]
    return chosen


def _weights(coming: Work, runs: Sequence[PastRun]) -> list[float]:
    raw = [COUNTS[run.kin] * _alike(coming, run.work) * 0.5 ** (min(max(run.days, 0.0), OLDEST) / HALF_LIFE) for run in runs]
    total = {kin: sum(weight for weight, run in zip(raw, runs, strict=True) if run.kin == kin) for kin in Kin}
    return [weight * min(1.0, AT_MOST[run.kin] / total[run.kin]) for weight, run in zip(raw, runs, strict=True)]


def _alike(one: Work, other: Work) -> float:
    """1 for the same work, less the more drivers and speed differ: never nothing, so that the nearest counts where none is near."""
    apart = [abs(log(one.speed / other.speed))]
    for step, drivers in one.steps.items():
        apart += [abs(ratio) for ratio in _ratios(drivers, other.steps.get(step, {})).values()]
    distance = sum(apart) / len(apart)
    return (1.0 if one.release == other.release else OTHER_RELEASE) / (1.0 + (distance / CLOSE) ** 2)


def _ratios(one: Drivers, other: Drivers) -> dict[str, float]:
    """Logarithm of one ÷ other for each driver that both have."""
    return {name: log(value / other[name]) for name, value in one.items() if value > 0 and other.get(name, 0) > 0}


def _replayed(step: str, coming: Work, runs: Sequence[PastRun]) -> dict[int, float]:
    """The seconds that a step would take today by each run that had it."""
    known = {at: max(run.seconds[step], 1e-3) * run.work.speed / coming.speed for at, run in enumerate(runs) if step in run.seconds}
    ratios = {at: _ratios(coming.steps[step], runs[at].work.steps.get(step, {})) for at in known}
    best, least = known, float("inf")
    for name in sorted({name for found in ratios.values() for name in found}):
        points = [(-ratios[at][name], log(seconds)) for at, seconds in known.items() if name in ratios[at]]
        slope, left = _elasticity(points)
        if left < least:
            least = left
            best = {at: seconds * exp(slope * ratios[at].get(name, 0.0)) for at, seconds in known.items()}
    return best


def _elasticity(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """By which power of its driver a step grows, from logarithms of both, and the median of what that leaves unexplained.

    The median of the slopes of all pairs (Theil 1950, Sen 1968), drawn towards 1 the more, the less the driver varied.
    """
    slopes = [(late[1] - early[1]) / (late[0] - early[0]) for early, late in combinations(points, 2) if abs(late[0] - early[0]) > 1e-3]
    steepness = median(slopes) if slopes else 1.0
    noise = max(_unexplained(points, steepness) * 1.4826, 0.05)
    middle = sum(x for x, _y in points) / len(points)
    told = sum((x - middle) ** 2 for x, _y in points) / noise**2
    drawn = (told * steepness + 1.0 / LEARNT**2) / (told + 1.0 / LEARNT**2)
    drawn = min(max(drawn, 0.0), STEEPEST)
    return drawn, _unexplained(points, drawn)


def _unexplained(points: Sequence[tuple[float, float]], slope: float) -> float:
    left = [y - slope * x for x, y in points]
    middle = median(left)
    return median(abs(one - middle) for one in left)


def _sums(replays: Mapping[str, Mapping[int, float]], weights: Sequence[float]) -> list[tuple[float, float]]:
    """The whole of each replay with its weight; what one lacks is drawn FILLS times from the replays that have it."""
    draw = random.Random(0)  # noqa: S311 - not a secret
    columns = {step: (list(known.values()), [weights[at] for at in known]) for step, known in replays.items()}
    found = []
    for at, weight in enumerate(weights):
        mine = [known[at] for known in replays.values() if at in known]
        lacking = [step for step, known in replays.items() if at not in known]
        if not lacking:
            found.append((sum(mine), weight))
        elif mine:
            fills = zip(*(draw.choices(*columns[step], k=FILLS) for step in lacking), strict=True)
            found += [(sum(mine) + sum(fill), weight / FILLS) for fill in fills]
    return found


def _quantiles(values: Sequence[tuple[float, float]], spread: float) -> Forecast:
    """p50 and p90 of weighted values and the imagined runs around their median."""
    middle = log(_weighted_quantile(values, 0.5))
    parts = (NormalDist(middle, spread).inv_cdf((part + 0.5) / QUANTILES) for part in range(QUANTILES))
    mixed = [*values, *((exp(part), IMAGINED / QUANTILES) for part in parts)]
    return Forecast(_weighted_quantile(mixed, 0.5), _weighted_quantile(mixed, 0.9))


def _weighted_quantile(values: Sequence[tuple[float, float]], share: float) -> float:
    """The smallest value at which the weights of all up to it reach this share of the whole."""
    reached, wanted = 0.0, share * sum(weight for _value, weight in values) * (1 - 1e-12)
    for value, weight in sorted(values):
        reached += weight
        if reached >= wanted:
            return value
    return max(value for value, _weight in values)
