"""Kill a worker at every point of an operation, let another one go on, and look at what is left.

A case is an operation with a way to start a run and a way to tell what is wrong afterwards. Its points are not listed by hand: a recording run writes
down every milestone it passes. Then workers are killed at each of them. One run bears several kills, one after the other, so that an enumeration
costs little more than a few runs; of the instants around the boundary of two steps (what the one did is not known yet, is known, the other has begun)
each boundary gets one, in turn. With ``WELLKEPT_CHAOS_FULL=1`` every point is a case, and has a run of its own. The turn, and the moments of the
kills inside steps, come from a seed, which a failure tells; ``WELLKEPT_CHAOS_SEED`` repeats them.
"""

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.services.installation import Installation, alive, leftovers, until
from tests.services.turns import FULL, SEED
from wellkept.operations import engine, records, runtime
from wellkept.operations.models import OPEN_STATES, Lease, Record, Run, Step

AROUND = re.compile(r"(\d+)\.[^:]+:(started|done|recorded)#(\d+)")
KILLS_PER_RUN = 64
RUN_SECONDS = 180.0


@dataclass
class Case:
    """``start`` submits a run; ``wrong`` says what is not as it must be after a run that ended (empty: nothing).

    ``goes_on`` are the processes that a run may start and that outlive it: those of the ERP itself.
    """

    name: str
    start: Callable[[], Run]
    wrong: Callable[[Run], list[str]]
    allowed: tuple[str, ...] = ("succeeded",)
    goes_on: Callable[[], set[int]] = set


@dataclass
class Report:
    """What was done and what went wrong."""

    case: str
    seed: int
    points: list[str] = field(default_factory=list)
    of: int = 0
    killed: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def line(self, what: str) -> str:
        took = time.monotonic() - self.started
        return f"{self.case}: {what}: {len(self.killed)} of {self.of}, violations: {len(self.violations)}, seed {self.seed}, {took:.0f} s"


def record_points(installation: Installation, case: Case, folder: Path) -> list[str]:
    """Run the operation once without harm and return the points it passed, in order."""
    log = folder / "points.txt"
    pid = installation.start_worker(WELLKEPT_MILESTONES=str(log))
    run = runtime.wait(case.start().id, timeout=RUN_SECONDS)
    until(lambda: engine.status(str(run.id)) == "SUCCESS", 20, "the end of the workflow")
    installation.kill(pid)
    found = violations(installation, case, run)
    assert found == [], "\n".join(found)
    return list(dict.fromkeys(log.read_text().splitlines()))


def kill_at_every_point(installation: Installation, case: Case, folder: Path) -> Report:
    """The whole enumeration."""
    installation.kill_all()
    every = record_points(installation, case, folder)
    report = Report(case.name, SEED, every if FULL else one_at_each_boundary(every), len(every))
    return kill_at(installation, case, report, 1 if FULL else KILLS_PER_RUN)


def kill_at(installation: Installation, case: Case, report: Report, kills_per_run: int = KILLS_PER_RUN) -> Report:
    """Kill workers at the points of the report, so many in each run."""
    installation.kill_all()
    groups = -(-len(report.points) // kills_per_run)
    left = [point for start in range(groups) for point in _one_run(installation, case, report.points[start::groups], report)]
    for point in left:
        # Within one run of several kills a point may not come again under the same name; then it gets a run of its own.
        if _one_run(installation, case, [point], report):
            report.violations.append(f"{point}: was not reached")
    return report


def one_at_each_boundary(points: list[str]) -> list[str]:
    """Every point inside of steps and at the ends of the run, and of those around each boundary between two steps the one whose turn it is."""
    around: dict[tuple[int, str], list[str]] = {}
    for point, found in ((point, AROUND.fullmatch(point)) for point in points):
        if found is not None:
            number, instant, count = found.groups()
            around.setdefault((int(number) - (instant == "started"), count), []).append(point)
    chosen = {alike[(SEED + turn) % len(alike)] for turn, alike in enumerate(around.values())}
    return [point for point in points if point in chosen or AROUND.fullmatch(point) is None]


def _one_run(installation: Installation, case: Case, points: list[str], report: Report) -> list[str]:
    """Kill one run at each of the points, in order; returns the points it did not come by."""
    missed, run, killed = [], None, []
    for point in points:
        pid = installation.start_worker(WELLKEPT_KILL_AT=point)
        run = run or case.start()
        if await_kill(installation, pid, run):
            killed.append(point)
        else:
            missed.append(point)
            installation.kill(pid)
    if run is not None:
        finish(installation, case, run, f"killed at {', '.join(killed)}", report)
    report.killed += killed
    return missed


def await_kill(installation: Installation, pid: int, run: Run) -> bool:
    """Wait until the worker has killed itself; False when the run came to its end without that."""
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        if not alive(pid):
            installation.await_death(pid)
            return True
        if not Run.objects.filter(pk=run.pk, state__in=OPEN_STATES).exists() and engine.status(str(run.id)) == "SUCCESS":
            return False
        time.sleep(0.05)
    raise AssertionError(f"the run {run.id} hangs")


def finish(installation: Installation, case: Case, run: Run, what: str, report: Report) -> None:
    """Let a healthy worker bring the run to its end, and note what is wrong then."""
    pid = installation.start_worker()
    try:
        runtime.wait(run.id, timeout=RUN_SECONDS)
        until(lambda: engine.status(str(run.id)) == "SUCCESS", 20, "the end of the workflow")
    except (AssertionError, TimeoutError) as error:
        report.violations.append(f"{what}: {error}")
    installation.kill(pid)
    report.violations += [f"{what}: {violation}" for violation in violations(installation, case, run)]


def kill_inside_every_step(installation: Installation, case: Case, also: Callable[[], None] = lambda: None) -> Report:
    """Kill the worker at a random moment of every step, one step after the other, and do ``also`` right after."""
    installation.kill_all()
    chance = random.Random(SEED)
    reference = reference_run(installation, case)
    report = Report(case.name, SEED, list(reference), len(reference))
    run, moments = None, []
    for name, seconds in reference.items():
        moment = chance.uniform(0, seconds)
        moments.append(f"{name} after {moment:.3f} s")
        pid = installation.start_worker()
        run = run or case.start()
        _kill_after(installation, pid, run, name, moment)
        also()
        report.killed.append(name)
    if run is not None:
        finish(installation, case, run, f"killed in {', '.join(moments)}", report)
    return report


def reference_run(installation: Installation, case: Case) -> dict[str, float]:
    """How many seconds each step takes when nobody is killed: from the last run that nobody killed, or, where it does not succeed, from a new one."""
    calm = Run.objects.filter(operation=case.name, state="succeeded", takeovers=0).order_by("-requested_at").first()
    if calm is None or "succeeded" not in case.allowed:
        pid = installation.start_worker()
        calm = runtime.wait(case.start().id, timeout=RUN_SECONDS)
        installation.kill(pid)
    return {step.name: step.seconds or 0.0 for step in Step.objects.filter(run=calm).order_by("number")}


def _kill_after(installation: Installation, pid: int, run: Run, name: str, moment: float) -> None:
    await_step(run, name)
    time.sleep(moment)
    installation.kill(pid)


def await_step(run: Run, name: str) -> None:
    """Wait until the step has begun, or the run has ended."""

    def running() -> bool:
        return Step.objects.filter(run=run, name=name).exists() or not Run.objects.filter(pk=run.pk, state__in=OPEN_STATES).exists()

    until(running, RUN_SECONDS, f"the step {name}")


def violations(installation: Installation, case: Case, run: Run) -> list[str]:
    """What is not as it must be after the end of a run, whatever happened on the way."""
    run.refresh_from_db()
    found = []
    if run.state not in case.allowed:
        found.append(f"it ended as {run.state}: {run.outcome} {run.error[-600:]}")
    if run.ended_at is None or not run.outcome:
        found.append("it has no end or no outcome")
    kinds = list(Record.objects.filter(run_id=run.id).values_list("kind", flat=True))
    if kinds.count(run.operation) != 1 or len(set(kinds)) != len(kinds):
        found.append(f"the record has {kinds}, and should have each once")
    verification = records.verify(run.organisation)
    if not verification.ok:
        found.append(f"the record does not verify: {verification.reason}")
    if Lease.objects.filter(run=run).exists():
        found.append("the lease is still held")
    if Step.objects.filter(run=run, state="running").exists():
        found.append("a step is still running")
    found += [f"left behind: {item}" for item in leftovers(installation, case.goes_on())]
    return found + case.wrong(run)
