"""What a plan must not break, by the clock and one job at a time. It knows nothing of grids and solvers, so it can judge what they make.

The same rules say why a start is impossible: each broken one is a sentence.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from wellkept.lib.text import Message, gettext_noop, message
from wellkept.planning.solving.problem import HOUR, After, Job, Person, Placement, Plan, Problem, Shifts, covers, shifts


@dataclass(frozen=True)
class Broken:
    """A rule that a job breaks: its name, the job, the other job it has to do with, if any, and the sentence."""

    rule: str
    job: str
    other: str | None
    message: Message


@dataclass(frozen=True)
class Taken:
    """From when to when a job takes something."""

    starts: datetime
    ends: datetime
    job: str


@dataclass(frozen=True)
class Board:
    """A plan's placements, looked up by what they take, with the attention and the money of all."""

    problem: Problem
    jobs: Mapping[str, Job]
    placements: Mapping[str, Placement]
    taken: Mapping[tuple[str, str], Sequence[Taken]]
    shifts: Mapping[str, Shifts]
    followers: Mapping[str, Sequence[tuple[Job, After]]]
    attention: float
    money: float


def board(problem: Problem, placements: Mapping[str, Placement]) -> Board:
    """The placements of a problem, ready to be asked; those of jobs that are no part of it take nothing."""
    jobs = {job.id: job for job in problem.jobs}
    placements = {name: one for name, one in placements.items() if name in jobs}
    taken: dict[tuple[str, str], list[Taken]] = {}
    followers: dict[str, list[tuple[Job, After]]] = {}
    for one in placements.values():
        for key in takes(jobs[one.job], one.person):
            lasts = jobs[one.job].attention if key[0] == "person" else jobs[one.job].p90
            taken.setdefault(key, []).append(Taken(one.starts, one.starts + timedelta(seconds=lasts), one.job))
    for job in problem.jobs:
        for after in job.after:
            followers.setdefault(after.job, []).append((job, after))
    attention, money = (sum(getattr(jobs[name], need) for name in placements) for need in ("attention", "money"))
    return Board(problem, jobs, placements, taken, shifts(problem), followers, attention, money)


def takes(job: Job, person: str | None) -> Iterator[tuple[str, str]]:
    """What the job has for itself while it runs."""
    yield "environment", job.environment
    if job.host:
        yield "host", job.host
    if person is not None:
        yield "person", person


def check(problem: Problem, plan: Plan) -> list[Broken]:
    """Every rule that the plan breaks. A collision of two jobs is named once for each."""
    asked = board(problem, plan.placements)
    found = [_forgotten(job) for job in problem.jobs if job.id not in plan.placements and job.id not in plan.unplaced]
    for one in asked.placements.values():
        found += broken(asked, asked.jobs[one.job], one.starts, one.person)
    return found


def broken(asked: Board, job: Job, starts: datetime, person: str | None) -> list[Broken]:
    """The rules that the job would break at that start with that person, everything else as it is on the board."""
    return list(_broken(asked, job, starts, person))


def possible(asked: Board, job: Job, starts: datetime, person: str | None) -> bool:
    """Whether it would break none."""
    return next(_broken(asked, job, starts, person), None) is None


def best_person(asked: Board, job: Job, starts: datetime) -> str | None:
    """Who is busy with the least there: somebody at work before somebody on call; None where nobody is needed, or nobody able is there."""
    there = _able(asked, job, starts) if job.attention else []
    return min(there, key=lambda one: _fit(asked, job, starts, one)).name if there else None


def _able(asked: Board, job: Job, starts: datetime) -> list[Person]:
    people = (one for one in asked.problem.people if job.skills <= one.skills)
    return [one for one in people if covers(asked.shifts[one.name].reachable, starts, job.attention)]


def is_on_call(asked: Board, job: Job, starts: datetime, person: str | None) -> bool:
    """Whether the person would have to be called outside of the working hours."""
    return person is not None and not covers(asked.shifts[person].working, starts, job.attention)


def _broken(asked: Board, job: Job, starts: datetime, person: str | None) -> Iterator[Broken]:
    yield from _in_time(asked.problem, job, starts)
    yield from _order(asked, job, starts)
    yield from _limits(asked, job)
    yield from _collisions(asked, job, starts)
    yield from _person(asked, job, starts, person)


def _fit(asked: Board, job: Job, starts: datetime, person: Person) -> tuple[int, bool, str]:
    return len(list(_person(asked, job, starts, person.name))), is_on_call(asked, job, starts, person.name), person.name


def _forgotten(job: Job) -> Broken:
    return Broken("forgotten", job.id, None, message(gettext_noop("the plan says nothing about {job}"), job=job.id))


def _in_time(problem: Problem, job: Job, starts: datetime) -> Iterator[Broken]:
    ends = starts + timedelta(seconds=job.p90)
    if starts < max(job.release, problem.starts):
        yield Broken(
            "release", job.id, None, message(gettext_noop("it may not start before {moment}"), moment=shown(max(job.release, problem.starts)))
        )
    if ends > min(job.deadline, problem.ends):
        yield Broken("deadline", job.id, None, message(gettext_noop("it has to end by {moment}"), moment=shown(min(job.deadline, problem.ends))))
    if not covers(job.openings, starts, job.p90):
        said = message(gettext_noop("no window is open from {starts} to {ends}"), starts=shown(starts), ends=shown(ends))
        yield Broken("opening", job.id, None, said)


def _collisions(asked: Board, job: Job, starts: datetime) -> Iterator[Broken]:
    named: set[str] = set()
    for kind, name in takes(job, None):
        for other in _overlapping(asked, (kind, name), job, starts, job.p90):
            if other.job not in named:
                named.add(other.job)
                yield Broken(kind, job.id, other.job, message(gettext_noop("{name} is taken by {other}"), name=name, other=other.job))


def _overlapping(asked: Board, key: tuple[str, str], job: Job, starts: datetime, seconds: float) -> Iterator[Taken]:
    """Who else takes the same at the same time; a person is taken for as long as the attention lasts."""
    ends = starts + timedelta(seconds=seconds)
    return (other for other in asked.taken.get(key, ()) if starts < other.ends and other.starts < ends and other.job != job.id)


def _order(asked: Board, job: Job, starts: datetime) -> Iterator[Broken]:
    for after in job.after:
        before = asked.placements.get(after.job)
        if before is None:
            yield Broken("order", job.id, after.job, message(gettext_noop("it comes after {other}, which has no place"), other=after.job))
        else:
            yield from _lag(job.id, after, asked.jobs[after.job], before.starts, job.id, starts)
    for follower, after in asked.followers.get(job.id, ()):
        then = asked.placements.get(follower.id)
        if then is not None:
            yield from _lag(job.id, after, job, starts, follower.id, then.starts)


def _lag(broken: str, after: After, before: Job, begun: datetime, then: str, starts: datetime) -> Iterator[Broken]:
    """Whether ``then`` starts in time after the end of the one before; it is broken by either of the two."""
    likely_end, latest_end = (begun + timedelta(seconds=seconds) for seconds in (before.p50, before.p90))
    other = after.job if broken == then else then
    names = {"then": then, "before": after.job}
    if starts < latest_end:
        yield Broken("order", broken, other, message(gettext_noop("{then} has to start after the end of {before}"), **names))
    elif starts < latest_end + timedelta(seconds=after.least):
        said = message(gettext_noop("{then} has to start at least {hours} h after the end of {before}"), **names, hours=_hours(after.least))
        yield Broken("order", broken, other, said)
    elif after.most is not None and starts > likely_end + timedelta(seconds=after.most):
        said = message(gettext_noop("{then} has to start at most {hours} h after the end of {before}"), **names, hours=_hours(after.most))
        yield Broken("order", broken, other, said)


def _limits(asked: Board, job: Job) -> Iterator[Broken]:
    more = 0 if job.id in asked.placements else 1
    limit = asked.problem.hours
    if limit is not None and job.attention and asked.attention + more * job.attention > limit * HOUR:
        yield Broken("hours", job.id, None, message(gettext_noop("the budget of {hours} hours of people is used up"), hours=round(limit, 2)))
    limit = asked.problem.money
    if limit is not None and job.money and asked.money + more * job.money > limit:
        yield Broken("money", job.id, None, message(gettext_noop("the budget of {money} is used up"), money=round(limit, 2)))


def _person(asked: Board, job: Job, starts: datetime, name: str | None) -> Iterator[Broken]:
    if not job.attention:
        return
    if name is None:
        yield _nobody(asked, job, starts)
        return
    person = next((one for one in asked.problem.people if one.name == name), None)
    if person is None:
        yield Broken("away", job.id, None, message(gettext_noop("{person} is not there"), person=name))
        return
    if not job.skills <= person.skills:
        said = message(gettext_noop("{person} does not have the skills {skills}"), person=name, skills=sorted(job.skills - person.skills))
        yield Broken("skills", job.id, None, said)
    if not covers(asked.shifts[name].reachable, starts, job.attention):
        yield Broken("away", job.id, None, message(gettext_noop("{person} is not there"), person=name))
    for other in _overlapping(asked, ("person", name), job, starts, job.attention):
        yield Broken("person", job.id, other.job, message(gettext_noop("{person} is busy with {other}"), person=name, other=other.job))


def _nobody(asked: Board, job: Job, starts: datetime) -> Broken:
    if not any(job.skills <= one.skills for one in asked.problem.people):
        return Broken("skills", job.id, None, message(gettext_noop("nobody has the skills {skills}"), skills=sorted(job.skills)))
    if not _able(asked, job, starts):
        return Broken("away", job.id, None, message(gettext_noop("nobody who can do it is there")))
    return Broken("nobody", job.id, None, message(gettext_noop("nobody was chosen to do it")))


def shown(moment: datetime) -> str:
    """A moment in a stored sentence."""
    return moment.isoformat(timespec="minutes")


def _hours(seconds: float) -> float:
    return round(seconds / HOUR, 2)
