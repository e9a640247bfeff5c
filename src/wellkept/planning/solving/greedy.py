"""A first plan, fast: group after group of jobs that hang together, each group where it is cheapest among what is there already.

What is worth most and loses most comes first; whatever then lost comes earlier in the next round (squeaky wheels: Joslin and Clements, 1999). Where a
group finds no place, the least valuable of its last jobs is left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from wellkept.planning.solving.grid import Choice, Grid, Lag, Task, Way
from wellkept.planning.solving.rules import takes

TRIES = 300
"""So many steps to place a group."""
ROUNDS = 25
PLACED = 3_000
"""So many rounds at most, and so many placements in all of them. 60 jobs: from 2-8 % above the best to 1-3 %, in half a second of a processor."""

Ways = list[tuple[int, int, int]]
"""The cost, slot and way of all that is possible for a task, cheapest first."""


def start(grid: Grid) -> dict[str, Choice]:
    """A choice for every task that finds one; what it breaks is nothing."""
    ordered = {name: sorted(_ways(task)) for name, task in grid.tasks.items()}
    together = [[name for name in group if ordered[name]] for group in groups(grid)]
    worth = [max((grid.tasks[name].value for name in group), default=0) for group in together]
    blame = [sum(_stake(ordered[name]) for name in group) for group in together]
    best: dict[str, Choice] = {}
    for _round in range(max(1, min(ROUNDS, PLACED // max(1, len(grid.tasks))))):
        order = sorted(range(len(together)), key=lambda number: (-worth[number], -blame[number]))
        found = _once(grid, [together[number] for number in order], ordered)
        if not best or grid.objective(found) < grid.objective(best):
            best = found
        lost = [sum(_cost(grid, found, name) - grid.tasks[name].cheapest for name in group) for group in together]
        if not any(lost):
            break
        blame = [before + more for before, more in zip(blame, lost, strict=True)]
    return best


def _once(grid: Grid, together: list[list[str]], ordered: Mapping[str, Ways]) -> dict[str, Choice]:
    state = _state(grid)
    for group in together:
        names: list[str] = []
        for name in group:
            if all(lag.before in names for lag in state.lags.get(name, ()) if lag.then == name):
                names.append(name)
        while names and not _place(state, names, ordered):
            last = [name for name in names if not any(lag.before == name and lag.then in names for lag in state.lags.get(name, ()))]
            names.remove(min(last, key=lambda name: (grid.tasks[name].value, name)))
    return state.chosen


def _cost(grid: Grid, chosen: Mapping[str, Choice], name: str) -> int:
    return chosen[name].cost if name in chosen else grid.tasks[name].value


def _stake(ways: Ways) -> float:
    """How much the mean of its ways costs more than the cheapest."""
    return sum(cost for cost, _slot, _way in ways) / len(ways) - ways[0][0] if ways else 0.0


def groups(grid: Grid) -> list[list[str]]:
    """The tasks that hang together by their order, each group from first to last."""
    group = {name: {name} for name in grid.tasks}
    for lag in grid.lags:
        joined = group[lag.before] | group[lag.then]
        for name in joined:
            group[name] = joined
    after: dict[str, list[str]] = {name: [] for name in grid.tasks}
    for lag in grid.lags:
        after[lag.then].append(lag.before)
    made: dict[int, list[str]] = {}
    for name in TopologicalSorter(after).static_order():
        made.setdefault(id(group[name]), []).append(name)
    return list(made.values())


@dataclass
class _State:
    """What was chosen, and which slots that takes: one bit for each slot, for each environment, host and person."""

    grid: Grid
    lags: dict[str, list[Lag]] = field(default_factory=dict)
    chosen: dict[str, Choice] = field(default_factory=dict)
    busy: dict[tuple[str, str], int] = field(default_factory=dict)
    attention: float = 0.0
    money: float = 0.0

    def fits(self, task: Task, choice: Choice) -> bool:
        """Whether nothing that was chosen is in its way."""
        grid, job = self.grid, task.job
        if not all(self._apart(lag, choice.slot, job.id) for lag in self.lags.get(job.id, ())):
            return False
        if any(self.busy.get(key, 0) & bits for key, bits in _bits(task, choice.slot, task.ways[choice.way])):
            return False
        if grid.attention is not None and job.attention and self.attention + job.attention > grid.attention:
            return False
        return grid.money is None or not job.money or self.money + job.money <= grid.money

    def take(self, task: Task, choice: Choice) -> None:
        """Choose it."""
        self.chosen[task.job.id] = choice
        self._count(task, choice, 1)

    def give_back(self, task: Task) -> None:
        """Choose it no more."""
        self._count(task, self.chosen.pop(task.job.id), -1)

    def _count(self, task: Task, choice: Choice, sign: int) -> None:
        self.attention += sign * task.job.attention
        self.money += sign * task.job.money
        for key, bits in _bits(task, choice.slot, task.ways[choice.way]):
            self.busy[key] = self.busy.get(key, 0) ^ bits

    def _apart(self, lag: Lag, slot: int, name: str) -> bool:
        """Whether two tasks are in order, as far as both are chosen."""
        other = self.chosen.get(lag.before if lag.then == name else lag.then)
        if other is None:
            return True
        between = slot - other.slot if lag.then == name else other.slot - slot
        return lag.least <= between and (lag.most is None or between <= lag.most)


def settled(grid: Grid, chosen: Mapping[str, Choice]) -> dict[str, Choice]:
    """The same at the same cost, but nothing waits without a reason: one after the other takes the first of its equally good starts that is free.

    Without it a plan that is made again would move what nobody has touched.
    """
    state = _state(grid)
    for name, choice in chosen.items():
        state.take(grid.tasks[name], choice)
    for name, choice in sorted(chosen.items(), key=lambda pair: (pair[1].slot, pair[0])):
        task = grid.tasks[name]
        state.give_back(task)
        same = sorted((slot, way) for cost, slot, way in _ways(task) if cost == choice.cost and slot <= choice.slot)
        state.take(task, next(one for slot, way in same if state.fits(task, one := Choice(slot, way, choice.cost))))
    return state.chosen


def _state(grid: Grid) -> _State:
    state = _State(grid)
    for lag in grid.lags:
        state.lags.setdefault(lag.before, []).append(lag)
        state.lags.setdefault(lag.then, []).append(lag)
    return state


def _ways(task: Task) -> Iterator[tuple[int, int, int]]:
    return ((cost, slot, number) for number, way in enumerate(task.ways) for slot, cost in way.costs.items())


def _bits(task: Task, slot: int, way: Way) -> Iterator[tuple[tuple[str, str], int]]:
    for key in takes(task.job, way.person):
        yield key, (1 << (task.attention if key[0] == "person" else task.length)) - 1 << slot


def _place(state: _State, names: list[str], ordered: Mapping[str, Ways]) -> bool:
    """Choose for all of the names or for none: first what loses most without its cheapest start, or else what has the fewest ways."""
    tasks = [state.grid.tasks[name] for name in names]
    return _around(state, sorted(tasks, key=lambda task: -_stake(ordered[task.job.id])), ordered) or _around(
        state, sorted(tasks, key=lambda task: len(ordered[task.job.id])), ordered
    )


def _around(state: _State, tasks: list[Task], ordered: Mapping[str, Ways]) -> bool:
    """Choose for all of the tasks or for none, each around those before it: the cheapest that so many tries find, by depth and bound."""
    least = [sum(ordered[task.job.id][0][0] for task in tasks[place + 1 :]) for place in range(len(tasks))]
    best: list[Choice] = []
    taken: list[Choice] = []
    trail = [_free(state, tasks[0], ordered)]
    for _try in range(TRIES):
        place = len(taken)
        choice = next(trail[-1], None)
        if choice is None or (best and _sum(taken) + choice.cost + least[place] >= _sum(best)):
            trail.pop()
            if not trail:
                break
            taken.pop()
            state.give_back(tasks[place - 1])
        elif place + 1 == len(tasks):
            best = [*taken, choice]
        else:
            state.take(tasks[place], choice)
            taken.append(choice)
            trail.append(_free(state, tasks[place + 1], ordered))
    for task, _choice in zip(tasks, taken, strict=False):
        state.give_back(task)
    for task, choice in zip(tasks, best, strict=False):
        state.take(task, choice)
    return bool(best)


def _sum(choices: list[Choice]) -> int:
    return sum(choice.cost for choice in choices)


def _free(state: _State, task: Task, ordered: Mapping[str, Ways]) -> Iterator[Choice]:
    """Its choices that fit, cheapest first, each looked at when it is asked for."""
    for cost, slot, way in ordered[task.job.id]:
        choice = Choice(slot, way, cost)
        if state.fits(task, choice):
            yield choice
