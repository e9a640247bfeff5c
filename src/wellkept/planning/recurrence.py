"""What comes again and again, in either of two notations: a cron expression, or a recurrence rule of iCalendar (RFC 5545, 2009, section 3.3.10).

A rule is two lines, ``DTSTART:20261123T020000`` and ``RRULE:FREQ=…``. Its times are those of the wall clock in a time zone that is kept beside it,
and where that clock is changed the same happens as with cron: rules by the hour or the minute are intervals, all others are times of a day. COUNT
counts what happens. DTSTART itself happens only when it fits the rule.

Nobody is asked to call in time. Whoever keeps the moment up to which was looked, and asks ``between`` from there and never keeps an earlier one, gets
every occurrence exactly once, whatever the steps and whatever the clock does meanwhile: a span that ends before it begins is empty.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import dropwhile, islice, takewhile
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from wellkept.lib.text import gettext_noop
from wellkept.planning import cron
from wellkept.planning.cron import InvalidCron

UNITS = {
    "MINUTELY": timedelta(minutes=1),
    "HOURLY": timedelta(hours=1),
    "DAILY": timedelta(days=1),
    "WEEKLY": timedelta(weeks=1),
    "MONTHLY": None,
    "YEARLY": None,
}
RANGES = {
    "INTERVAL": range(1, 1001),
    "COUNT": range(1, 10_001),
    "BYMONTH": range(1, 13),
    "BYWEEKNO": range(-53, 54),
    "BYYEARDAY": range(-366, 367),
    "BYMONTHDAY": range(-31, 32),
    "BYHOUR": range(24),
    "BYMINUTE": range(60),
    "BYSETPOS": range(-366, 367),
}
SINGLE = ("INTERVAL", "COUNT")
ORDER = ("FREQ", "UNTIL", *RANGES, "BYDAY", "WKST")
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
WEEKDAY = re.compile(r"([+-]?[1-9]\d?)?(MO|TU|WE|TH|FR|SA|SU)\Z")
NOT_WITH = {"BYWEEKNO": ("MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY"), "BYYEARDAY": ("DAILY", "WEEKLY", "MONTHLY"), "BYMONTHDAY": ("WEEKLY",)}
CYCLE = 400
LAST_YEAR = 9999


@dataclass(frozen=True)
class Rule:
    """A recurrence rule as it was read: its first possible time (naive) and its parts."""

    starts: datetime
    parts: dict[str, str]

    @property
    def text(self) -> str:
        """Its two lines, the parts in one order."""
        return f"DTSTART:{self.starts:%Y%m%dT%H%M%S}\nRRULE:{_line(self.parts)}"

    @property
    def interval(self) -> int:
        return int(self.parts.get("INTERVAL", "1"))

    def numbers(self, name: str) -> list[int]:
        return [int(one) for one in self.parts[name].split(",")] if name in self.parts else []


@dataclass(frozen=True)
class Pattern:
    """A rule as data for a sentence: every so many units, on which days, at which times (by the hour or minute: none), since and until when.

    ``unit`` is the word of the RFC (DAILY …); ``weekdays`` are pairs: which one of the month or year (0: each, -1: the last), and day (0: Monday).
    """

    unit: str
    every: int
    months: tuple[int, ...]
    days: tuple[int, ...]
    weekdays: tuple[tuple[int, int], ...]
    times: tuple[time, ...]
    starts: datetime
    until: str
    count: int | None


def normal(text: str) -> str:
    """The rule or expression as it is kept. Raises InvalidCron when it is none or never happens."""
    if not is_rule(text):
        return cron.normal(text)
    rule = read(text)
    until = _until(rule, ZoneInfo("UTC"))
    if next(_wall_times(rule, rule.starts), None) is None or (until is not None and until < rule.starts.replace(tzinfo=UTC) - timedelta(days=1)):
        raise InvalidCron(gettext_noop("“{expression}” never happens"), expression=text.strip())
    return rule.text


def upcoming(text: str, time_zone: str, after: datetime) -> Iterator[datetime]:
    """All occurrences of a normal rule or expression after a moment (aware), in UTC, in order. Raises InvalidCron."""
    place = cron.zone(time_zone)
    if not is_rule(text):
        return cron.moments(cron.times(text), place, after)
    rule = read(text)
    if "COUNT" in rule.parts:
        first = cron.instant(rule.starts, place) - timedelta(seconds=1)
        return dropwhile(lambda moment: moment <= after, islice(cron.moments(_times(rule), place, first), int(rule.parts["COUNT"])))
    found, until = cron.moments(_times(rule), place, after), _until(rule, place)
    return found if until is None else takewhile(lambda moment: moment <= until, found)


def next_after(text: str, time_zone: str, moment: datetime) -> datetime | None:
    """The first occurrence after the moment (aware), in UTC; None when it has come to its end. Raises InvalidCron."""
    return next(upcoming(text, time_zone, moment), None)


def between(text: str, time_zone: str, after: datetime, until: datetime) -> Iterator[datetime]:
    """The occurrences after ``after`` and not after ``until`` (both aware), in UTC, in order. Raises InvalidCron."""
    return takewhile(lambda moment: moment <= until, upcoming(text, time_zone, after))


def pattern(text: str) -> Pattern | None:
    """A rule as data for a sentence; None for an expression, and for what needs more than a sentence (days of the year, weeks, positions)."""
    if not is_rule(text):
        return None
    rule = read(text)
    unit = rule.parts["FREQ"]
    if rule.parts.keys() & {"BYYEARDAY", "BYWEEKNO", "BYSETPOS"} or (unit in {"MINUTELY", "HOURLY"} and rule.parts.keys() & {"BYHOUR", "BYMINUTE"}):
        return None
    hours, minutes = rule.numbers("BYHOUR") or [rule.starts.hour], rule.numbers("BYMINUTE") or [rule.starts.minute]
    days, weekdays = rule.numbers("BYMONTHDAY"), [_weekday(one) for one in rule.parts.get("BYDAY", "").split(",") if one]
    no_days = not days and not weekdays
    return Pattern(
        unit=unit,
        every=rule.interval,
        months=tuple(rule.numbers("BYMONTH") or ([rule.starts.month] if unit == "YEARLY" and no_days else [])),
        days=tuple([rule.starts.day] if no_days and unit in {"MONTHLY", "YEARLY"} else days),
        weekdays=tuple([(0, rule.starts.weekday())] if no_days and unit == "WEEKLY" else weekdays),
        times=() if unit in {"MINUTELY", "HOURLY"} else tuple(time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes)),
        starts=rule.starts,
        until=rule.parts.get("UNTIL", ""),
        count=int(rule.parts["COUNT"]) if "COUNT" in rule.parts else None,
    )


def is_rule(text: str) -> bool:
    """Whether it is written as a recurrence rule; otherwise it is a cron expression."""
    return text.lstrip().upper().startswith(("DTSTART", "RRULE"))


def read(text: str) -> Rule:
    """The parts of a recurrence rule. Raises InvalidCron with the part that is wrong."""
    lines = dict(line.partition(":")[::2] for line in text.upper().split())
    if lines.keys() != {"DTSTART", "RRULE"} or len(text.split()) != 2:
        raise InvalidCron(
            gettext_noop("“{rule}” is not a recurrence; write two lines, DTSTART:20261123T020000 and RRULE:FREQ=WEEKLY, without a time zone"),
            rule=text.strip(),
        )
    parts: dict[str, str] = {}
    for part in lines["RRULE"].rstrip(";").split(";"):
        name, _is, value = part.partition("=")
        if name in parts or not _fits(name, value):
            raise _wrong(part)
        parts[name] = value
    _check_together(parts)
    starts = _local(lines["DTSTART"])
    if starts is None or not 1970 <= starts.year <= LAST_YEAR - CYCLE:
        raise InvalidCron(gettext_noop("“{value}” is not a time; write one like 20261123T020000"), value=lines["DTSTART"])
    return Rule(starts, {name: parts[name] for name in ORDER if name in parts})


def _fits(name: str, value: str) -> bool:
    values = value.split(",")
    if name == "FREQ":
        return value in UNITS
    if name == "WKST":
        return value in WEEKDAYS
    if name == "UNTIL":
        return _local(value.removesuffix("Z")) is not None and ("T" in value or not value.endswith("Z"))
    if name == "BYDAY":
        return all(WEEKDAY.match(one) for one in values)
    whole = all(re.fullmatch(r"[+-]?\d{1,5}", one) for one in values) and (name not in SINGLE or len(values) == 1)
    return name in RANGES and whole and all(int(one) in RANGES[name] and (int(one) != 0 or RANGES[name].start == 0) for one in values)


def _check_together(parts: dict[str, str]) -> None:
    unit = parts.get("FREQ")
    if unit is None:
        raise _wrong("FREQ")
    if "COUNT" in parts and "UNTIL" in parts:
        raise _wrong(f"UNTIL={parts['UNTIL']}")
    for name, units in NOT_WITH.items():
        if name in parts and unit in units:
            raise _wrong(f"{name}={parts[name]}")
    numbered = {bool(_weekday(one)[0]) for one in parts["BYDAY"].split(",")} if "BYDAY" in parts else {False}
    if numbered == {True, False} or (numbered == {True} and unit not in {"MONTHLY", "YEARLY"}):  # both at once dateutil takes for never
        raise _wrong(f"BYDAY={parts['BYDAY']}")
    if "BYSETPOS" in parts and not any(name.startswith("BY") and name != "BYSETPOS" for name in parts):
        raise _wrong(f"BYSETPOS={parts['BYSETPOS']}")


def _wrong(part: str) -> InvalidCron:
    return InvalidCron(gettext_noop("“{part}” cannot be used in this recurrence"), part=part)


def _weekday(text: str) -> tuple[int, int]:
    return int(text[:-2] or 0), WEEKDAYS.index(text[-2:])


def _local(value: str) -> datetime | None:
    """A time of the wall clock; of a date alone its midnight."""
    form = "%Y%m%dT%H%M%S" if re.fullmatch(r"\d{8}T\d{6}", value) else "%Y%m%d" if re.fullmatch(r"\d{8}", value) else None
    try:
        return datetime.strptime(value, form) if form else None  # noqa: DTZ007 - the zone is kept beside it
    except ValueError:
        return None


def _until(rule: Rule, place: ZoneInfo) -> datetime | None:
    """The last moment at which the rule may happen; of a date its last second."""
    value = rule.parts.get("UNTIL", "")
    local = _local(value.removesuffix("Z"))
    if local is None:
        return None
    if "T" not in value:
        local = local.replace(hour=23, minute=59, second=59)
    return local.replace(tzinfo=UTC) if value.endswith("Z") else cron.instant(local, place)


def _times(rule: Rule) -> cron.Times:
    unit = rule.parts["FREQ"]
    interval = unit in {"MINUTELY", "HOURLY"}
    dense = interval and "BYHOUR" not in rule.parts and rule.interval * (UNITS[unit] or timedelta()) <= timedelta(hours=1)
    return cron.Times(lambda start: _wall_times(rule, start), repeats=interval, drops=dense)


def _wall_times(rule: Rule, start: datetime) -> Iterator[datetime]:
    """Wall-clock times of the rule from ``start`` on, without its end.

    A rule that fits no day is searched by dateutil until the year 9999. The calendar repeats every 400 years, weekdays included, so the search is
    moved to the last such cycle: it then ends after at most 400 years of days, not after 8,000.
    """
    begins = _near(rule, start)
    years = (LAST_YEAR - begins.year) // CYCLE * CYCLE
    kept = {name: value for name, value in rule.parts.items() if name not in {"COUNT", "UNTIL"}}
    try:
        times = rrulestr(f"RRULE:{_line(kept)}", dtstart=begins.replace(year=begins.year + years))
    except ValueError as error:  # its hours and minutes are never reached in its steps
        raise InvalidCron(gettext_noop("“{expression}” never happens"), expression=rule.text) from error
    for found in times:
        local = found.replace(year=found.year - years)
        if local >= start:
            yield local


def _near(rule: Rule, start: datetime) -> datetime:
    """A time from which the rule goes on as from its own start, shortly before ``start``: dateutil counts one by one from where a rule begins."""
    unit = UNITS[rule.parts["FREQ"]]
    if unit is None:
        return rule.starts
    step = unit * rule.interval
    return rule.starts + max(0, (start - rule.starts) // step - 1) * step


def _line(parts: dict[str, str]) -> str:
    return ";".join(f"{name}={value}" for name, value in parts.items())
