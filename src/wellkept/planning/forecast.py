"""How long steps take, from how long they took: plain empirical quantiles, no model behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

MIN_HISTORY = 3
SPARE = 1.5
"""How much longer than the longest it may take while there are too few to tell."""


@dataclass(frozen=True)
class Forecast:
    """Seconds that half (p50) and nine in ten (p90) of the past durations did not exceed."""

    p50: float
    p90: float


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of the ordered values do not exceed. Raises ValueError for no values."""
    if not ordered:
        raise ValueError("a quantile needs at least one value")
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def forecast(durations: Sequence[float]) -> Forecast | None:
    """p50 and p90 of past durations in seconds; None when there are fewer than three, because that is no history yet."""
    if len(durations) < MIN_HISTORY:
        return None
    ordered = sorted(durations)
    return Forecast(quantile(ordered, 0.5), quantile(ordered, 0.9))


def early(durations: Sequence[float]) -> Forecast:
    """The same while there is no history yet: from one or two past durations, with room to spare. Raises ValueError for none."""
    ordered = sorted(durations)
    return forecast(ordered) or Forecast(quantile(ordered, 0.5), quantile(ordered, 1.0) * SPARE)


@dataclass(frozen=True)
class Phase:
    """One expected step of a run: its forecast, and where it stands (``elapsed`` seconds; ``fraction`` 0 … 1 when the step reports one)."""

    forecast: Forecast | None
    done: bool = False
    elapsed: float = 0.0
    fraction: float | None = None


def remaining(phases: Sequence[Phase]) -> Forecast | None:
    """Seconds until the end of a run. None when an open phase has neither a history nor a usable fraction.

    The p90 is the sum of the phases' p90, so it errs to the long side.
    """
    p50 = p90 = 0.0
    for phase in phases:
        if phase.done:
            continue
        left = _left(phase)
        if left is None:
            return None
        p50 += left.p50
        p90 += left.p90
    return Forecast(p50, p90)


def _left(phase: Phase) -> Forecast | None:
    if phase.fraction is not None and phase.fraction >= 0.05 and phase.elapsed > 0:
        seconds = phase.elapsed / phase.fraction * (1 - phase.fraction)
        return Forecast(seconds, max(seconds, phase.forecast.p90 - phase.elapsed) if phase.forecast else seconds)
    if phase.forecast is None:
        return None
    return Forecast(max(0.0, phase.forecast.p50 - phase.elapsed), max(0.0, phase.forecast.p90 - phase.elapsed))
