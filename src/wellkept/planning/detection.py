"""Unexpected changes of a measured series, sample by sample, with little state: level shifts within minutes, slow drifts within days.

The baseline is a level for each hour of the week with three scales: how far the hour is from it in other weeks (``slow``), how far when today's
difference so far is taken off (``leant``), and how far samples are from the level of the moment (``fast``). It is learnt week by week with bounded
steps, so that one odd week moves it little; what is odd in two weeks running is the new normal. Evidence for a shift is a cumulative sum (Page 1954)
of what exceeds USUAL ``leant``, in units of ``fast``, each sample bounded, so that no burst of outliers suffices. Its threshold follows the highest
sums of the series' own normal days. A drift is the same over the means of days.

A sample costs the same however long the series is. What is not a number is no sample. After a gap of GAP evidence begins anew. A sample that is not
later than the one before is left out; one that is more than AGREED_BACK seconds earlier says that the clock was put back, and counts. Nothing is
found in the first READY weeks.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from math import exp, isfinite, log
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from wellkept.planning.significance import chance

SLOTS = 168
ALIKE = (0, 1, -1, 24, -24)
"""Hours of the week that vary alike: the one itself, those beside it, and the same one on the days beside."""
GAP, AGREED_BACK = 300.0, 3600.0
NEAR = 600.0
"""Seconds over which the level of the moment is taken."""
LEAN, LEAN_MOST = 3600.0, 2.0
"""Seconds over which today's difference from other weeks is taken, and up to how many ``slow``."""
OUTLIER = 4.0
"""So many scales from its level a value counts, and no more."""
LEAST = 0.01
"""Of its level, samples and days are taken to be at least so far from it: a series that never moved may move a little."""
MEAN_TO_DEVIATION = 1.2533
"""Standard deviation ÷ mean absolute deviation of normal noise."""
LEAST_RATE = 1 / 8
"""The newest week's part in the baseline."""
USUAL, BOUND, ALLOWED = 4.5, 4.0, 0.5
"""Of a sum: deviations up to so many ``leant`` are usual, one sample adds at most BOUND, and ALLOWED is taken off each."""
LOWEST, HIGHEST, MARGIN, FADES = 15.0, 95.0, 1.5, 0.975
"""A threshold: MARGIN times the highest sum, which FADES day by day; the highest is reached by a strong shift in five minutes of ten seconds each."""
BURST = 1800.0
"""What was over within so many seconds raises the threshold."""
LATCH, GROWN = 26 * 3600.0, 1.5
"""For so long a shift is one and the same, unless it has grown so many times."""
DRIFT_ALLOWED, DRIFT_THRESHOLD, DRIFT_LATCH = 0.75, 6.0, 28 * 86400.0
MINUTES, DAYS = 60, 35
SLOWLY = 0.01
"""An hour's part in what all hours say together."""
MOST_WEEKS = 1000
CALM, READY = 3, 4
"""Weeks that an hour is learnt before its sums count for the threshold, and before anything is found in it."""
FEWEST = 6
"""Samples that an hour needs to teach anything."""


class Kind(StrEnum):
    """Of a change: within minutes, or over days."""

    SHIFT = "shift"
    DRIFT = "drift"


@dataclass(frozen=True)
class Point:
    """For a chart: seconds since 1970, what was measured (mean of a minute, or of a day) and what the baseline expects."""

    at: float
    value: float
    usual: float


@dataclass(frozen=True)
class Change:
    """A change found at ``found`` that began about ``since`` (seconds since 1970).

    ``level`` and ``usual``: the median measured since then, and expected. ``confidence``: 1 - the chance that the points since then are so different
    from those before (exact rank-sum test, taking points as independent). ``evidence``: the newest hour by minutes, or weeks by days.
    """

    kind: Kind
    since: float
    found: float
    level: float
    usual: float
    confidence: float
    evidence: Sequence[Point]


@dataclass(slots=True)
class Sum:
    """Evidence that a level is above (``sign`` 1) or below (-1) its baseline."""

    sign: int
    value: float = 0.0
    since: float = 0.0
    crossed: float = -LATCH
    """When it was last over its threshold."""
    began: float = 0.0
    """When it came over it."""
    size: float = 0.0


def _scale() -> "array[float]":
    return array("d", [0.0] * SLOTS)


def _small() -> "array[int]":
    return array("h", [0] * SLOTS)


@dataclass(slots=True)
class Series:
    """What is known of a series; plain data by ``plain``. ``relative`` for what varies by factors (durations, sizes): its values are above 0."""

    time_zone: str = "UTC"
    relative: bool = False
    level: "array[float]" = field(default_factory=_scale)
    slow: "array[float]" = field(default_factory=_scale)
    fast: "array[float]" = field(default_factory=_scale)
    leant: "array[float]" = field(default_factory=_scale)
    weeks: "array[int]" = field(default_factory=_small)
    odd: "array[int]" = field(default_factory=_small)
    all_slow: float = 0.0
    all_fast: float = 0.0
    last: float = 0.0
    near: float = 0.0
    hour: int = -1
    slot: int = 0
    usual_slow: float = 0.0
    usual_leant: float = 0.0
    lean: float = 0.0
    count: int = 0
    off: float = 0.0
    off_near: float = 0.0
    off_leant: float = 0.0
    noise: float = 0.0
    highest: float = 0.0
    today: float = 0.0
    day_off: float = 0.0
    day_hours: int = 0
    day_scale: float = 0.0
    shifts: list[Sum] = field(default_factory=lambda: [Sum(1), Sum(-1)])
    drifts: list[Sum] = field(default_factory=lambda: [Sum(1), Sum(-1)])
    minutes: list[list[float]] = field(default_factory=list)
    days: list[list[float]] = field(default_factory=list)


def plain(series: Series) -> dict[str, Any]:
    """For JSON, about 14 kB; what is learnt of each hour with six digits."""
    scales = {name: [float(f"{value:.6g}") for value in getattr(series, name)] for name in ("level", "slow", "leant", "fast")}
    return asdict(series) | scales | {"weeks": list(series.weeks), "odd": list(series.odd)}


def restore(stored: Mapping[str, Any]) -> Series:
    """What ``plain`` made of a series."""
    sums = {name: [Sum(**one) for one in stored[name]] for name in ("shifts", "drifts")}
    scales = {name: array("d", stored[name]) for name in ("level", "slow", "leant", "fast")}
    return Series(**{**stored, **sums, **scales, "weeks": array("h", stored["weeks"]), "odd": array("h", stored["odd"])})


def observe(series: Series, at: float, value: float) -> Change | None:
    """Take one sample (seconds since 1970), and say what it makes known."""
    if not isfinite(value) or (series.relative and value <= 0) or not _in_turn(series, at):
        return None
    measured = log(value) if series.relative else value
    spent, first = at - series.last, series.hour < 0
    found = _turn(series, at) if int(at // 3600) != series.hour else None
    if first or spent > GAP:
        series.near = measured
        _begin_anew(series)
    series.last = at
    usual, slot = _usual(series, at), series.slot
    fast = series.fast[slot] or series.all_fast
    off_near = measured - series.near
    series.noise += min(abs(off_near), OUTLIER * fast) if fast else abs(off_near)
    series.near += min(1.0, spent / NEAR) * (_bounded(off_near, OUTLIER * fast) if fast else off_near)
    series.count += 1
    if not series.weeks[slot]:
        series.off += series.near
        return found
    off, most = measured - usual, OUTLIER * (fast + series.usual_slow)
    known = _bounded(off, most) if most else off
    series.off += known
    series.off_near += abs(series.near - usual)
    series.off_leant += abs(series.near - usual - series.lean)
    _remember(series.minutes, at // 60 * 60, measured, usual, MINUTES)
    least = LEAST * (1.0 if series.relative else abs(usual)) or LEAST**4
    shift = _shifted(series, at, off - series.lean, max(fast, least)) if series.weeks[slot] >= CALM else None
    _lean(series, known, spent)
    return shift or found


def rate(before: tuple[float, float], now: tuple[float, float]) -> float:
    """Per second, between two readings (time, value) of a counter; NaN where it was reset or time did not go on, because then nobody knows."""
    seconds, more = now[0] - before[0], now[1] - before[1]
    return more / seconds if seconds > 0 and more >= 0 else float("nan")


def deviates(series: Series, kind: Kind = Kind.SHIFT) -> bool:
    """Whether the newest sample (or day) still belongs to a change."""
    sums, patience = (series.shifts, 0.0) if kind is Kind.SHIFT else (series.drifts, 86400.0)
    return any(one.crossed >= series.last - patience for one in sums)


def _in_turn(series: Series, at: float) -> bool:
    if at > series.last:
        return True
    if series.last - at <= AGREED_BACK:
        return False
    series.last = at - GAP - 1
    series.minutes.clear()
    series.days.clear()
    for one in (*series.shifts, *series.drifts):
        one.crossed = -LATCH
    return True


def _begin_anew(series: Series) -> None:
    series.lean = 0.0
    for one in series.shifts:
        one.value = 0.0


def _bounded(value: float, most: float) -> float:
    return max(-most, min(most, value))


def _usual(series: Series, at: float) -> float:
    """The baseline between the middles of two hours."""
    slot, part = series.slot, at % 3600 / 3600 - 0.5
    other = (slot + (1 if part > 0 else -1)) % SLOTS
    mine = series.level[slot]
    return mine + abs(part) * (series.level[other] - mine) if series.weeks[other] else mine


def _of_alike(series: Series, scales: Sequence[float]) -> float:
    """The scale of an hour: three or four weeks say little, so hours that are alike say it together."""
    known = [scales[other] for other in ((series.slot + step) % SLOTS for step in ALIKE) if series.weeks[other] > 1]
    return sum(known) / len(known) if known else 0.0


def _remember(points: list[list[float]], at: float, value: float, usual: float, most: int) -> None:
    """Into the point of that time: its count, the sums of values and of expectations."""
    if points and points[-1][0] == at:
        last = points[-1]
        last[1] += 1
        last[2] += value
        last[3] += usual
    else:
        points.append([at, 1, value, usual])
        del points[:-most]


def _lean(series: Series, off: float, spent: float) -> None:
    """Follow how today differs from other weeks, but only as far as days usually do, and not while there is evidence for a shift."""
    if all(one.value <= LOWEST / 2 for one in series.shifts):
        most = LEAN_MOST * series.usual_slow
        series.lean = _bounded(series.lean + min(1.0, spent / LEAN) * (off - series.lean), most)


def _shifted(series: Series, at: float, off: float, fast: float) -> Change | None:
    threshold, slow = min(max(MARGIN * series.highest, LOWEST), HIGHEST), series.usual_leant
    found = None
    for one in series.shifts:
        if one.value <= 0:
            one.since = at
        step = _bounded((one.sign * off - USUAL * slow) / fast, BOUND) - ALLOWED
        one.value = min(max(0.0, one.value + step), threshold)
        if one.value < threshold:
            if at - one.crossed > GAP:
                series.today = max(series.today, one.value)
            continue
        found = _crossed(series, one, at, threshold) or found
    return found


def _crossed(series: Series, one: Sum, at: float, threshold: float) -> Change | None:
    if at - one.crossed > GAP:
        one.began = at
    same, one.crossed = at - one.crossed <= LATCH, at
    if at - one.began < BURST:
        series.today = max(series.today, threshold)
    elif series.today >= threshold:
        series.today = 0.0
    size = abs(_median_off(series.minutes, one.since))
    if series.weeks[series.slot] < READY or (same and size <= GROWN * one.size):
        return None
    one.size = size
    return _change(series, Kind.SHIFT, one.since, at, series.minutes)


def _turn(series: Series, at: float) -> Change | None:
    """Into another hour: what the one before teaches, and at the end of a day what its mean says."""
    hour, before = int(at // 3600), series.hour
    if before >= 0 and series.count >= FEWEST:
        _learn(series)
    series.hour, series.count = hour, 0
    series.off = series.off_near = series.off_leant = series.noise = 0.0
    local = datetime.fromtimestamp(hour * 3600 + 1800, UTC).astimezone(ZoneInfo(series.time_zone))
    series.slot = local.weekday() * 24 + local.hour
    series.usual_slow, series.usual_leant = _of_alike(series, series.slow) or series.all_slow, _of_alike(series, series.leant) or series.all_slow
    return _end_of_day(series, before // 24 * 86400.0, at) if before >= 0 and hour // 24 != before // 24 else None


def _learn(series: Series) -> None:
    """What an hour teaches about that hour of the week, when it is over."""
    slot, weeks = series.slot, series.weeks[series.slot]
    portion = max(1 / (weeks + 1), LEAST_RATE)
    noise = series.noise / series.count * MEAN_TO_DEVIATION
    off, usual = series.off / series.count, series.usual_slow
    series.fast[slot] += portion * (noise - series.fast[slot])
    series.all_fast += (SLOWLY if series.all_fast else 1.0) * (noise - series.all_fast)
    series.weeks[slot] = min(weeks + 1, MOST_WEEKS)
    if not weeks:
        series.level[slot] = off
        return
    level = series.level[slot]
    _remember(series.days, series.hour // 24 * 86400.0, level + off, level, DAYS)
    odd = (off > USUAL * usual) - (off < -USUAL * usual) if usual else 0
    if odd and odd == series.odd[slot]:
        series.level[slot] += off / 2
    else:
        series.level[slot] += portion * (_bounded(off, USUAL * usual) if usual else off)
        _learn_scales(series, max(1 / weeks, LEAST_RATE))
    series.odd[slot] = odd
    series.day_off += off
    series.day_hours += 1


def _learn_scales(series: Series, portion: float) -> None:
    slot, most = series.slot, OUTLIER * series.usual_slow or float("inf")
    far, leant = (min(total / series.count * MEAN_TO_DEVIATION, most) for total in (series.off_near, series.off_leant))
    series.slow[slot] += portion * (far - series.slow[slot])
    series.leant[slot] += portion * (leant - series.leant[slot])
    series.all_slow += (SLOWLY if series.all_slow else 1.0) * (far - series.all_slow)


def _end_of_day(series: Series, day: float, at: float) -> Change | None:
    series.highest = max(series.highest * FADES, series.today)
    series.today = 0.0
    hours, mean = series.day_hours, series.day_off / max(series.day_hours, 1)
    series.day_off, series.day_hours = 0.0, 0
    if hours < 12:
        return None
    scale, found = series.day_scale, None
    if scale and min(series.weeks) >= READY:
        _day, count, _values, usual = series.days[-1]
        least = LEAST * (1.0 if series.relative else abs(usual / count)) or LEAST**4
        for one in series.drifts:
            found = _drifted(series, one, mean / max(scale, least), day, at) or found
    size = min(abs(mean), USUAL * scale) if scale else abs(mean)
    series.day_scale += (1 / 28 if scale else 1.0) * (size * MEAN_TO_DEVIATION - scale)
    return found


def _drifted(series: Series, one: Sum, off: float, day: float, at: float) -> Change | None:
    if one.value <= 0:
        one.since = day
    one.value = min(max(0.0, one.value + _bounded(one.sign * off, BOUND) - DRIFT_ALLOWED), DRIFT_THRESHOLD)
    if one.value < DRIFT_THRESHOLD:
        return None
    same, one.crossed = at - one.crossed <= DRIFT_LATCH, at
    return None if same else _change(series, Kind.DRIFT, one.since, at, series.days)


def _median_off(points: Sequence[Sequence[float]], since: float) -> float:
    offs = [(value - usual) / count for at, count, value, usual in points if at >= since - 60]
    return median(offs) if offs else 0.0


def _change(series: Series, kind: Kind, since: float, at: float, points: Sequence[Sequence[float]]) -> Change:
    back = exp if series.relative else float
    shown = [Point(time, back(value / count), back(usual / count)) for time, count, value, usual in points]
    after = [one for one in shown if one.at >= since] or shown[-1:]
    before = [one for one in shown if one.at < after[0].at]
    offs = [[log(one.value / one.usual) if series.relative else one.value - one.usual for one in part] for part in (before, after)]
    confidence = 1 - chance(*offs) if before else 0.0
    return Change(kind, since, at, median(one.value for one in after), median(one.usual for one in after), confidence, tuple(shown))
