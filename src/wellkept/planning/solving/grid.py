"""A problem in whole numbers: slots of equal length, and for every job its possible starts with their cost and the ways to staff it.

Windows, freezes, deadlines, absences and jobs that are fixed are cut out of the starts, so no solver sees them. Because starts are whole slots,
rounding durations up loses nothing: two jobs overlap by the clock exactly when they do in slots.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, floor

from wellkept.planning.solving.problem import Costs, Job, Placement, Problem, Shifts, costs, placed, shifts
from wellkept.planning.solving.rules import takes
from wellkept.planning.windows import Opening

SCALE = 10
"""Costs are whole tenths of user-minutes."""


@dataclass(frozen=True)
class Way:
    """One way to staff a job, and what each start costs then."""

    person: str | None
    on_call: bool
    costs: Mapping[int, int]


@dataclass(frozen=True)
class Task:
    """A job on the grid: how many slots it and the attention to it last, what it is worth, and the ways to do it."""

    job: Job
    length: int
    attention: int
    value: int
    ways: tuple[Way, ...]

    @property
    def cheapest(self) -> int:
        """What it costs at least, placed or left out."""
        return min([self.value, *(cost for way in self.ways for cost in way.costs.values())])

    @property
    def starts(self) -> list[int]:
        """All slots it can start in."""
        return sorted({slot for way in self.ways for slot in way.costs})


@dataclass(frozen=True)
class Lag:
    """The start of ``then`` is ``least`` to ``most`` slots after the start of ``before``."""

    before: str
    then: str
    least: int
    most: int | None


@dataclass(frozen=True)
class Choice:
    """Where and how a task is done: its slot, the number of its way, and the cost of that."""

    slot: int
    way: int
    cost: int


@dataclass(frozen=True)
class Grid:
    """What is free to be placed. ``attention`` (seconds) and ``money`` are what is left of the budgets; ``spent`` is the cost of what is fixed."""

    problem: Problem
    step: int
    costs: Costs
    tasks: Mapping[str, Task]
    lags: tuple[Lag, ...]
    fixed: Mapping[str, Placement]
    attention: float | None
    money: float | None

    @property
    def spent(self) -> int:
        return sum(tenths(one.cost) for one in self.fixed.values())

    @property
    def bound(self) -> int:
        """What no plan can be below: every task at its cheapest, as if it were alone."""
        return self.spent + sum(task.cheapest for task in self.tasks.values())

    def moment(self, slot: int) -> datetime:
        return self.problem.starts + timedelta(seconds=slot * self.step)

    def objective(self, chosen: Mapping[str, Choice]) -> int:
        """The cost of all: placements, what is left out, and what is fixed."""
        return self.spent + sum(chosen[name].cost if name in chosen else task.value for name, task in self.tasks.items())

    def placements(self, chosen: Mapping[str, Choice]) -> dict[str, Placement]:
        """The placements of what was chosen, and the fixed ones."""
        made = dict(self.fixed)
        for name, choice in chosen.items():
            task = self.tasks[name]
            made[name] = placed(task.job, self.moment(choice.slot), task.ways[choice.way].person, choice.cost / SCALE)
        return made


def tenths(cost: float) -> int:
    """A cost in user-minutes as a whole number of tenths."""
    return round(cost * SCALE)


def compiled(problem: Problem, step: int, fixed: Mapping[str, Placement]) -> Grid:
    """The grid of a checked problem with slots of ``step`` seconds, around what is fixed."""
    jobs = {job.id: job for job in problem.jobs}
    busy: dict[tuple[str, str], list[Opening]] = {}
    for one in fixed.values():
        for key in takes(jobs[one.job], one.person):
            lasts = jobs[one.job].attention if key[0] == "person" else jobs[one.job].p90
            busy.setdefault(key, []).append(Opening(one.starts, one.starts + timedelta(seconds=lasts)))
    made = _Compiling(problem, step, jobs, fixed, busy, shifts(problem), costs(problem))
    return Grid(
        problem,
        step,
        made.costs,
        {job.id: made.task(job) for job in problem.jobs if job.id not in fixed},
        tuple(_lags(problem, step, fixed)),
        fixed,
        None if problem.hours is None else problem.hours * 3600 - sum(jobs[name].attention for name in fixed),
        None if problem.money is None else problem.money - sum(jobs[name].money for name in fixed),
    )


def _lags(problem: Problem, step: int, fixed: Mapping[str, Placement]) -> Iterator[Lag]:
    jobs = {job.id: job for job in problem.jobs}
    for job in problem.jobs:
        for after in job.after:
            if job.id not in fixed and after.job not in fixed:
                before = jobs[after.job]
                most = None if after.most is None else floor((before.p50 + after.most) / step)
                yield Lag(before.id, job.id, ceil((before.p90 + after.least) / step), most)


@dataclass(frozen=True)
class _Compiling:
    problem: Problem
    step: int
    jobs: Mapping[str, Job]
    fixed: Mapping[str, Placement]
    busy: Mapping[tuple[str, str], list[Opening]]
    shifts: Mapping[str, Shifts]
    costs: Costs

    def task(self, job: Job) -> Task:
        ways = [way for way in self._ways(job, self._starts(job)) if way.costs]
        return Task(job, ceil(job.p90 / self.step), ceil(job.attention / self.step), tenths(job.value), tuple(ways))

    def _starts(self, job: Job) -> list[int]:
        earliest, latest = self._bounds(job)
        mine = [span for key in takes(job, None) for span in self.busy.get(key, ())]
        slots = self._during([Opening(max(one.starts, earliest), min(one.ends, latest)) for one in job.openings], job.p90)
        return self._free(sorted(slots), job.p90, mine)

    def _bounds(self, job: Job) -> tuple[datetime, datetime]:
        """From when to when it may run: its own bounds, the horizon, and fixed jobs before or after it."""
        earliest, latest = max(job.release, self.problem.starts), min(job.deadline, self.problem.ends)
        for after in job.after:
            before = self.fixed.get(after.job)
            if before is not None:
                earliest = max(earliest, before.latest_end + timedelta(seconds=after.least))
                if after.most is not None:
                    latest = min(latest, before.likely_end + timedelta(seconds=after.most + job.p90))
        for then in self.fixed.values():
            for after in self.jobs[then.job].after:
                if after.job == job.id:
                    latest = min(latest, then.starts - timedelta(seconds=after.least))
                    if after.most is not None:
                        earliest = max(earliest, then.starts - timedelta(seconds=after.most + job.p50))
        return earliest, latest

    def _inside(self, begins: datetime, ends: datetime, seconds: float) -> range:
        """The slots whose start leaves so many seconds in a span."""
        first = (begins - self.problem.starts).total_seconds() / self.step
        last = ((ends - self.problem.starts).total_seconds() - seconds) / self.step
        return range(max(0, ceil(first)), floor(last) + 1)

    def _free(self, slots: list[int], seconds: float, busy: Sequence[Opening]) -> list[int]:
        """The slots whose start leaves what is busy alone."""
        spans = [((one.starts - self.problem.starts).total_seconds(), (one.ends - self.problem.starts).total_seconds()) for one in busy]
        return [slot for slot in slots if not any(slot * self.step < ends and begins < slot * self.step + seconds for begins, ends in spans)]

    def _ways(self, job: Job, starts: list[int]) -> Iterator[Way]:
        price = {slot: tenths(self.costs.of(job, self.problem.starts + timedelta(seconds=slot * self.step))) for slot in starts}
        if not job.attention:
            yield Way(None, False, price)
            return
        call = tenths(self.costs.call(job))
        for person in self.problem.people:
            if job.skills <= person.skills:
                theirs, hours = self.busy.get(("person", person.name), ()), self.shifts[person.name]
                free = self._free(starts, job.attention, theirs)
                working, reachable = self._during(hours.working, job.attention), self._during(hours.reachable, job.attention)
                yield Way(person.name, False, {slot: price[slot] for slot in free if slot in working})
                yield Way(person.name, True, {slot: price[slot] + call for slot in free if slot in reachable and slot not in working})

    def _during(self, spans: Iterable[Opening], seconds: float) -> set[int]:
        return {slot for one in spans for slot in self._inside(one.starts, one.ends, seconds)}
