"""Runs CP-SAT on a model: with limits, a seed, a way to stop it, and what it finds on the way. OR-Tools are loaded when they are needed."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

GLANCE = 0.1


@dataclass(frozen=True)
class Limits:
    """How long it may search: ``seconds`` by the clock, ``effort`` by CP-SAT's own count of work (the same on every machine), on ``workers`` threads.

    With the same seed, workers and effort the same is found again, unless the clock ends it first. More than one worker is slower on the calendar's
    problems: they take turns.
    """

    seconds: float = 20.0
    effort: float | None = None
    workers: int = 1
    seed: int = 1


@dataclass(frozen=True)
class Outcome:
    """What the search found: the value of a variable by ``value``, None without any solution; the bound that was proven; whether it is the best."""

    value: Callable[[Any], int] | None
    objective: float
    bound: float
    proven: bool


def run(
    model: Any,
    limits: Limits,
    on_better: Callable[[Callable[[Any], int], float], None] | None = None,
    stop: threading.Event | None = None,
    manner: Mapping[str, int] = MappingProxyType({}),
) -> Outcome:
    """Search for the smallest objective. ``on_better`` gets values and bound of each better solution; ``stop`` ends it with the best so far.

    ``manner`` are parameters of CP-SAT that suit the model.
    """
    from ortools.sat.python import cp_model

    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = limits.seconds
    if limits.effort is not None:
        solver.parameters.max_deterministic_time = limits.effort
    solver.parameters.num_workers = limits.workers
    solver.parameters.interleave_search = limits.workers > 1  # what several threads find depends on their turns otherwise
    solver.parameters.random_seed = limits.seed
    for name, value in manner.items():
        setattr(solver.parameters, name, value)

    class Better(cp_model.CpSolverSolutionCallback):
        def on_solution_callback(self) -> None:
            if on_better is not None:
                on_better(self.value, self.best_objective_bound)

    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(solver, stop, ended), daemon=True)
    if stop is not None:
        watcher.start()
    try:
        status = solver.solve(model, Better())
    finally:
        ended.set()
    if status == cp_model.MODEL_INVALID:
        raise ValueError(f"the model is invalid: {model.validate()}")
    found = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    return Outcome(
        solver.value if found else None,
        solver.objective_value if found else float("inf"),
        solver.best_objective_bound,
        status == cp_model.OPTIMAL,
    )


def _watch(solver: Any, stop: threading.Event, ended: threading.Event) -> None:
    """Stop the search when somebody asks for it: again and again, because a search that is just beginning does not hear it."""
    while not ended.is_set():
        if stop.is_set():
            solver.stop_search()
        time.sleep(GLANCE)
