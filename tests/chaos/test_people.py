"""People get in each other's way: two start conflicting runs at the same moment, somebody cancels at the worst moment."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests import people
from tests.chaos import killing
from tests.services.installation import Installation, leftovers, until
from wellkept.estate.models import Environment, Person, Role
from wellkept.operations import engine, runtime
from wellkept.operations.models import Lease, Record, Run

ROUNDS = 8


def submit_together(environment: Environment, operators: list[Person], file: str) -> list[Run | runtime.Conflict]:
    """Every operator starts the same change at the same moment; what each of them got."""
    barrier = threading.Barrier(len(operators))
    answers: list[Run | runtime.Conflict] = []

    def start(operator: Person) -> None:
        arguments = {"environment_id": environment.pk, "seconds": 0.1, "file": file}
        barrier.wait()
        try:
            answers.append(
                runtime.submit(
                    "samples.change",
                    organisation=environment.system.organisation,
                    environment=environment,
                    arguments=arguments,
                    requested_by=operator,
                )
            )
        except runtime.Conflict as conflict:
            answers.append(conflict)
        finally:
            connection.close()

    threads = [threading.Thread(target=start, args=[operator]) for operator in operators]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.slow
def test_of_two_operators_with_conflicting_runs_exactly_one_starts(installation: Installation, place: Environment, file: str) -> None:
    installation.kill_all()
    installation.start_worker()
    operators = [people.make_member(place.system.organisation, Role.OPERATOR, f"{name}@works.example") for name in ("ada", "bert", "cleo")]
    for _ in range(ROUNDS):
        answers = submit_together(place, operators, file)
        runs = [answer for answer in answers if isinstance(answer, Run)]
        refusals = [answer for answer in answers if isinstance(answer, runtime.Conflict)]
        assert (len(runs), len(refusals)) == (1, 2)
        assert {refusal.run.pk for refusal in refusals} == {runs[0].pk}
        assert {refusal.message["params"]["person"] for refusal in refusals} == {str(runs[0].requested_by)}
        assert Run.objects.filter(environment=place, state__in=["queued", "running"]).count() == 1
        assert runtime.wait(runs[0].id, timeout=30).state == "succeeded"
    assert Run.objects.filter(operation="samples.change", environment=place).count() == ROUNDS
    assert not Lease.objects.exists()


@pytest.mark.slow
def test_cancelled_at_every_boundary(installation: Installation, place: Environment, count: Callable[[str], None], file: str, tmp_path: Path) -> None:
    """The worker is stopped exactly at the boundary, the run is cancelled there, and another worker finds it so."""

    def start() -> Run:
        return runtime.submit("samples.things", organisation=place.system.organisation, environment=place, arguments={"file": file, "seconds": 0.1})

    installation.kill_all()
    case = killing.Case("samples.things", start, lambda _run: [], allowed=("cancelled", "succeeded"))
    points = [point for point in killing.record_points(installation, case, tmp_path) if point.split("#")[0].endswith((":recorded", "claimed"))]
    ended: dict[str, Any] = {}
    for point in points:
        pid = installation.start_worker(WELLKEPT_KILL_AT=point)
        run = start()
        assert killing.await_kill(installation, pid, run)
        runtime.cancel(run, None)
        pid = installation.start_worker()
        run = runtime.wait(run.id, timeout=60)
        until(lambda run=run: engine.status(str(run.id)) == "SUCCESS", 20, "the end of the workflow")
        installation.kill(pid)
        ended[point] = run.state
        assert killing.violations(installation, case, run) == []
    assert list(ended.values()) == ["cancelled", "cancelled", "succeeded", "succeeded"]
    count(f"samples.things: cancelled at boundaries: {len(ended)}, violations: 0")
    assert leftovers(installation) == []
    assert Record.objects.filter(kind="samples.things").count() == len(points) + 1
