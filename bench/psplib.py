"""Project scheduling under limited resources, as the library PSPLIB has it (Kolisch and Sprecher, 1997): its ``.sm`` files, and made-up ones alike.

The calendar's jobs need no capacities above one, so this model is apart; what searches is the same: ``planning.solving.engine``.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Project:
    """Activities by number with their durations, successors and needs (one number for each resource), and the capacities of the resources."""

    durations: Mapping[int, int]
    successors: Mapping[int, tuple[int, ...]]
    needs: Mapping[int, tuple[int, ...]]
    capacities: tuple[int, ...]


@dataclass(frozen=True)
class Schedule:
    """The start of each activity, when all have ended, before which end that is impossible, and whether both are proven to be the same."""

    starts: Mapping[int, int]
    makespan: int
    bound: int
    proven: bool


def read(text: str) -> Project:
    """A single-mode project in the format ``.sm``. Raises ValueError for another format, several modes, or numbers that do not fit together."""
    successors, rows = {}, {}
    for line in _section(text, "PRECEDENCE RELATIONS"):
        number, modes, count, *following = map(int, line)
        if modes != 1 or count != len(following):
            raise ValueError(f"activity {number} has several modes or a wrong number of successors")
        successors[number] = tuple(following)
    for line in _section(text, "REQUESTS/DURATIONS"):
        number, _mode, *row = map(int, line)
        rows[number] = row
    (capacities,) = _section(text, "RESOURCEAVAILABILITIES")
    made = Project(
        {number: row[0] for number, row in rows.items()},
        successors,
        {number: tuple(row[1:]) for number, row in rows.items()},
        tuple(map(int, capacities)),
    )
    known = set(made.durations)
    if known != set(successors) or not {one for following in successors.values() for one in following} <= known:
        raise ValueError("the activities of the sections are not the same")
    if any(len(needs) != len(made.capacities) for needs in made.needs.values()):
        raise ValueError("the needs and the resources are not the same number")
    return made


def _section(text: str, name: str) -> list[list[str]]:
    """The rows of numbers below a heading, up to the next row of asterisks."""
    _before, found, rest = text.partition(f"{name}:")
    if not found:
        raise ValueError(f"there is no section {name}")
    rows = [line.split() for line in rest.partition("\n***")[0].splitlines()]
    return [row for row in rows if row and all(one.isdecimal() for one in row)]


def solve(project: Project, seconds: float) -> Schedule:
    """The shortest schedule found within the time. Raises ValueError when there is none."""
    from ortools.sat.python import cp_model

    from wellkept.planning.solving import engine

    model, horizon = cp_model.CpModel(), sum(project.durations.values())
    starts = {number: model.new_int_var(0, horizon, "") for number in project.durations}
    spans = {number: model.new_fixed_size_interval_var(start, project.durations[number], "") for number, start in starts.items()}
    makespan = model.new_int_var(0, horizon, "")
    for number, start in starts.items():
        model.add(makespan >= start + project.durations[number])
        for following in project.successors[number]:
            model.add(starts[following] >= start + project.durations[number])
    for resource, capacity in enumerate(project.capacities):
        model.add_cumulative(list(spans.values()), [project.needs[number][resource] for number in spans], capacity)
    model.minimize(makespan)
    found = engine.run(model, engine.Limits(seconds=seconds, workers=2))
    if found.value is None:
        raise ValueError("no schedule was found")
    value = found.value
    return Schedule({number: value(start) for number, start in starts.items()}, round(found.objective), round(found.bound), found.proven)


def made_up(seed: int, activities: int = 30) -> Project:
    """A project of the size of J30: so many activities between a start and an end, four resources, one to three successors, tight capacities."""
    chance = random.Random(seed)
    last, inner = activities + 2, range(2, activities + 2)
    following = {number: tuple(sorted(set(chance.choices(range(number + 1, min(number + 8, last) + 1), k=chance.randint(1, 3))))) for number in inner}
    led = {one for several in following.values() for one in several}
    needs = {number: tuple(chance.choice([0, 0, chance.randint(1, 10)]) for _resource in range(4)) for number in inner}
    idle = (0, 0, 0, 0)
    return Project(
        {1: 0, **{number: chance.randint(1, 10) for number in inner}, last: 0},
        {1: tuple(number for number in inner if number not in led), **following, last: ()},
        {1: idle, **needs, last: idle},
        tuple(max(10, *(needs[number][resource] for number in inner)) for resource in range(4)),
    )
