"""A cron expression in words, in the reader's language. What no sentence fits is shown as the expression itself, never as a wrong sentence."""

import itertools
from collections.abc import Mapping
from typing import Any

from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from wellkept.planning.cron import FIELDS

DAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MOST_TIMES = 4
EVERY_HOUR = 24
EVERY_MINUTE = 60


def describe(cron: str, time_zone: str) -> str:
    """The normal expression (five fields) as a sentence with its time zone."""
    return _("{when} ({time_zone})").format(when=when(cron), time_zone=time_zone)


def when(cron: str) -> str:
    """The normal expression as words, without the time zone; "once" for the empty one."""
    if not cron:
        return _("once")
    parts = cron.lower().split(" ")
    if len(parts) != FIELDS:
        return cron
    minute, hour, day, month, weekday = parts
    days = _days(day, month, weekday)
    if days is None:
        return cron
    times = _times(minute, hour)
    if times is not None:
        return _("{days} at {times}").format(days=days, times=", ".join(times))
    interval = _interval(minute, hour)
    if interval is None:
        return cron
    return interval if (day, month, weekday) == ("*", "*", "*") else _("{interval}, {days}").format(interval=interval, days=days)


def worded(stored: Mapping[str, Any]) -> Mapping[str, Any]:
    """A stored sentence with the expression in it as words."""
    params = stored.get("params")
    cron = params.get("cron") if isinstance(params, dict) else None
    return {**stored, "params": {**stored["params"], "cron": when(cron)}} if isinstance(cron, str) else stored


def _times(minute: str, hour: str) -> list[str] | None:
    minutes, hours = _numbers(minute), _numbers(hour)
    if not minutes or not hours or len(minutes) * len(hours) > MOST_TIMES:
        return None
    return [f"{at:02d}:{past:02d}" for at, past in itertools.product(hours, minutes)]


def _interval(minute: str, hour: str) -> str | None:
    past = _numbers(minute)
    single = past[0] if past and len(past) == 1 else None
    minutes, hours = _step(minute, EVERY_MINUTE), _step(hour, EVERY_HOUR)
    if minutes is not None and hour == "*":
        return ngettext("every minute", "every {count} minutes", minutes).format(count=minutes)
    if single is not None and hours is not None:
        return ngettext("every hour at minute {minute}", "every {count} hours at minute {minute}", hours).format(count=hours, minute=single)
    return None


def _days(day: str, month: str, weekday: str) -> str | None:
    if month != "*" or (day != "*" and weekday != "*"):
        return None
    if day == weekday == "*":
        return _("every day")
    if day != "*":
        numbers = _numbers(day)
        return _("on day {days} of every month").format(days=", ".join(map(str, numbers))) if numbers else None
    return _weekdays(weekday)


def _weekdays(text: str) -> str | None:
    for number, name in enumerate(DAY_NAMES):
        text = text.replace(name, str(number))
    first, _dash, last = text.partition("-")
    if first.isdecimal() and last.isdecimal() and int(first) % 7 != int(last) % 7:
        return _("from {first} to {last}").format(first=_name(int(first)), last=_name(int(last)))
    numbers = _numbers(text)
    return _("every {days}").format(days=", ".join(map(_name, numbers))) if numbers else None


def _name(number: int) -> str:
    return str(WEEKDAYS[(number - 1) % 7])


def _numbers(text: str) -> list[int] | None:
    parts = text.split(",")
    return [int(part) for part in parts] if all(part.isdecimal() for part in parts) else None


def _step(text: str, whole: int) -> int | None:
    """The n of ``*/n`` when it divides the whole evenly (``*/7`` minutes is no interval: it starts anew each hour); 1 for ``*``."""
    if text == "*":
        return 1
    star, _slash, number = text.partition("/")
    return int(number) if star == "*" and number.isdecimal() and int(number) > 0 and whole % int(number) == 0 else None
