"""Small problems, written short: hours from a Monday on."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from wellkept.planning.solving.problem import After, Job, Person, Problem
from wellkept.planning.windows import Opening

START = datetime(2026, 11, 23, tzinfo=UTC)
HOUR = 3600


def at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


def span(begins: float, ends: float) -> Opening:
    return Opening(at(begins), at(ends))


def job(name: str, hours: float = 1, *, windows: Sequence[tuple[float, float]] = ((0, 12),), **more: Any) -> Job:
    """Takes so many hours by p90 and half of that by p50; on a system and an environment of its own unless said otherwise."""
    usual = {
        "id": name,
        "system": "erp",
        "environment": name,
        "kind": "preventive",
        "p50": hours * HOUR / 2,
        "p90": hours * HOUR,
        "release": START,
        "deadline": at(1000),
        "openings": tuple(span(*one) for one in windows),
        "value": 10_000.0,
    }
    return Job(**{**usual, **more})


def after(name: str, least: float = 0, most: float | None = None) -> tuple[After, ...]:
    return (After(name, least * HOUR, None if most is None else most * HOUR),)


def person(name: str, *skills: str, works: tuple[float, float] = (0, 100), **more: Any) -> Person:
    return Person(name, frozenset(skills), (span(*works),), **more)


def problem(*jobs: Job, people: Sequence[Person] = (), users: Sequence[float] = (), hours: int = 12, **more: Any) -> Problem:
    """One system with that many users in each hour, one after the other; without any, as many as the number of the hour."""
    return Problem(START, at(hours), jobs, tuple(people), {"erp": list(users) or list(range(hours))}, **more)
