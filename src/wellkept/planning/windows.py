"""When work may be done: weekly and single openings, joined where they touch, without what is frozen.

Weekly ones go by the clock of a place. A time that the clock skips counts as the moment of the jump, and one that it shows twice as the first of the
two, so that a window rather closes too early.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from wellkept.planning import cron

AHEAD = 400
DAY = timedelta(days=1)


@dataclass(frozen=True, order=True)
class Opening:
    """From a moment up to another one, both aware; the second does not belong to it."""

    starts: datetime
    ends: datetime


@dataclass(frozen=True)
class Weekly:
    """Opens on these weekdays (0 is Monday) and closes at ``closes``: of the next day where that is not after ``opens``."""

    days: frozenset[int]
    opens: time
    closes: time
    time_zone: str


def openings(weekly: Iterable[Weekly], single: Iterable[Opening], freezes: Iterable[Opening], after: datetime) -> list[Opening]:
    """What is open at ``after`` or opens within AHEAD days after it, in order; what lasts longer ends there. Raises InvalidCron for a time zone."""
    found = [*single]
    for rule in weekly:
        found += _by_the_clock(rule, after)
    return [one for one in _without(_joined(found), _joined(freezes)) if one.ends > after]


def holding(spans: Sequence[Opening], moment: datetime) -> Opening | None:
    """The one in which the moment is."""
    return next((one for one in spans if one.starts <= moment < one.ends), None)


def _by_the_clock(rule: Weekly, after: datetime) -> Iterator[Opening]:
    place = cron.zone(rule.time_zone)
    first: date = after.astimezone(place).date() - 2 * DAY
    overnight = DAY if rule.closes <= rule.opens else timedelta()
    for day in (first + number * DAY for number in range(AHEAD)):
        if day.weekday() in rule.days:
            starts = cron.instant(datetime.combine(day, rule.opens), place)
            ends = cron.instant(datetime.combine(day + overnight, rule.closes), place)
            if starts < ends:
                yield Opening(starts, ends)


def _joined(spans: Iterable[Opening]) -> list[Opening]:
    made: list[Opening] = []
    for one in sorted(spans):
        if made and one.starts <= made[-1].ends:
            made[-1] = Opening(made[-1].starts, max(made[-1].ends, one.ends))
        else:
            made.append(one)
    return made


def _without(spans: Iterable[Opening], freezes: Sequence[Opening]) -> Iterator[Opening]:
    for one in spans:
        begins = one.starts
        for freeze in freezes:
            if freeze.ends <= begins or freeze.starts >= one.ends:
                continue
            if begins < freeze.starts:
                yield Opening(begins, freeze.starts)
            begins = freeze.ends
        if begins < one.ends:
            yield Opening(begins, one.ends)
