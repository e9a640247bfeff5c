"""Histories of runs to forecast from: those of a home, written to a file, and made ones that drift.

``python -m bench.histories FILE`` writes what the home of ``WELLKEPT_HOME`` has done: kinds and numbers, no names of systems, people or files.
"""

import json
import random
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import exp
from pathlib import Path
from typing import Any

from wellkept.planning.durations import Work

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
DAYS = 365
SYSTEMS = 12
KNOWN_BEFORE = {"bytes", "files", "rows", "modules"}
"""Drivers that can be read before a run; all others are known when it has ended, so no forecast sees them."""
STEPS = {
    "backup": (("prepare", 4.0, {}), ("dump", 8.0, {"bytes": 0.9}), ("store", 5.0, {"added": 0.8}), ("check", 3.0, {"files": 0.6})),
    "drill": (("fetch", 10.0, {"bytes": 0.7}), ("restore", 40.0, {"bytes": 1.0}), ("start", 12.0, {}), ("figures", 6.0, {"rows": 1.0})),
}
"""Of made runs: each step with its seconds at driver 1.0 on a host of speed 1.0, and the power of its driver."""


@dataclass(frozen=True)
class Done:
    """A run that succeeded: which system and operation, when it began, its work with the drivers that were known before, seconds by step."""

    system: str
    operation: str
    at: datetime
    work: Work
    seconds: dict[str, float]

    @property
    def whole(self) -> float:
        return sum(self.seconds.values())


def read(path: Path) -> list[Done]:
    """What ``export`` wrote, in order of time."""
    rows = json.loads(path.read_text())
    found = [
        Done(
            row["system"],
            row["operation"],
            datetime.fromisoformat(row["at"]),
            Work({step["name"]: _before(step["drivers"]) for step in row["steps"]}),
            {step["name"]: step["seconds"] for step in row["steps"]},
        )
        for row in rows
    ]
    return sorted(found, key=lambda done: done.at)


def export(path: Path) -> int:
    """Write all runs that succeeded, environments by number; returns how many."""
    from django.db.models import Prefetch

    from wellkept.operations.models import Run, RunState, Step, StepState

    done = Prefetch("steps", Step.objects.filter(state=StepState.DONE, seconds__isnull=False))
    runs = Run.objects.filter(state=RunState.SUCCEEDED, started_at__isnull=False).prefetch_related(done)
    rows = [
        {
            "system": str(run.environment_id or run.system_id),
            "operation": run.operation,
            "at": run.started_at.isoformat(),
            "steps": _steps(run),
        }
        for run in runs.order_by("started_at")
        if run.steps.all()
    ]
    path.write_text(json.dumps(rows, indent=1) + "\n")
    return len(rows)


def _steps(run: Any) -> list[dict[str, Any]]:
    """One entry per name: a phase of several steps counts with their sum."""
    seconds: Counter[str] = Counter()
    drivers: dict[str, dict[str, float]] = {}
    for step in run.steps.all():
        seconds[step.name] += step.seconds
        numbers = {name: value for name, value in step.drivers.items() if isinstance(value, int | float)}
        drivers.setdefault(step.name, {}).update(numbers)
    return [{"name": name, "seconds": round(value, 4), "drivers": drivers[name]} for name, value in seconds.items()]


def _before(drivers: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in drivers.items() if name in KNOWN_BEFORE and value > 0}


def drifting(seed: int) -> list[Done]:
    """A made year of SYSTEMS systems: a backup every second day and a drill every week, on ground that moves.

    Their content grows by 1 to 8 % a month, a third of them doubles in one night; half of the hosts are replaced once (0.5 to 2 times as fast, known
    to within 5 %); half of the systems get a new release that makes one step 1.3 times as long and adds a step. Runs vary as a whole (lognormal,
    10 %), steps for themselves (15 %), what a backup adds by 40 %, and one step in thirty waits for something else (Pareto, shape 1.5).
    """
    chance = random.Random(seed)
    found = [done for number in range(SYSTEMS) for done in _system(f"s{number}", chance)]
    return sorted(found, key=lambda done: done.at)


def _system(name: str, chance: random.Random) -> list[Done]:
    size, growth, speed = exp(chance.gauss(0, 1)), chance.uniform(0.01, 0.08), chance.uniform(0.7, 1.4)
    doubles = chance.uniform(60, 330) if chance.random() < 1 / 3 else DAYS
    moves = chance.uniform(60, 330) if chance.random() < 1 / 2 else DAYS
    faster = chance.choice([chance.uniform(0.5, 0.8), chance.uniform(1.3, 2.0)])
    updated = chance.uniform(60, 330) if chance.random() < 1 / 2 else DAYS
    done = []
    for operation, every in (("backup", 2), ("drill", 7)):
        for day in range(0, DAYS, every):
            content = size * (1 + growth) ** (day / 30) * (2 if day >= doubles else 1)
            true_speed = speed * (faster if day >= moves else 1)
            done.append(_run(name, operation, day, content, true_speed, day >= updated, chance))
    return done


def _run(system: str, operation: str, day: int, content: float, speed: float, newer: bool, chance: random.Random) -> Done:
    drivers = {name: content * exp(chance.gauss(0, 0.02)) for name in ("bytes", "files", "rows")}
    actual = drivers | {"added": content * exp(chance.gauss(0, 0.4))}
    shock = exp(chance.gauss(0, 0.1))
    steps = [*STEPS[operation], *([("verify", 6.0, {})] if newer else [])]
    seconds = {}
    for number, (step, base, powers) in enumerate(steps):
        spent = base * shock * exp(chance.gauss(0, 0.15)) / speed * (1.3 if newer and number == 1 else 1.0)
        for driver, power in powers.items():
            spent *= actual[driver] ** power
        seconds[step] = spent * (chance.paretovariate(1.5) if chance.random() < 1 / 30 else 1.0)
    known = {step: {name: drivers[name] for name in powers if name in drivers} for step, _base, powers in steps}
    work = Work(known, speed * chance.uniform(0.95, 1.05), "2" if newer else "1")
    return Done(system, operation, BEGIN + timedelta(days=day, hours=2), work, seconds)


if __name__ == "__main__":
    from wellkept import platform

    platform.setup_django()
    print(f"{export(Path(sys.argv[1]))} runs written")
