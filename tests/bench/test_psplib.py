from itertools import permutations
from pathlib import Path

import pytest

from bench import psplib
from bench.psplib import Project

INSTANCES = sorted((Path(__file__).parent / "instances").glob("*.sm"))


def shortest(project: Project) -> int:
    """The best makespan: every order of the activities, each as early as what came before it allows (Kolisch, 1996: one of these is optimal)."""
    inner = [number for number, duration in project.durations.items() if duration]
    before = {number: [one for one in inner if number in project.successors[one]] for number in inner}
    best = sum(project.durations.values())
    for order in permutations(inner):
        if all(order.index(one) < order.index(number) for number in inner for one in before[number]):
            best = min(best, one_after_the_other(project, order, before))
    return best


def one_after_the_other(project: Project, order: tuple[int, ...], before: dict[int, list[int]]) -> int:
    ends: dict[int, int] = {}
    free = [list(project.capacities) for _moment in range(sum(project.durations.values()) + 1)]
    for number in order:
        lasts, needs = project.durations[number], project.needs[number]
        start = max((ends[one] for one in before[number]), default=0)
        while any(need > left for moment in free[start : start + lasts] for need, left in zip(needs, moment, strict=True)):
            start += 1
        for moment in free[start : start + lasts]:
            moment[:] = [left - need for left, need in zip(moment, needs, strict=True)]
        ends[number] = start + lasts
    return max(ends.values())


def holds(project: Project, starts: dict[int, int], makespan: int) -> bool:
    ends = {number: start + project.durations[number] for number, start in starts.items()}
    in_order = all(starts[one] >= ends[number] for number in starts for one in project.successors[number])
    within = all(
        sum(project.needs[number][resource] for number in starts if starts[number] <= moment < ends[number]) <= capacity
        for moment in range(makespan)
        for resource, capacity in enumerate(project.capacities)
    )
    return in_order and within and max(ends.values()) == makespan


@pytest.mark.parametrize("path", INSTANCES, ids=lambda path: path.stem)
def test_the_shortest_schedule_is_found_and_proven(path: Path) -> None:
    project = psplib.read(path.read_text())
    found = psplib.solve(project, seconds=60)
    assert (found.makespan, found.bound, found.proven) == (shortest(project), shortest(project), True)
    assert holds(project, dict(found.starts), found.makespan)


def test_a_file_says_what_its_activities_need() -> None:
    project = psplib.read((Path(__file__).parent / "instances" / "oven_and_hands.sm").read_text())
    assert project.capacities == (4, 3)
    assert (project.durations[2], project.needs[2], project.successors[2]) == (3, (2, 1), (5, 6))
    assert len(project.durations) == 9


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("REQUESTS/DURATIONS:", "", "no section"),
        ("   2        1          2           5   6", "   2        2          2           5   6", "several modes"),
        ("   2        1          2           5   6", "   2        1          3           5   6", "wrong number"),
        ("   2        1          2           5   6", "   2        1          2           5   66", "not the same"),
        ("  2      1     3       2    1", "  2      1     3       2", "not the same number"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(old: str, new: str, says: str) -> None:
    text = (Path(__file__).parent / "instances" / "oven_and_hands.sm").read_text()
    assert old in text
    with pytest.raises(ValueError, match=says):
        psplib.read(text.replace(old, new))


def test_made_up_projects_can_be_done_and_are_the_same_again() -> None:
    project = psplib.made_up(7, activities=6)
    assert project == psplib.made_up(7, activities=6)
    found = psplib.solve(project, seconds=60)
    assert holds(project, dict(found.starts), found.makespan)
    assert found.makespan == shortest(project)
