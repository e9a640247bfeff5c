"""The calendar's solver on made-up work of two sizes, a team's month and a provider's fleet; and its engine on projects like those of PSPLIB."""

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import exp
from pathlib import Path
from typing import Any

from bench import psplib
from bench.place import peak_rss
from bench.result import Result, percentile

GOAL_FIRST, GOAL_GAP, GOAL_FLEET = 3.0, 5.0, 60.0
TEAM_SECONDS, FLEET_SECONDS, PROJECT_SECONDS = 20.0, 30.0, 20.0
MADE_UP = 10
START = datetime(2026, 11, 23, tzinfo=UTC)
DAYS = 28
SKILLS = ("database", "erp", "access")


def measure(runs: int, instances: Path | None = None) -> list[Result]:
    """A team's month as often as asked, each time another one; the fleet once; ten projects of the size of J30, or those in a folder."""
    team = [_solved(problem(60, 12, 5, seed), TEAM_SECONDS) for seed in range(runs)]
    fleet = [_solved(problem(1000, 200, 40, 0), FLEET_SECONDS)]
    broken = [one for run in (*team, *fleet) for one in run.pop("broken")]
    if broken:
        raise RuntimeError(f"a plan breaks its rules: {broken[:3]}")
    worst = {name: percentile([run[name] for run in team], 100) for name in ("first_seconds", "gap_percent")}
    words = "60 jobs, 12 systems, 5 people, 28 days"
    return [
        Result("solver_first", f"The solver's first plan: {words}, slowest", worst["first_seconds"], GOAL_FIRST, "s", team),
        Result("solver_gap", f"The solver's gap after {TEAM_SECONDS:g} s: {words}, widest", worst["gap_percent"], GOAL_GAP, "%", [*team, peak_rss()]),
        Result("solver_fleet", "A plan for 1,000 jobs of 200 systems, with its reasons", fleet[0]["seconds"], GOAL_FLEET, "s", [*fleet, peak_rss()]),
        _projects(instances),
    ]


def _projects(instances: Path | None) -> Result:
    """How many projects are left without a proven optimum."""
    files = sorted(instances.glob("*.sm")) if instances else []
    projects = {file.stem: psplib.read(file.read_text()) for file in files} or {f"made-up {seed}": psplib.made_up(seed) for seed in range(MADE_UP)}
    details = []
    for name, project in projects.items():
        began = time.perf_counter()
        found = psplib.solve(project, PROJECT_SECONDS)
        taken = round(time.perf_counter() - began, 3)
        details.append({"project": name, "seconds": taken, "makespan": found.makespan, "bound": found.bound, "proven": found.proven})
    title = f"Projects of 30 activities without a proven optimum, of {len(details)}"
    return Result("solver_projects", title, sum(not one["proven"] for one in details), 0, "", details)


def _solved(asked: Any, seconds: float) -> dict[str, Any]:
    from wellkept.planning import solver

    steps: list[tuple[float, float, float]] = []
    began, used = time.perf_counter(), time.process_time()
    plan = solver.solve(asked, solver.Limits(seconds=seconds), on_better=lambda one: steps.append((one.seconds, one.objective, one.bound)))
    return {
        "seconds": round(time.perf_counter() - began, 3),
        "processor_seconds": round(time.process_time() - used, 3),
        "first_seconds": round(steps[0][0], 3),
        "first_gap_percent": round((steps[0][1] - plan.bound) / steps[0][1] * 100, 2),
        "gap_percent": round(plan.gap * 100, 2),
        "proven": plan.proven,
        "objective": plan.objective,
        "bound": plan.bound,
        "placed": len(plan.placements),
        "unplaced": len(plan.unplaced),
        "better_plans": len(steps) - 1,
        "broken": solver.check(asked, plan),
    }


def problem(jobs: int, systems: int, people: int, seed: int) -> Any:
    """Synthetic: on each system a daily round of work (backup, upgrade, drill in their order, patches, care), in nightly windows, with freezes."""
    from wellkept.planning.solving.problem import Person, Problem
    from wellkept.planning.windows import Opening

    chance = random.Random(seed)
    hours = DAYS * 24
    users = {f"erp{number}": [_users(hour, chance.uniform(20, 400), chance) for hour in range(hours)] for number in range(systems)}
    staff = []
    for number in range(people):
        shift = [Opening(_at(day, 8), _at(day, 17)) for day in range(DAYS) if day % 7 < 5]
        call = [Opening(_at(day, 17), _at(day + 1, 8)) for day in range(DAYS) if day % people % 5 == number % 5]
        away = chance.randrange(DAYS)
        skills = frozenset({SKILLS[number % 3], *chance.sample(SKILLS, 2)})
        staff.append(Person(f"person{number}", skills, tuple(shift), (Opening(_at(away, 0), _at(away + 3, 0)),), tuple(call)))
    work = [job for number, count in enumerate(_shares(jobs, systems)) for job in _programme(number, count, chance)]
    return Problem(START, START + timedelta(days=DAYS), tuple(work), tuple(staff), users, hours=jobs * 1.0)


def _programme(system: int, count: int, chance: random.Random) -> Iterator[Any]:
    from wellkept.planning.solving.problem import After, Job
    from wellkept.planning.windows import Opening, openings

    freeze = chance.randrange(DAYS)
    nights = [Opening(_at(day, 18), _at(day + 1, 6)) for day in range(DAYS)] + [
        Opening(_at(day, 0), _at(day + 1, 0)) for day in range(DAYS) if day % 7 > 4
    ]
    windows = tuple(openings([], nights, [Opening(_at(freeze, 0), _at(freeze + 2, 0))], START))
    kinds = ("backup", "upgrade", "drill", "patch", "care", "review")
    for number in range(count):
        kind, turn = kinds[number % len(kinds)], number // len(kinds)
        after = {"upgrade": (After(f"erp{system}/backup{turn}", 0, 12 * 3600),), "drill": (After(f"erp{system}/upgrade{turn}", 0, 24 * 3600),)}
        usual = chance.uniform(600, 10_000)
        yield Job(
            f"erp{system}/{kind}{turn}",
            f"erp{system}",
            f"erp{system}/production",
            "preventive",
            usual,
            usual * chance.uniform(1.1, 2.0),
            START + timedelta(days=chance.choice([0, 0, 7])),
            START + timedelta(days=chance.choice([14, 21, 28])) if kind in {"patch", "care", "review"} else START + timedelta(days=DAYS),
            windows,
            host=f"host{system // 3}",
            disturbs={"backup": 0.1, "drill": 0.05, "care": 0.5}.get(kind, 1.0),
            skills=frozenset(chance.sample(SKILLS, 1)) if kind in {"upgrade", "patch", "review"} else frozenset(),
            attention=chance.choice([1800, 3600, 7200]) if kind in {"upgrade", "patch", "review"} else 0,
            value=100_000,
            after=after.get(kind, ()),
        )


def _users(hour: int, most: float, chance: random.Random) -> float:
    """A working day with two humps, a tenth of it at weekends, some at night."""
    of_day, day = hour % 24, hour // 24
    shape = exp(-((of_day - 10) ** 2) / 8) + 0.8 * exp(-((of_day - 15) ** 2) / 10) + 0.02
    return most * shape * (0.1 if day % 7 > 4 else 1.0) * chance.uniform(0.8, 1.2)


def _shares(jobs: int, systems: int) -> list[int]:
    return [jobs // systems + (number < jobs % systems) for number in range(systems)]


def _at(day: int, hour: int) -> datetime:
    return START + timedelta(days=day, hours=hour)
