"""Workers killed at every point, and inside every step, of operations that need no ERP."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import transaction

from tests.chaos import killing
from tests.services.installation import Installation, until
from wellkept.estate.models import Environment
from wellkept.operations import runtime
from wellkept.operations.models import Run, Worker
from wellkept.operations.worker import LEAVE_SECONDS

Count = Callable[[str], None]


@pytest.fixture
def things(place: Environment, file: str) -> killing.Case:
    """Starts a cluster and a program that outlive their step."""

    def start() -> Run:
        return runtime.submit("samples.things", organisation=place.system.organisation, environment=place, arguments={"file": file, "seconds": 0.2})

    return killing.Case("samples.things", start, lambda _run: [])


@pytest.fixture
def change(place: Environment, file: str) -> killing.Case:
    """Changes the environment under its lease."""

    def start() -> Run:
        arguments = {"environment_id": place.pk, "seconds": 0.2, "file": file}
        return runtime.submit("samples.change", organisation=place.system.organisation, environment=place, arguments=arguments)

    def wrong(run: Run) -> list[str]:
        place.refresh_from_db()
        return [] if place.version == str(run.id) else [f"the environment is at {place.version}"]

    return killing.Case("samples.change", start, wrong)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["things", "change"])
def test_killed_at_every_point(installation: Installation, request: pytest.FixtureRequest, count: Count, tmp_path: Path, name: str) -> None:
    report = killing.kill_at_every_point(installation, request.getfixturevalue(name), tmp_path)
    count(report.line("kill points"))
    assert report.violations == []
    assert report.killed
    assert sorted(report.killed) == sorted(report.points)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["things", "change"])
def test_killed_inside_every_step(installation: Installation, request: pytest.FixtureRequest, count: Count, name: str) -> None:
    report = killing.kill_inside_every_step(installation, request.getfixturevalue(name))
    count(report.line("kills inside steps"))
    assert report.violations == [], report.seed
    assert sorted(report.killed) == sorted(report.points)


@pytest.mark.slow
def test_a_worker_that_cannot_hand_over_leaves_in_time_and_its_run_goes_on(installation: Installation, things: killing.Case) -> None:
    installation.kill_all()
    pid = installation.start_worker()
    run = things.start()
    until(run.steps.filter(name="start").exists, 60, "the first step")
    with transaction.atomic():
        # Whoever holds this row keeps the worker from giving signs of life and from handing over, as a database that does not answer would.
        Worker.objects.select_for_update().get(pid=pid)
        started = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        installation.await_death(pid, LEAVE_SECONDS + 5)
        assert time.monotonic() - started > LEAVE_SECONDS - 1
    assert "Timeout (0:00:20)!" in installation.log()
    assert "in working" in installation.log()
    installation.start_worker()
    run = runtime.wait(run.id, timeout=60)
    assert killing.violations(installation, things, run) == []
