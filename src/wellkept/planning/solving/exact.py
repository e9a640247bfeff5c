"""A better plan than the greedy one, by CP-SAT, and how far from the best it can be at most.

Every possible start of a task is a yes or no, at most one of them; at most one task at a time takes a slot of an environment or host, and a person
does one thing at a time. That is the time-indexed formulation (Sousa and Wolsey, 1992), whose relaxation is tight, so the gap closes.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wellkept.planning.solving import engine
from wellkept.planning.solving.grid import Choice, Grid, Task, Way, tenths
from wellkept.planning.solving.rules import takes

MOST_STARTS = 20_000
"""So many starts of all tasks together are given to the solver; of more, only the cheapest of each task, and then its bound is not one for all."""

LEAST_STARTS = 8
"""Of each task at least."""

MANNER = {"linearization_level": 2, "cp_model_probing_level": 0, "symmetry_level": 0}
"""The relaxation is what closes the gap here; the rest of the preparation costs half of the time and finds nothing.

60 jobs in 28 days: proven after 17 s of a processor, and without this the bound had not moved after 11.
"""

Chosen = dict[str, Choice]


@dataclass(frozen=True)
class Improved:
    """The best choices found, the cost that no plan can be below (tenths), and whether they are proven to be the best."""

    chosen: Chosen
    bound: int
    proven: bool


def improve(
    grid: Grid, first: Chosen, limits: engine.Limits, on_better: Callable[[Chosen, int], None] | None, stop: threading.Event | None
) -> Improved:
    """Search from the first plan on; ``on_better`` gets the choices and the bound of every better plan."""
    known = grid.bound
    if not grid.tasks or grid.objective(first) <= known:
        return Improved(first, known, True)
    model = _Model(grid, first)
    bound_of = (lambda found: max(known, round(found) + grid.spent)) if model.whole else (lambda _found: known)
    best = first

    def better(value: Callable[[Any], int], bound: float) -> None:
        nonlocal best
        found = model.chosen(value)
        if grid.objective(found) < grid.objective(best):
            best = found
            if on_better is not None:
                on_better(found, bound_of(bound))

    outcome = engine.run(model.model, limits, better, stop, MANNER)
    if outcome.value is not None:
        better(outcome.value, outcome.bound)
    bound = min(bound_of(outcome.bound), grid.objective(best)) if outcome.value is not None else known
    return Improved(best, bound, bound == grid.objective(best))


@dataclass
class _Variables:
    """A task's starts as yes or no, its start as a number, whether it is placed at all, and which way is taken."""

    starts: dict[int, Any]
    start: Any
    placed: Any
    ways: list[Any] = field(default_factory=list)


class _Model:
    """The grid as a model of CP-SAT."""

    def __init__(self, grid: Grid, first: Mapping[str, Choice]) -> None:
        from ortools.sat.python import cp_model

        self.cp: Any = cp_model
        self.model = cp_model.CpModel()
        self.grid = grid
        each = max(LEAST_STARTS, MOST_STARTS // len(grid.tasks))
        self.whole = sum(len(task.starts) for task in grid.tasks.values()) <= MOST_STARTS
        self.variables = {
            name: self._task(task, None if self.whole else _cheapest(task, each, first.get(name))) for name, task in grid.tasks.items() if task.ways
        }
        self.busy: dict[tuple[str, str], dict[int, list[Any]]] = {}
        self.people: dict[str, list[Any]] = {}
        for name, made in self.variables.items():
            self._resources(grid.tasks[name], made)
        for slots in self.busy.values():
            for literals in slots.values():
                self.model.add_at_most_one(literals)
        for intervals in self.people.values():
            self.model.add_no_overlap(intervals)
        self._order()
        self._budgets()
        self._objective()
        self._hint(first)

    def chosen(self, value: Callable[[Any], int]) -> Chosen:
        """The choices of a solution."""
        found = {}
        for name, made in self.variables.items():
            if value(made.placed):
                slot = next(slot for slot, literal in made.starts.items() if value(literal))
                way = next(number for number, literal in enumerate(made.ways) if value(literal))
                found[name] = Choice(slot, way, self.grid.tasks[name].ways[way].costs[slot])
        return found

    def _task(self, task: Task, kept: set[int] | None) -> _Variables:
        slots = [slot for slot in task.starts if kept is None or slot in kept]
        literals = {slot: self.model.new_bool_var("") for slot in slots}
        placed, start = self.model.new_bool_var(""), self.model.new_int_var(slots[0], slots[-1], "")
        self.model.add_exactly_one([*literals.values(), placed.negated()])
        self.model.add(start == self._sum([(literal, slot) for slot, literal in literals.items()] + [(placed.negated(), slots[0])]))
        made = _Variables(literals, start, placed)
        if len(task.ways) == 1:
            made.ways = [placed]
            return made
        made.ways = [self.model.new_bool_var("") for _way in task.ways]
        self.model.add_exactly_one([*made.ways, placed.negated()])
        for slot, literal in literals.items():
            self.model.add_bool_or([*(way for way, one in zip(made.ways, task.ways, strict=True) if slot in one.costs), literal.negated()])
            for way, one in zip(made.ways, task.ways, strict=True):
                if slot not in one.costs:
                    self.model.add_implication(literal, way.negated())
        return made

    def _resources(self, task: Task, made: _Variables) -> None:
        for key in takes(task.job, None):
            slots = self.busy.setdefault(key, {})
            for slot, literal in made.starts.items():
                for taken in range(slot, slot + task.length):
                    slots.setdefault(taken, []).append(literal)
        for way, one in zip(made.ways, task.ways, strict=True):
            if one.person is not None:
                interval = self.model.new_optional_fixed_size_interval_var(made.start, task.attention, way, "")
                self.people.setdefault(one.person, []).append(interval)

    def _order(self) -> None:
        for lag in self.grid.lags:
            then, before = self.variables.get(lag.then), self.variables.get(lag.before)
            if then is None:
                continue
            if before is None:
                self.model.add(then.placed == 0)
                continue
            self.model.add_implication(then.placed, before.placed)
            self.model.add(then.start - before.start >= lag.least).only_enforce_if(then.placed)
            if lag.most is not None:
                self.model.add(then.start - before.start <= lag.most).only_enforce_if(then.placed)

    def _budgets(self) -> None:
        """In whole seconds and hundredths of money."""
        jobs = {name: self.grid.tasks[name].job for name in self.variables}
        for limit, unit, needs in (
            (self.grid.attention, 1, {name: job.attention for name, job in jobs.items()}),
            (self.grid.money, 100, {name: job.money for name, job in jobs.items()}),
        ):
            if limit is not None:
                spent = [(self.variables[name].placed, round(need * unit)) for name, need in needs.items() if need]
                self.model.add(self._sum(spent) <= max(0, round(limit * unit)))

    def _objective(self) -> None:
        """Each start at what it costs with the cheapest way, what another way costs more, and what is left out."""
        terms: list[tuple[Any, int]] = []
        for name, made in self.variables.items():
            task = self.grid.tasks[name]
            terms.append((made.placed.negated(), task.value))
            terms += [(literal, self._extra(task, way)) for way, literal in zip(task.ways, made.ways, strict=True)]
            bare = {slot: cost - self._extra(task, way) for way in task.ways for slot, cost in way.costs.items()}
            terms += [(literal, bare[slot]) for slot, literal in made.starts.items()]
        self.model.minimize(self._sum(terms) + sum(task.value for name, task in self.grid.tasks.items() if name not in self.variables))

    def _sum(self, terms: list[tuple[Any, int]]) -> Any:
        return self.cp.LinearExpr.weighted_sum([one for one, _factor in terms], [factor for _one, factor in terms])

    def _extra(self, task: Task, way: Way) -> int:
        """What a way costs more than the bare start: somebody on call."""
        return tenths(self.grid.costs.call(task.job)) if way.on_call else 0

    def _hint(self, first: Mapping[str, Choice]) -> None:
        for name, made in self.variables.items():
            choice = first.get(name)
            self.model.add_hint(made.placed, choice is not None)
            for slot, literal in made.starts.items():
                self.model.add_hint(literal, choice is not None and choice.slot == slot)
            if len(made.ways) > 1:
                for number, way in enumerate(made.ways):
                    self.model.add_hint(way, choice is not None and choice.way == number)


def _cheapest(task: Task, most: int, choice: Choice | None) -> set[int]:
    """So many starts that cost least, and the one of the first plan."""
    price = {slot: min(way.costs[slot] for way in task.ways if slot in way.costs) for slot in task.starts}
    kept = set(sorted(price, key=lambda slot: (price[slot], slot))[:most])
    return kept | ({choice.slot} if choice is not None else set())
