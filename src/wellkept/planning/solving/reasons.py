"""Why a job is where it is, why another has no place and what would free it, and what a change does to a plan, in the words of the rules."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from wellkept.lib.text import Message, gettext_noop, message
from wellkept.planning.solving import rules
from wellkept.planning.solving.grid import SCALE, Grid
from wellkept.planning.solving.problem import HOUR, Job, Placement, Plan, Problem
from wellkept.planning.solving.rules import Board, Broken, shown

MOST_COLLISIONS = 4
MOST_WAYS_OUT = 3


@dataclass(frozen=True)
class Consequence:
    """What a change did to a job: ``moved``, ``dropped``, ``gained`` or ``broken``; without a job what it did to the whole: ``cost``."""

    kind: str
    job: str | None
    message: Message


@dataclass(frozen=True)
class _Start:
    """A start that could be: its moment, its cost with whoever fits best, and the rules it would break."""

    moment: datetime
    cost: float
    broken: tuple[Broken, ...]


def explained(grid: Grid, plan: Mapping[str, Placement]) -> tuple[dict[str, tuple[Message, ...]], ...]:
    """The reasons of every placement, and of every job without one."""
    asked = rules.board(grid.problem, plan)
    placed = {name: why(asked, grid, one) for name, one in plan.items()}
    return placed, {name: why_not(asked, grid, task.job) for name, task in grid.tasks.items() if name not in plan}


def why(asked: Board, grid: Grid, placement: Placement) -> tuple[Message, ...]:
    """What a placement costs, what bound it, and what the next best start would cost; all other jobs stay where they are."""
    cost = message(gettext_noop("it costs {cost} user-minutes, by p90"), cost=placement.cost)
    job = asked.jobs[placement.job]
    best = min(_moments(grid, job), key=lambda moment: (grid.costs.of(job, moment), moment), default=placement.starts)
    return cost, *_bound(placement, _start(asked, grid, job, best)), _next_best(placement, _free(asked, grid, placement))


def _bound(placement: Placement, best: _Start) -> Iterator[Message]:
    """What keeps it from its cheapest start; where nothing does, the next best start says so."""
    if best.cost >= placement.cost or best.moment == placement.starts:
        yield message(gettext_noop("no start costs less"))
    elif best.broken:
        template = gettext_noop("at {start} it would cost {less} user-minutes less, but: {reasons}")
        less = round(placement.cost - best.cost, 1)
        yield message(template, start=shown(best.moment), less=less, reasons=_sentences(best))


def _next_best(placement: Placement, free: _Start | None) -> Message:
    if free is None:
        return message(gettext_noop("no other start is possible while the rest stays"))
    more = round(free.cost - placement.cost, 1)
    if more < 0:
        template = gettext_noop("{start} is free and would cost {less} user-minutes less: the search ended before that was tried")
        return message(template, start=shown(free.moment), less=-more)
    return message(gettext_noop("the next best start, {start}, would cost {more} user-minutes more"), start=shown(free.moment), more=more)


def _free(asked: Board, grid: Grid, placement: Placement) -> _Start | None:
    """The cheapest other start that breaks nothing; of what is fixed, all of the horizon is looked at."""
    job, task = asked.jobs[placement.job], grid.tasks.get(placement.job)
    if task is None:
        starts = (_start(asked, grid, job, moment) for moment in _moments(grid, job) if moment != placement.starts)
        return min((one for one in starts if not one.broken), key=lambda one: (one.cost, one.moment), default=None)
    for cost, slot, person in sorted((cost, slot, way.person or "") for way in task.ways for slot, cost in way.costs.items()):
        moment = grid.moment(slot)
        if moment != placement.starts and rules.possible(asked, job, moment, person or None):
            return _Start(moment, cost / SCALE, ())
    return None


def why_not(asked: Board, grid: Grid, job: Job) -> tuple[Message, ...]:
    """What collides for a job without a place, and at which starts the least is in the way, so that taking that away would free it."""
    starts = [_start(asked, grid, job, moment) for moment in _moments(grid, job)]
    free = min((one for one in starts if not one.broken), key=lambda one: (one.cost, one.moment), default=None)
    if free is not None:
        return (_left_out(job, free),)
    allowed = [one for one in starts if not any(broken.rule in {"release", "deadline", "opening"} for broken in one.broken)]
    if not allowed:
        begins, ends = max(job.release, grid.problem.starts), min(job.deadline, grid.problem.ends)
        longest = max((one.ends - one.starts for one in job.openings), default=timedelta()).total_seconds()
        template = gettext_noop(
            "no window between {release} and {deadline} is open for the {needed} h it takes by p90; the longest of all is {longest} h"
        )
        hours = {"needed": round(job.p90 / HOUR, 2), "longest": round(longest / HOUR, 2)}
        said = [message(template, release=shown(begins), deadline=shown(ends), **hours)]
    else:
        counted = Counter((broken.rule, broken.other) for one in allowed for broken in one.broken)
        first = {(broken.rule, broken.other): broken.message for one in reversed(allowed) for broken in one.broken}
        times = gettext_noop("{count} times {reason}")
        reasons = [message(times, count=count, reason=first[key]) for key, count in counted.most_common(MOST_COLLISIONS)]
        template = gettext_noop("each of the {count} starts that its windows allow collides: {reasons}")
        said = [message(template, count=len(allowed), reasons=reasons)]
    return (*said, *_ways_out(starts))


def _left_out(job: Job, free: _Start) -> Message:
    if free.cost >= job.value:
        template = gettext_noop("leaving it out costs {value} user-minutes, its cheapest start, {start}, {cost}")
        return message(template, value=job.value, start=shown(free.moment), cost=free.cost)
    return message(gettext_noop("{start} is free: the search ended before that was tried"), start=shown(free.moment))


def compare(problem: Problem, before: Plan, after: Plan) -> list[Consequence]:
    """What is different in the second plan: what moved, what lost or found a place, which rules are broken now, and what that costs."""
    found = [
        one
        for job in problem.jobs
        if (one := _difference(job, before.placements.get(job.id), after.placements.get(job.id), after.unplaced.get(job.id, ()))) is not None
    ]
    known = {(one.rule, one.job, one.other) for one in rules.check(problem, before)}
    template = gettext_noop("{job} breaks a rule: {reason}")
    new = [one for one in rules.check(problem, after) if (one.rule, one.job, one.other) not in known]
    found += [Consequence("broken", one.job, message(template, job=one.job, reason=one.message)) for one in new]
    more = round(after.objective - before.objective, 1)
    if more:
        template = gettext_noop("all of it costs {more} user-minutes more") if more > 0 else gettext_noop("all of it costs {less} user-minutes less")
        found.append(Consequence("cost", None, message(template, **{"more" if more > 0 else "less": abs(more)})))
    return found


def _difference(job: Job, before: Placement | None, after: Placement | None, reasons: tuple[Message, ...]) -> Consequence | None:
    if after is None:
        if before is None:
            return None
        return Consequence("dropped", job.id, message(gettext_noop("{job} has no place any more: {reasons}"), job=job.id, reasons=list(reasons)))
    if before is None:
        return Consequence("gained", job.id, message(gettext_noop("{job} has a place now: {start}"), job=job.id, start=shown(after.starts)))
    if before.starts != after.starts:
        hours = round((after.starts - before.starts).total_seconds() / HOUR, 2)
        template = gettext_noop("{job} is {hours} h later: {start}") if hours > 0 else gettext_noop("{job} is {hours} h earlier: {start}")
        return Consequence("moved", job.id, message(template, job=job.id, hours=abs(hours), start=shown(after.starts)))
    if before.person != after.person:
        person = after.person or message(gettext_noop("nobody"))
        return Consequence("moved", job.id, message(gettext_noop("{job} is done by {person} now"), job=job.id, person=person))
    return None


def _moments(grid: Grid, job: Job) -> Iterator[datetime]:
    """Every start of the horizon, in a window or not."""
    slots = int(((grid.problem.ends - grid.problem.starts).total_seconds() - job.p90) // grid.step)
    return (grid.moment(slot) for slot in range(slots + 1))


def _start(asked: Board, grid: Grid, job: Job, moment: datetime) -> _Start:
    person = rules.best_person(asked, job, moment)
    cost = grid.costs.of(job, moment, on_call=rules.is_on_call(asked, job, moment, person))
    return _Start(moment, cost, tuple(rules.broken(asked, job, moment, person)))


def _ways_out(starts: list[_Start]) -> Iterator[Message]:
    """The starts at which the fewest rules are in the way, one for each set of rules."""
    seen: set[frozenset[tuple[str, str | None]]] = set()
    for one in sorted(starts, key=lambda one: (len(one.broken), one.cost, one.moment)):
        key = frozenset((broken.rule, broken.other) for broken in one.broken)
        if key not in seen and len(seen) < MOST_WAYS_OUT and (not seen or len(key) <= 1):
            seen.add(key)
            yield message(gettext_noop("at {start} only this is in the way: {reasons}"), start=shown(one.moment), reasons=_sentences(one))


def _sentences(start: _Start) -> list[Message]:
    return [one.message for one in start.broken]
