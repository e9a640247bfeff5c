"""Places work into the hours that disturb least: people, windows, order and budgets kept, each placement with its reason, the gap shown.

    plan = solve(problem, on_better=show)         # a first plan at once, then better ones
    broken = check(problem, plan)                 # the rules, by other code than the search
    moved = solve(problem, fixed={"upgrade": monday})
    compare(problem, plan, moved)                 # what putting it there does to the rest

A job that finds no place is left out and says what collides and what would free it; nothing is infeasible as a whole. In ``planning.solving``,
``problem`` has the words, ``greedy`` the first plan, ``exact`` the search, ``rules`` what must hold, ``reasons`` the sentences.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from wellkept.lib.text import gettext_noop, message
from wellkept.planning.solving import exact, greedy, reasons, rules
from wellkept.planning.solving.engine import Limits
from wellkept.planning.solving.grid import SCALE, Grid, compiled
from wellkept.planning.solving.problem import HOUR, InvalidProblem, Placement, Plan, Problem, checked, costs, placed, utc
from wellkept.planning.solving.reasons import Consequence, compare
from wellkept.planning.solving.rules import Broken, check

__all__ = ["Broken", "Consequence", "Limits", "Progress", "check", "compare", "solve"]


@dataclass(frozen=True)
class Progress:
    """A better plan on the way: after how many seconds, its cost, and what no plan can be below (both user-minutes)."""

    seconds: float
    objective: float
    bound: float
    placements: Mapping[str, Placement]


def solve(
    problem: Problem,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    *,
    step: int = HOUR,
    fixed: Mapping[str, datetime] | None = None,
    on_better: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> Plan:
    """The best plan found within the limits (making the model and the reasons comes on top), starts on a grid of ``step`` seconds.

    What is ``fixed`` starts exactly then, whatever it breaks (``check`` says what); all else is placed around it. ``on_better`` is called at once
    with the first plan and then with every better one; when ``stop`` is set the best so far is given back. Raises InvalidProblem.
    """
    began = time.monotonic()
    grid = compiled(checked(problem), step, _pinned(problem, fixed or {}))
    chosen = greedy.start(grid)

    def tell(found: exact.Chosen, bound: int) -> None:
        if on_better is not None:
            on_better(Progress(time.monotonic() - began, grid.objective(found) / SCALE, bound / SCALE, grid.placements(found)))

    tell(chosen, grid.bound)
    left = replace(limits, seconds=limits.seconds - (time.monotonic() - began))
    if left.seconds <= 0 or (stop is not None and stop.is_set()):
        return _plan(grid, exact.Improved(chosen, grid.bound, proven=grid.objective(chosen) == grid.bound), began)
    return _plan(grid, exact.improve(grid, chosen, left, tell, stop), began)


def _plan(grid: Grid, found: exact.Improved, began: float) -> Plan:
    placements = grid.placements(greedy.settled(grid, found.chosen))
    placed_for, left_out_for = reasons.explained(grid, placements)
    by_hand = (message(gettext_noop("it was put here by hand")),)
    return Plan(
        {name: replace(one, reasons=(by_hand if name in grid.fixed else ()) + placed_for[name]) for name, one in placements.items()},
        left_out_for,
        grid.objective(found.chosen) / SCALE,
        found.bound / SCALE,
        found.proven,
        time.monotonic() - began,
    )


def _pinned(problem: Problem, fixed: Mapping[str, datetime]) -> dict[str, Placement]:
    """What is fixed, each with the person who fits best beside the others."""
    prices, made = costs(problem), dict[str, Placement]()
    jobs = {job.id: job for job in problem.jobs}
    for name, starts in fixed.items():
        if name not in jobs:
            raise InvalidProblem(gettext_noop("there is no job {job} to put anywhere"), job=name)
        asked = rules.board(problem, made)
        person = rules.best_person(asked, jobs[name], utc(starts))
        cost = prices.of(jobs[name], starts, on_call=rules.is_on_call(asked, jobs[name], starts, person))
        made[name] = placed(jobs[name], starts, person, cost)
    return made
