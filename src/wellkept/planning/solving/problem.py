"""What is to be placed in time, and a plan that does it. Moments are in UTC; durations are seconds; costs are user-minutes.

A user-minute is one active user disturbed for one minute. Everything that is weighed is said in it: how much a start disturbs, what a day of waiting
costs, what leaving a job out costs, what an hour on call costs. Money and hours of people are limits, not costs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from graphlib import CycleError, TopologicalSorter
from itertools import accumulate

from wellkept.lib.text import Message, Told, gettext_noop
from wellkept.planning import windows
from wellkept.planning.windows import Opening

HOUR = 3600
MINUTE = 60
DAY = 86_400


class InvalidProblem(Told, ValueError):
    """What is to be planned makes no sense; the sentence says which job, person or number and why."""


@dataclass(frozen=True)
class After:
    """Starts after another job: at least ``least`` seconds after its end by p90, and at most ``most`` after its likely end (p50)."""

    job: str
    least: float = 0.0
    most: float | None = None


@dataclass(frozen=True)
class Job:
    """One piece of work: where, how long (p50 and p90 in seconds), when it may be done, whom and what it needs, and what it is worth.

    ``openings`` are as planning.windows gives them: joined, in order, without freezes. ``disturbs`` is the share of the active users who notice it.
    ``attention`` is how long, from its start, one person with all of ``skills`` is bound. ``value`` is what leaving it out costs, ``urgency`` what
    every day after ``release`` costs.
    """

    id: str
    system: str
    environment: str
    kind: str
    p50: float
    p90: float
    release: datetime
    deadline: datetime
    openings: tuple[Opening, ...]
    host: str = ""
    disturbs: float = 1.0
    skills: frozenset[str] = frozenset()
    attention: float = 0.0
    value: float = 1_000_000.0
    urgency: float = 0.0
    money: float = 0.0
    after: tuple[After, ...] = ()


@dataclass(frozen=True)
class Person:
    """Somebody who can be bound: with which skills, and when (at work, or on call outside of it), but for absences."""

    name: str
    skills: frozenset[str]
    works: tuple[Opening, ...]
    absences: tuple[Opening, ...] = ()
    on_call: tuple[Opening, ...] = ()


@dataclass(frozen=True)
class Problem:
    """All of it, from ``starts`` to ``ends``. ``users``: expected active users of each system, hour by hour from ``starts`` on.

    ``hours`` and ``money`` limit the attention and the money of all jobs that are placed; None is no limit. ``on_call`` is the cost of an hour of
    somebody who is on call.
    """

    starts: datetime
    ends: datetime
    jobs: tuple[Job, ...]
    people: tuple[Person, ...]
    users: Mapping[str, Sequence[float]]
    hours: float | None = None
    money: float | None = None
    on_call: float = 60.0


@dataclass(frozen=True)
class Placement:
    """Where a job was put: its start, its likely end (p50) and the end to plan with (p90), who is bound, what it costs, and why there."""

    job: str
    starts: datetime
    likely_end: datetime
    latest_end: datetime
    person: str | None
    cost: float
    reasons: tuple[Message, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Placements and what found no place, with its reasons, both by job; ``objective`` is the cost of all, ``bound`` what no plan can be below.

    Both hold for the grid of starts it was made on. ``proven`` says that no plan on it is better.
    """

    placements: Mapping[str, Placement]
    unplaced: Mapping[str, tuple[Message, ...]]
    objective: float
    bound: float
    proven: bool
    seconds: float

    @property
    def gap(self) -> float:
        """By which share of its cost the plan may be worse than the best one (0 … 1)."""
        return (self.objective - self.bound) / self.objective if self.objective > 0 else 0.0


@dataclass(frozen=True)
class Shifts:
    """When a person can be bound: at work, and at all (on call, too)."""

    working: tuple[Opening, ...]
    reachable: tuple[Opening, ...]


@dataclass(frozen=True)
class Costs:
    """What each start costs; made once, because it sums the users of every system."""

    problem: Problem
    sums: Mapping[str, list[float]] = field(repr=False)

    def of(self, job: Job, starts: datetime, *, on_call: bool = False) -> float:
        """The user-minutes of a start: users × minutes up to the end by p90, days of waiting, and the hours on call; each to a tenth."""
        begin = (starts - self.problem.starts).total_seconds()
        disturbed = (self._until(job.system, begin + job.p90) - self._until(job.system, begin)) * job.disturbs
        waited = max(0.0, (starts - job.release).total_seconds()) / DAY * job.urgency
        return round(round(disturbed + waited, 1) + (self.call(job) if on_call else 0.0), 1)

    def call(self, job: Job) -> float:
        """The user-minutes of somebody who is on call for it."""
        return round(job.attention / HOUR * self.problem.on_call, 1)

    def _until(self, system: str, seconds: float) -> float:
        sums = self.sums[system]
        seconds = min(max(seconds, 0.0), (len(sums) - 1) * HOUR)
        hour = min(int(seconds // HOUR), len(sums) - 2)
        return sums[hour] + (sums[hour + 1] - sums[hour]) * (seconds - hour * HOUR) / HOUR


def costs(problem: Problem) -> Costs:
    """The costs of all starts of a checked problem."""
    return Costs(problem, {system: list(accumulate((one * MINUTE for one in hourly), initial=0.0)) for system, hourly in problem.users.items()})


def placed(job: Job, starts: datetime, person: str | None, cost: float) -> Placement:
    """The job at that start."""
    return Placement(job.id, starts, starts + timedelta(seconds=job.p50), starts + timedelta(seconds=job.p90), person, cost)


def shifts(problem: Problem) -> dict[str, Shifts]:
    """When each person can be bound."""
    return {one.name: Shifts(_without(one.works, one, problem), _without((*one.works, *one.on_call), one, problem)) for one in problem.people}


def covers(spans: Sequence[Opening], starts: datetime, seconds: float) -> bool:
    """Whether one of the spans holds all of that time."""
    ends = starts + timedelta(seconds=seconds)
    return any(one.starts <= starts and ends <= one.ends for one in spans)


def checked(problem: Problem) -> Problem:
    """The same problem. Raises InvalidProblem with the first thing about it that makes no sense."""
    for moment in _moments(problem):
        utc(moment)
    wrong = next(_wrong(problem), None)
    if wrong is not None:
        raise wrong
    return problem


def utc(moment: datetime) -> datetime:
    """The same moment. Raises InvalidProblem when it is not in UTC: sums and differences in a place go by its wall clock, through its changes."""
    if moment.tzinfo is not UTC:
        raise InvalidProblem(gettext_noop("{moment} is not in UTC"), moment=moment.isoformat())
    return moment


def _moments(problem: Problem) -> Iterator[datetime]:
    yield from (problem.starts, problem.ends)
    spans = [span for job in problem.jobs for span in job.openings]
    spans += [span for person in problem.people for span in (*person.works, *person.absences, *person.on_call)]
    yield from (edge for span in spans for edge in (span.starts, span.ends))
    yield from (edge for job in problem.jobs for edge in (job.release, job.deadline))


def _without(spans: tuple[Opening, ...], person: Person, problem: Problem) -> tuple[Opening, ...]:
    return tuple(windows.openings([], spans, person.absences, problem.starts))


def _wrong(problem: Problem) -> Iterator[InvalidProblem]:
    if not problem.starts < problem.ends:
        yield InvalidProblem(gettext_noop("what is planned has to end after it starts"))
    hours = (problem.ends - problem.starts).total_seconds() / HOUR
    known = {job.id for job in problem.jobs}
    if len(known) < len(problem.jobs) or len({person.name for person in problem.people}) < len(problem.people):
        yield InvalidProblem(gettext_noop("two jobs or two people have the same name"))
    for job in problem.jobs:
        if not 0 < job.p50 <= job.p90 or min(job.attention, job.value, job.urgency, job.money, job.disturbs) < 0:
            yield InvalidProblem(gettext_noop("the durations, costs or hours of {job} make no sense"), job=job.id)
        if len(problem.users.get(job.system, ())) < hours:
            yield InvalidProblem(gettext_noop("nothing says how many users of {system} are expected in every hour"), system=job.system)
        missing = next((one.job for one in job.after if one.job not in known), None)
        if missing is not None:
            yield InvalidProblem(gettext_noop("{job} comes after {other}, which is not to be planned"), job=job.id, other=missing)
    try:
        TopologicalSorter({job.id: [one.job for one in job.after] for job in problem.jobs}).prepare()
    except CycleError as error:
        yield InvalidProblem(gettext_noop("{jobs} wait for each other"), jobs=list(error.args[1]))
