"""How good forecasts were: what they said beside what came."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import sqrt
from zoneinfo import ZoneInfo

from wellkept.planning.forecast import Forecast

SURE = 1.96


@dataclass(frozen=True)
class Outcome:
    """A run that ended at a moment (aware): what was forecast before it, and the seconds that it took."""

    at: datetime
    forecast: Forecast
    seconds: float

    @property
    def inside(self) -> bool:
        """Whether it took no longer than its p90."""
        return self.seconds <= self.forecast.p90


@dataclass(frozen=True)
class Month:
    """Runs of a month and how many stayed inside their p90; the true share is between ``low`` and ``high`` (95 %, Wilson 1927)."""

    first: date
    runs: int
    inside: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Of its runs, 0 … 1; 0.9 would be exactly right."""
        return self.inside / self.runs


def pinball(forecast: float, actual: float, share: float) -> float:
    """What a forecast of this quantile costs when ``actual`` comes, in its unit; 0 is best (Koenker and Bassett 1978)."""
    return max(share * (actual - forecast), (share - 1) * (actual - forecast))


def loss(outcomes: Sequence[Outcome]) -> float:
    """The mean pinball loss of p50 and p90, in seconds. Raises ValueError for none."""
    if not outcomes:
        raise ValueError("a loss needs at least one outcome")
    each = (pinball(one.forecast.p50, one.seconds, 0.5) + pinball(one.forecast.p90, one.seconds, 0.9) for one in outcomes)
    return sum(each) / (2 * len(outcomes))


def by_month(outcomes: Iterable[Outcome], place: ZoneInfo) -> list[Month]:
    """The months of the place's calendar in which a run ended, in order."""
    months: dict[date, list[bool]] = {}
    for one in outcomes:
        months.setdefault(one.at.astimezone(place).date().replace(day=1), []).append(one.inside)
    return [Month(first, len(all_), sum(all_), *_wilson(sum(all_), len(all_))) for first, all_ in sorted(months.items())]


def _wilson(hits: int, count: int) -> tuple[float, float]:
    share, square = hits / count, SURE**2
    middle = share + square / (2 * count)
    half = SURE * sqrt(share * (1 - share) / count + square / (4 * count**2))
    return max(0.0, (middle - half) / (1 + square / count)), min(1.0, (middle + half) / (1 + square / count))
