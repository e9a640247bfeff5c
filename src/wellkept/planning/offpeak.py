"""When an ERP is used, from counts per hour: a curve over the hours of the week, and the days of the month on which more is done.

An hour of UTC belongs to the hour of the week in which its middle is by the clock of the place: one that the clock shows twice is two observations of
the same hour, one that it skips is none. What is counted (people, documents …) is for the caller to say; "users" here means that.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from math import isfinite, sqrt
from statistics import fmean, median

from wellkept.lib.text import Message, gettext_noop, message
from wellkept.planning import cron
from wellkept.planning.significance import chance
from wellkept.planning.windows import Weekly

HOURS = 168
HOUR, HALF, DAY = timedelta(hours=1), timedelta(minutes=30), timedelta(days=1)
HALF_LIFE = 8.0
"""Weeks after which a count weighs half."""
DECLARED_WEIGHT = 2.0
"""Declared hours count like so many weeks of use while nothing is seen, and fade until ENOUGH weeks are."""
ENOUGH = 6.0
P90 = 1.2816
BUSY_DAY = 0.5
"""A weekday is a working day when it has so much of what the median one of the week has."""
LEAST_MONTHS, LEAST_FACTOR, UNLIKELY, MOST_PEAKS = 3, 1.25, 0.01, 8


class By(StrEnum):
    """How a day is counted within its month."""

    DAY = "day"
    WORKING_DAY = "working_day"
    WORKING_DAY_LEFT = "working_day_left"


@dataclass(frozen=True)
class Peak:
    """A day of every month with ``factor`` times the usual use: the ``number``-th of its kind (1 is the first; of those left, the last).

    ``chance`` is how likely so much is without reason, among all days that were looked at, in ``months`` months.
    """

    by: By
    number: int
    factor: float
    months: int
    chance: float


@dataclass(frozen=True)
class Curve:
    """Expected users for each hour of the week (Monday 0:00 first) at a place.

    ``weeks``: of use that were seen; ``seen``: the same for each hour, older weeks counting less; ``declared``: 0 … 1, how much of the curve are
    declared hours; ``spread``: variance ÷ level; ``on_holidays``: use on a holiday ÷ that of the same hour otherwise, None when none was seen (then a
    holiday is like the quietest weekday).
    """

    time_zone: str
    level: tuple[float, ...]
    seen: tuple[float, ...]
    weeks: float
    declared: float
    spread: float
    holidays: frozenset[date]
    on_holidays: float | None
    working_days: frozenset[int]
    peaks: tuple[Peak, ...] = ()


@dataclass(frozen=True)
class Load:
    """Users expected in the hour that begins at ``hour``; four in five such hours are between ``low`` and ``high``."""

    hour: datetime
    users: float
    low: float
    high: float


@dataclass(frozen=True)
class Declared:
    """What people say of their week: ``users`` work in these hours, by the clock of the curve's place, and nobody outside."""

    hours: Sequence[Weekly]
    users: float


def learn(
    counts: Mapping[datetime, float | None],
    since: datetime,
    until: datetime,
    time_zone: str,
    holidays: AbstractSet[date],
    declared: Declared | None = None,
) -> Curve:
    """The curve from counts by the beginning of their hour (of UTC, aware), from ``since`` up to ``until``.

    An hour without a count had no use; one with None or NaN is not known. Holidays teach nothing about other days. Raises InvalidCron for a time
    zone, ValueError for a count below 0 or not of a whole hour.
    """
    known = list(_known(counts, since, until, time_zone))
    curve = _curve(known, until, time_zone, frozenset(holidays), declared)
    peaks = _peaks(known, curve)
    if peaks:
        curve = replace(curve, peaks=peaks)
        flat = [(hour, local, value / _peak_factor(curve, local.date())) for hour, local, value in known]
        curve = replace(_curve(flat, until, time_zone, frozenset(holidays), declared), peaks=peaks)
    return curve


def horizon(curve: Curve, starts: datetime, hours: int) -> list[Load]:
    """What is expected in so many hours from the one in which ``starts`` (aware) is. Raises InvalidCron for a time zone."""
    place = cron.zone(curve.time_zone)
    first = starts.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    factors: dict[date, float] = {}
    found = []
    for number in range(hours):
        hour = first + number * HOUR
        local = (hour + HALF).astimezone(place)
        day = local.date()
        if day not in factors:
            factors[day] = _peak_factor(curve, day)
        found.append(_load(curve, hour, local, factors[day]))
    return found


def heat_map(curve: Curve) -> list[list[float]]:
    """The level by weekday (Monday first) and hour: 7 rows of 24."""
    return [list(curve.level[row : row + 24]) for row in range(0, HOURS, 24)]


def basis(curve: Curve) -> Message:
    """What the curve rests on, in words."""
    weeks, percent = round(curve.weeks, 1), round(curve.declared * 100)
    if curve.weeks == 0:
        return message(gettext_noop("Nothing is known about its use yet: these are the declared hours"))
    if curve.weeks < ENOUGH and percent:
        return message(
            gettext_noop("Only {weeks} weeks of use are known: the declared hours count for {percent} percent"), weeks=weeks, percent=percent
        )
    if curve.weeks < ENOUGH:
        return message(gettext_noop("Only {weeks} weeks of use are known: the curve is rough"), weeks=weeks)
    return message(gettext_noop("Learnt from {weeks} weeks of use"), weeks=weeks)


Count = tuple[datetime, datetime, float]
"""The beginning of an hour, its middle by the clock of the place, and what was counted."""


def _known(counts: Mapping[datetime, float | None], since: datetime, until: datetime, time_zone: str) -> Iterator[Count]:
    if any(hour.timestamp() % 3600 for hour in counts):
        raise ValueError("counts are for whole hours of UTC")
    place = cron.zone(time_zone)
    hour = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if hour < since:
        hour += HOUR
    while hour + HOUR <= until:
        value = counts.get(hour, 0.0)
        if value is not None and isfinite(value):
            if value < 0:
                raise ValueError(f"a count below 0 at {hour}")
            yield hour, (hour + HALF).astimezone(place), value
        hour += HOUR


def _curve(known: Sequence[Count], until: datetime, time_zone: str, holidays: frozenset[date], declared: Declared | None) -> Curve:
    slots: list[list[tuple[float, float]]] = [[] for _ in range(HOURS)]
    for hour, local, value in known:
        if local.date() not in holidays:
            slots[_slot(local)].append((value, 0.5 ** ((until - hour) / (7 * DAY) / HALF_LIFE)))
    means, said = [_mean(slot) for slot in slots], _declared(declared)
    seen = [sum(weight for _value, weight in slot) for slot in slots]
    shares = [0.0 if said is None else _declared_share(weeks) for weeks in seen]
    level = [mean * (1 - share) + hours * share for mean, share, hours in zip(means, shares, said or [0.0] * HOURS, strict=True)]
    days = [sum(level[row : row + 24]) for row in range(0, HOURS, 24)]
    return Curve(
        time_zone,
        tuple(level),
        tuple(seen),
        sum(len(slot) for slot in slots) / HOURS,
        fmean(shares),
        _spread(slots, means),
        holidays,
        _on_holidays(known, level, holidays),
        frozenset(number for number, day in enumerate(days) if day > 0 and day >= BUSY_DAY * median(days)),
    )


def _declared_share(weeks: float) -> float:
    weight = DECLARED_WEIGHT * max(0.0, 1 - weeks / ENOUGH)
    return weight / (weight + weeks) if weight else 0.0


def _slot(local: datetime) -> int:
    return local.weekday() * 24 + local.hour


def _mean(slot: Sequence[tuple[float, float]]) -> float:
    """The weighted mean; from four values on the largest counts as the second largest, because an import of a night is not a habit."""
    if not slot:
        return 0.0
    ranked = sorted(value for value, _weight in slot)
    largest = ranked[-2] if len(ranked) >= 4 else ranked[-1]
    return sum(min(value, largest) * weight for value, weight in slot) / sum(weight for _value, weight in slot)


def _spread(slots: Sequence[Sequence[tuple[float, float]]], means: Sequence[float]) -> float:
    """Variance ÷ mean over all hours, 1 as for independent events where too little is known (quasi-Poisson, Wedderburn 1974)."""
    each = [(value - mean) ** 2 / mean for slot, mean in zip(slots, means, strict=True) if mean > 0 and len(slot) > 1 for value, _weight in slot]
    free = len(each) - sum(1 for slot, mean in zip(slots, means, strict=True) if mean > 0 and len(slot) > 1)
    kept = sorted(each)[: len(each) - len(each) // 100]
    return sum(kept) / free if free >= HOURS and sum(kept) > 0 else 1.0


def _on_holidays(known: Iterable[Count], level: Sequence[float], holidays: frozenset[date]) -> float | None:
    pairs = [(value, level[_slot(local)]) for _hour, local, value in known if local.date() in holidays]
    usual = sum(one for _value, one in pairs)
    return sum(value for value, _one in pairs) / usual if usual > 0 else None


def _declared(declared: Declared | None) -> list[float] | None:
    if declared is None:
        return None
    minutes = [0] * HOURS
    for rule in declared.hours:
        begins, ends = _minute(rule.opens), _minute(rule.closes)
        for day in rule.days:
            for minute in range(begins, ends if ends > begins else ends + 24 * 60):
                minutes[(day * 24 + minute // 60) % HOURS] += 1
    return [declared.users * min(spent, 60) / 60 for spent in minutes]


def _minute(moment: time) -> int:
    return moment.hour * 60 + moment.minute


def _peaks(known: Iterable[Count], curve: Curve) -> tuple[Peak, ...]:
    """Days of the month with more use than by chance, the surest first, each explained once (exact rank-sum test, Bonferroni's correction)."""
    left = _working_ratios(known, curve)
    found: list[Peak] = []
    while len(found) < MOST_PEAKS:
        groups: dict[tuple[By, int], list[date]] = {}
        for day in left:
            for key in _places(curve, day):
                groups.setdefault(key, []).append(day)
        tried = [_peak(key, [left[day] for day in days], [left[day] for day in left if day not in days], len(groups)) for key, days in groups.items()]
        best = min((one for one in tried if one is not None), key=lambda one: (one.chance, -one.factor), default=None)
        if best is None:
            break
        found.append(best)
        for day in groups[best.by, best.number]:
            del left[day]
    return tuple(found)


def _peak(key: tuple[By, int], values: Sequence[float], others: Sequence[float], tried: int) -> Peak | None:
    if len(values) < LEAST_MONTHS or len(others) < LEAST_MONTHS or median(values) < LEAST_FACTOR * median(others):
        return None
    likely = min(1.0, chance(others, values) * tried)
    return Peak(*key, round(median(values) / median(others), 3), len(values), likely) if likely <= UNLIKELY else None


def _working_ratios(known: Iterable[Count], curve: Curve) -> dict[date, float]:
    """Use ÷ what the curve expects, of each working day of which at least half is known."""
    seen: dict[date, float] = {}
    usual: dict[date, float] = {}
    for _hour, local, value in known:
        day = local.date()
        seen[day] = seen.get(day, 0.0) + value
        usual[day] = usual.get(day, 0.0) + curve.level[_slot(local)]
    whole = [sum(row) for row in heat_map(curve)]
    return {day: seen[day] / usual[day] for day in sorted(seen) if _works(curve, day) and usual[day] > whole[day.weekday()] / 2}


def _works(curve: Curve, day: date) -> bool:
    return day.weekday() in curve.working_days and day not in curve.holidays


def _places(curve: Curve, day: date) -> Iterator[tuple[By, int]]:
    yield By.DAY, day.day
    if _works(curve, day):
        first = day.replace(day=1)
        days = [first + number * DAY for number in range(31)]
        working = [one for one in days if one.month == day.month and _works(curve, one)]
        at = working.index(day)
        yield By.WORKING_DAY, at + 1
        yield By.WORKING_DAY_LEFT, len(working) - at


def _peak_factor(curve: Curve, day: date) -> float:
    """1 on usual days; the largest where several peaks meet."""
    if not curve.peaks or not _works(curve, day):
        return 1.0
    places = set(_places(curve, day))
    return max((peak.factor for peak in curve.peaks if (peak.by, peak.number) in places), default=1.0)


def _load(curve: Curve, hour: datetime, local: datetime, factor: float) -> Load:
    slot = _slot(local)
    level, weeks = curve.level[slot] * factor, curve.seen[slot]
    if local.date() in curve.holidays:
        quietest = min(range(7), key=lambda day: sum(curve.level[day * 24 : day * 24 + 24]))
        level = curve.level[quietest * 24 + local.hour] if curve.on_holidays is None else level * curve.on_holidays
    # Where nobody was ever seen there may still be somebody: less the longer nobody was.
    doubt = fmean(curve.level) / (weeks + 1)
    half = P90 * sqrt(curve.spread * (level + doubt) * (1 + 1 / (weeks + 1)) + (level / (weeks + 1)) ** 2)
    return Load(hour, level, max(0.0, level - half), level + half)
