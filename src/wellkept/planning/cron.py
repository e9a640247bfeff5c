"""Moments of a cron expression in a time zone, through changes of the clock.

A local time that does not exist (the clock jumps forward) happens at the moment of the jump; one that exists twice (the clock goes back) happens the
first time only. Expressions whose hour is ``*`` or ``*/n`` mean an interval and happen both times, so that no gap of two hours opens;
with ``*`` a time that does not exist is left out, because the next one is an hour later anyway.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadDateError, CroniterError, croniter

from wellkept.lib.text import Told, gettext_noop

FIELDS = 5
FIELD = re.compile(r"[0-9A-Za-z*,/\-]+\Z")
CHANCE = re.compile(r"(?i)(?<![a-z])[hr](?![a-z])")
NAMES = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *"}
SOON = timedelta(hours=3)


@dataclass(frozen=True)
class Times:
    """Times of a wall clock, and what becomes of them where it is changed.

    ``since`` gives them from a time (naive) on, in order. ``repeats``: what the clock shows twice happens both times. ``drops``: what it skips is
    left out, not done at the jump.
    """

    since: Callable[[datetime], Iterator[datetime]]
    repeats: bool = False
    drops: bool = False


class InvalidCron(Told, ValueError):
    """The expression or the time zone cannot be used; the sentence says which and why."""


def zone(name: str) -> ZoneInfo:
    """The time zone of that name (IANA). Raises InvalidCron when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidCron(gettext_noop("“{name}” is not a time zone; write one like Europe/Zurich or Asia/Taipei"), name=name) from error


def normal(expression: str) -> str:
    """The expression as five fields with single spaces. Raises InvalidCron when it is none or never happens."""
    text = " ".join(NAMES.get(expression.strip().lower(), expression).split())
    parts = text.split(" ")
    if len(parts) != FIELDS or CHANCE.search(text) or not all(FIELD.match(part) for part in parts):
        raise InvalidCron(
            gettext_noop("“{expression}” is not a cron expression; write five fields: minute hour day month weekday"), expression=expression
        )
    try:
        croniter(text, datetime(2000, 1, 1, tzinfo=UTC)).get_next(datetime)
    except CroniterBadDateError as error:
        raise InvalidCron(gettext_noop("“{expression}” never happens"), expression=expression) from error
    except (CroniterError, ValueError, KeyError) as error:
        raise InvalidCron(gettext_noop("“{expression}” is not a cron expression: {reason}"), expression=expression, reason=str(error)) from error
    return text


def next_after(expression: str, time_zone: str, moment: datetime) -> datetime:
    """The first occurrence after the moment (aware), in UTC. Raises InvalidCron."""
    found = next(upcoming(expression, time_zone, moment), None)
    if found is None:
        raise InvalidCron(gettext_noop("“{expression}” never happens again"), expression=expression)
    return found


def upcoming(expression: str, time_zone: str, after: datetime) -> Iterator[datetime]:
    """All occurrences after a moment, in UTC."""
    return moments(times(expression), zone(time_zone), after)


def times(expression: str) -> Times:
    """The times of the wall clock that match a normal expression."""
    hours = expression.split(" ")[1]
    return Times(lambda start: _wall_times(expression, start - timedelta(microseconds=1)), repeats=hours.startswith("*"), drops=hours == "*")


def moments(wall: Times, place: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """When these times happen in a place: the moments after ``after`` (aware), in UTC, in order, each once."""
    for moment in _with_second_passes(wall, place, after.astimezone(place).replace(tzinfo=None) - _set_back(place, after)):
        if moment > after:
            after = moment
            yield moment


def instant(local: datetime, place: ZoneInfo, fold: int = 0) -> datetime:
    """The moment (UTC) of a wall-clock time; one that the clock skips happens when the clock jumps."""
    found = local.replace(tzinfo=place, fold=fold).astimezone(UTC)
    if found.astimezone(place).replace(tzinfo=None) == local:
        return found
    return _jump(local.replace(tzinfo=place, fold=1).astimezone(UTC), local.replace(tzinfo=place, fold=0).astimezone(UTC), place)


def exists(local: datetime, place: ZoneInfo) -> bool:
    """Whether the clock of the place ever shows this time."""
    return local.replace(tzinfo=place).astimezone(UTC).astimezone(place).replace(tzinfo=None) == local


def _with_second_passes(wall: Times, place: ZoneInfo, start: datetime) -> Iterator[datetime]:
    later: deque[datetime] = deque()
    for local in wall.since(start):
        if wall.drops and not exists(local, place):
            continue
        first = instant(local, place)
        while later and later[0] < first:
            yield later.popleft()
        yield first
        if wall.repeats and instant(local, place, fold=1) > first:
            later.append(instant(local, place, fold=1))
    yield from later


def _wall_times(expression: str, start: datetime) -> Iterator[datetime]:
    """Wall-clock times that match, after ``start``; the calendar of UTC has no jumps, so it serves to count them."""
    times = croniter(expression, start.replace(tzinfo=UTC))
    while True:
        try:
            yield times.get_next(datetime).replace(tzinfo=None)
        except CroniterBadDateError:
            return


def _set_back(place: ZoneInfo, moment: datetime) -> timedelta:
    """How far the clock goes back within the next hours: wall-clock times that are past may then come again."""
    now, soon = moment.astimezone(place).utcoffset(), (moment + SOON).astimezone(place).utcoffset()
    return max((now or timedelta()) - (soon or timedelta()), timedelta())


def _jump(before: datetime, after: datetime, place: ZoneInfo) -> datetime:
    """The moment between two at which the offset changes, to the second."""
    offset = before.astimezone(place).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(place).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after
