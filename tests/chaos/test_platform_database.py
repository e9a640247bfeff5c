"""The platform's PostgreSQL goes away while a run is at work."""

import time
from pathlib import Path

import pytest
from django.db import connection

from tests.services.installation import Installation, leftovers, until
from wellkept.estate.models import Environment
from wellkept.operations import records, runtime
from wellkept.operations.models import Lease, Record, Run, Worker
from wellkept.tools import postgres


def lines(file: str) -> list[str]:
    return Path(file).read_text().splitlines()


def pause_database(installation: Installation, mode: str, seconds: float) -> None:
    cluster = installation.home.cluster()
    connection.close()
    postgres.stop(cluster, mode)
    time.sleep(seconds)
    postgres.start(cluster)


@pytest.mark.parametrize(("mode", "seconds"), [("fast", 0.0), ("immediate", 0.0), ("immediate", 6.0)])
def test_a_restart_of_the_database_ends_no_run_and_loses_none(
    installation: Installation, place: Environment, file: str, mode: str, seconds: float
) -> None:
    if not installation.pids:
        installation.start_worker()
    organisation = place.system.organisation
    run = runtime.submit("samples.work", organisation=organisation, environment=place, arguments={"file": file, "seconds": 2})
    until(lambda: lines(file), 20, "the first step")
    pause_database(installation, mode, seconds)
    run = runtime.wait(run.id, timeout=60)
    assert run.state == "succeeded"
    assert [line for line in dict.fromkeys(lines(file)) if line.endswith("ended")] == ["first ended", "second ended", "third ended"]
    assert Record.objects.filter(run_id=run.id).count() == 1
    assert records.verify(organisation).ok
    assert not Lease.objects.exists()
    assert leftovers(installation) == []
    assert Worker.objects.count() == 1
    assert not Run.objects.filter(state__in=["queued", "running"]).exists()


def test_a_restart_in_every_step_and_between_them_ends_no_run(installation: Installation, place: Environment, file: str) -> None:
    if not installation.pids:
        installation.start_worker()
    arguments = {"environment_id": place.pk, "seconds": 2, "file": file}
    run = runtime.submit("samples.change", organisation=place.system.organisation, environment=place, arguments=arguments)
    until(run.steps.exists, 20, "the step")
    pause_database(installation, "immediate", 0.5)
    until(Run.objects.filter(pk=run.pk).exists, 20, "the database")
    pause_database(installation, "fast", 0.5)
    run = runtime.wait(run.id, timeout=60)
    assert run.state == "succeeded"
    place.refresh_from_db()
    assert place.version == str(run.id)
    assert not Lease.objects.exists()


def test_a_step_that_cannot_be_stopped_is_not_started_a_second_time_beside_itself(installation: Installation, place: Environment, file: str) -> None:
    if not installation.pids:
        installation.start_worker()
    arguments = {"environment_id": place.pk, "seconds": 9, "file": file}
    run = runtime.submit("samples.change", organisation=place.system.organisation, environment=place, arguments=arguments)
    until(lambda: lines(file), 20, "the step")
    pause_database(installation, "immediate", 6.0)
    run = runtime.wait(run.id, timeout=90)
    assert run.state == "succeeded"
    assert run.takeovers == 1
    assert lines(file)[:4] == ["in", "out", "in", "out"]
