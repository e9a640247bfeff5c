"""The runtime with real worker processes on a PostgreSQL of its own."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests import people
from tests.services.installation import Installation, alive, installed, leftovers, strays, until
from wellkept.estate.models import Environment, Organisation, Person, Role
from wellkept.operations import engine, queries, records, registry, runtime, scratch
from wellkept.operations.models import Lease, Record, Run, Step, Worker

SAMPLES = "tests.operations.samples"


@pytest.fixture(scope="module")
def installation(django_db_setup: None, django_db_blocker: Any) -> Iterator[Installation]:
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock():
        patch.setenv("WELLKEPT_OPERATION_MODULES", SAMPLES)
        patch.setenv("WELLKEPT_TAKEOVER_SECONDS", "4")
        with installed("rt-") as made:
            yield made


@pytest.fixture
def worker(installation: Installation) -> Iterator[int]:
    """The pid of a worker that is alive; workers that a test kills are replaced for the next one."""
    if not any(alive(pid) for pid in installation.pids):
        installation.start_worker()
    yield installation.pids[-1]
    while len(installation.pids) > 1:
        installation.kill(installation.pids[0])


@pytest.fixture(scope="module")
def home_organisation(installation: Installation) -> Organisation:
    return people.make_organisation("works")


@pytest.fixture(scope="module")
def somebody(home_organisation: Organisation) -> Person:
    return people.make_member(home_organisation, Role.OPERATOR)


@pytest.fixture(scope="module")
def place(home_organisation: Organisation) -> Environment:
    return people.make_environment(people.make_system(home_organisation))


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "lines.txt"
    path.touch()
    return str(path)


def lines(file: str) -> list[str]:
    return Path(file).read_text().splitlines()


def steps(run: Run) -> list[tuple[str, int, str]]:
    return list(Step.objects.filter(run=run).order_by("number", "attempt").values_list("name", "attempt", "state"))


def finished(run: Run, seconds: float = 40) -> Run:
    return runtime.wait(run.id, timeout=seconds)


def submit(organisation: Organisation, name: str, **arguments: Any) -> Run:
    return runtime.submit(name, organisation=organisation, arguments=arguments)


def test_a_run_succeeds_and_leaves_its_story(worker: int, installation: Installation, place: Environment, somebody: Person, file: str) -> None:
    run = runtime.submit("samples.work", organisation=place.system.organisation, environment=place, arguments={"file": file}, requested_by=somebody)
    seen: list[dict[str, Any]] = []
    run = runtime.wait(run.id, on_change=seen.append, timeout=30)
    assert (run.state, run.outcome["params"], run.result) == ("succeeded", {"count": 3}, {"done": ["first", "second", "third"]})
    assert lines(file) == ["first started", "first ended", "second started", "second ended", "third started", "third ended"]
    assert steps(run) == [("first", 1, "done"), ("second", 1, "done"), ("third", 1, "done"), ("clean-up", 1, "done")]
    first = run.steps.get(name="first")
    assert 0.2 <= first.seconds < 5
    assert (first.drivers, first.note["params"], first.fraction) == ({"rows": 7}, {"name": "first"}, 1.0)
    record = Record.objects.get(run_id=run.id)
    assert (record.kind, record.actor, record.maintenance_type, record.system) == ("samples.work", somebody.email, "corrective", place.system)
    assert seen[-1]["open"] is False
    assert [phase["state"] for phase in seen[-1]["phases"]] == ["done"] * 4
    assert leftovers(installation) == []
    assert engine.status(str(run.id)) == "SUCCESS"


@pytest.mark.parametrize("ending", ["failed", "needs_attention", "rolled_back"])
def test_a_run_ends_as_its_step_says(worker: int, home_organisation: Organisation, file: str, ending: str) -> None:
    run = finished(submit(home_organisation, "samples.work", file=file, seconds=0, ending=ending))
    assert (run.state, run.outcome["params"]) == (ending, {"kind": ending})
    assert steps(run)[-2:] == [("third", 1, "failed"), ("clean-up", 1, "done")]
    assert run.steps.get(name="third").error == f"it ended as {ending}"
    assert Record.objects.get(run_id=run.id).data["state"] == ending


def test_an_unplanned_error_fails_the_run_with_its_text_and_trace(worker: int, home_organisation: Organisation, file: str) -> None:
    run = finished(submit(home_organisation, "samples.work", file=file, seconds=0, ending="crash"))
    assert (run.state, run.outcome["params"]) == ("failed", {"error": "the disk sang"})
    assert "samples.py" in run.error
    assert "RuntimeError: the disk sang" in run.error


def test_a_step_over_its_time_is_stopped_with_its_program(
    worker: int, installation: Installation, home_organisation: Organisation, file: str
) -> None:
    run = finished(submit(home_organisation, "samples.work", file=file, seconds=30, limit=0.7))
    assert run.state == "failed"
    assert run.outcome["params"] == {"step": "First", "limit": 0.7}
    assert lines(file) == ["first started"]
    assert 0.7 <= run.steps.get(name="first").seconds < 5
    assert leftovers(installation) == []


def test_retries_happen_as_declared(worker: int, home_organisation: Organisation, file: str, tmp_path: Path) -> None:
    run = finished(submit(home_organisation, "samples.flaky", file=file, works_at=3))
    assert (run.state, run.outcome["params"]) == ("succeeded", {"turn": 3})
    assert steps(run)[:3] == [("try", 1, "failed"), ("try", 2, "failed"), ("try", 3, "done")]
    other = tmp_path / "other.txt"
    run = finished(submit(home_organisation, "samples.flaky", file=str(other), works_at=4))
    assert (run.state, len(lines(str(other)))) == ("failed", 3)


def test_cancelling_stops_the_program_of_a_running_step(worker: int, home_organisation: Organisation, somebody: Person, file: str) -> None:
    run = submit(home_organisation, "samples.work", file=file, seconds=30)
    until(lambda: lines(file), 20, "the first step")
    runtime.cancel(run, somebody)
    run = finished(run, 10)
    assert (run.state, lines(file)) == ("cancelled", ["first started"])
    assert steps(run) == [("first", 1, "cancelled"), ("clean-up", 1, "done")]
    assert run.cancel_requested_by == somebody


def test_cancelling_between_steps_keeps_the_next_one_from_starting(worker: int, home_organisation: Organisation, file: str) -> None:
    run = submit(home_organisation, "samples.work", file=file, seconds=1.2)
    until(lambda: Run.objects.filter(pk=run.pk, state="running").exists(), 20, "the start")
    Run.objects.filter(pk=run.pk).update(cancel_requested_at=run.requested_at)
    run = finished(run, 10)
    assert run.state == "cancelled"
    assert "second started" not in lines(file)


def test_python_that_reports_can_be_cancelled_and_a_shielded_step_runs_to_its_end(worker: int, home_organisation: Organisation, file: str) -> None:
    run = submit(home_organisation, "samples.shielded", file=file, seconds=30)
    until(lambda: Step.objects.filter(run=run).exists(), 20, "the step")
    runtime.cancel(run, None)
    run = finished(run, 15)
    assert (run.state, lines(file)) == ("cancelled", ["undo started", "undo ended"])
    assert steps(run) == [("wait", 1, "cancelled"), ("undo", 1, "done"), ("clean-up", 1, "done")]


def test_cleanup_gets_the_arguments_and_runs_however_the_run_ended(worker: int, place: Environment, file: str) -> None:
    arguments = {"environment_id": place.pk, "seconds": 0, "file": file}
    run = finished(runtime.submit("samples.change", organisation=place.system.organisation, environment=place, arguments=arguments))
    assert run.state == "succeeded"
    assert lines(file) == ["in", "out", f"cleaned {str(run.id)[:4]} {place.pk} 0"]
    place.refresh_from_db()
    assert place.version == str(run.id)


def test_a_second_change_of_an_environment_is_refused_with_the_holder(worker: int, place: Environment, somebody: Person, file: str) -> None:
    arguments = {"environment_id": place.pk, "seconds": 3, "file": file}
    submit_change = {"organisation": place.system.organisation, "environment": place, "arguments": arguments}
    first = runtime.submit("samples.change", requested_by=somebody, **submit_change)
    with pytest.raises(runtime.Conflict) as caught:
        runtime.submit("samples.change", **submit_change)
    assert caught.value.run == first
    assert caught.value.message["params"]["person"] == str(somebody)
    assert Run.objects.filter(operation="samples.change", environment=place, state__in=["queued", "running"]).count() == 1
    assert finished(first).state == "succeeded"
    assert not Lease.objects.exists()
    second = runtime.submit("samples.change", **{**submit_change, "arguments": {**arguments, "seconds": 0}})
    assert finished(second).state == "succeeded"


def test_the_lease_of_an_ended_run_is_void(worker: int, place: Environment, file: str) -> None:
    arguments = {"environment_id": place.pk, "seconds": 0, "file": file}
    first = finished(runtime.submit("samples.change", organisation=place.system.organisation, environment=place, arguments=arguments))
    Lease.objects.create(environment=place, run=first)
    second = finished(runtime.submit("samples.change", organisation=place.system.organisation, environment=place, arguments=arguments))
    assert second.state == "succeeded"
    assert not Lease.objects.exists()


def test_a_run_nobody_started_is_cancelled_at_once(installation: Installation, home_organisation: Organisation, file: str) -> None:
    installation.kill_all()
    run = submit(home_organisation, "samples.work", file=file, seconds=0)
    runtime.cancel(run, None)
    run.refresh_from_db()
    assert (run.state, Record.objects.filter(run_id=run.id).count()) == ("cancelled", 1)
    installation.start_worker()
    until(lambda: engine.status(str(run.id)) == "SUCCESS", 20, "the end of the workflow")
    assert lines(file) == []
    assert Step.objects.filter(run=run).count() == 0


def test_a_killed_worker_is_taken_over_by_another_within_30_seconds(installation: Installation, home_organisation: Organisation, file: str) -> None:
    installation.kill_all()
    victim = installation.start_worker()
    run = submit(home_organisation, "samples.work", file=file, seconds=1.5)
    until(lambda: "first ended" in lines(file) and "second started" in lines(file), 20, "the second step")
    other = installation.start_worker()
    installation.kill(victim)
    killed = time.monotonic()
    run = finished(run, 30)
    taken = time.monotonic() - killed
    assert (run.state, run.takeovers) == ("succeeded", 1)
    assert lines(file).count("first started") == 1
    assert lines(file).count("second started") == 2
    assert lines(file).count("second ended") == 1
    assert steps(run)[:3] == [("first", 1, "done"), ("second", 1, "failed"), ("second", 2, "done")]
    assert run.worker == Worker.objects.get(pid=other).name
    assert taken < 30
    assert leftovers(installation) == []


def test_a_worker_that_hangs_is_taken_over_and_may_not_write_any_more(installation: Installation, home_organisation: Organisation, file: str) -> None:
    import os
    import signal

    installation.kill_all()
    victim = installation.start_worker()
    run = submit(home_organisation, "samples.work", file=file, seconds=1.5)
    until(lambda: "first started" in lines(file), 20, "the first step")
    os.kill(victim, signal.SIGSTOP)
    installation.start_worker()
    run = finished(run, 40)
    after = lines(file)
    os.kill(victim, signal.SIGCONT)
    until(lambda: Worker.objects.filter(pid=victim).exists(), 20, "its return")
    time.sleep(1.0)
    assert (run.state, run.takeovers) == ("succeeded", 1)
    assert lines(file) == after
    assert Record.objects.filter(run_id=run.id).count() == 1
    assert Run.objects.get(pk=run.pk).worker == run.worker


def test_a_worker_told_to_stop_hands_over_and_leaves_no_program(installation: Installation, home_organisation: Organisation, file: str) -> None:
    installation.kill_all()
    first = installation.start_worker()
    run = submit(home_organisation, "samples.things", file=file, seconds=4)
    until(lambda: "use started" in lines(file), 40, "the second step")
    installation.terminate(first)
    pids = run.steps.get(name="start")
    assert pids.state == "done"
    assert strays(installation) == []
    assert Run.objects.get(pk=run.pk).state == "running"
    assert not Worker.objects.filter(pid=first).exists()
    installation.start_worker()
    run = finished(run)
    assert (run.state, run.takeovers) == ("succeeded", 1)
    assert not any(alive(pid) for pid in run.result.values())
    assert leftovers(installation) == []


def test_what_outlives_a_step_is_ended_with_the_run(worker: int, installation: Installation, home_organisation: Organisation, file: str) -> None:
    run = finished(submit(home_organisation, "samples.things", file=file, seconds=0))
    assert run.state == "succeeded"
    assert not any(alive(pid) for pid in run.result.values())
    assert leftovers(installation) == []


def test_folders_of_ended_runs_are_swept(installation: Installation, home_organisation: Organisation) -> None:
    installation.kill_all()
    ended = Run.objects.create(organisation=home_organisation, operation="samples.work", maintenance_type="corrective", state="failed")
    still_open = Run.objects.create(organisation=home_organisation, operation="samples.work", maintenance_type="corrective", state="running")
    nameless = installation.home.scratch / "0badcafe"
    nameless.mkdir()
    kept, gone = scratch.folder(still_open.id), scratch.folder(ended.id)
    assert sorted(scratch.sweep()) == sorted([gone.name, nameless.name])
    assert [entry.name for entry in installation.home.scratch.iterdir()] == [kept.name]
    scratch.remove(still_open.id)
    still_open.delete()


def test_a_run_whose_submitter_died_before_queueing_is_queued_by_a_worker(worker: int, home_organisation: Organisation, file: str) -> None:
    run = Run.objects.create(
        organisation=home_organisation, operation="samples.work", maintenance_type="corrective", arguments={"file": file, "seconds": 0}
    )
    assert finished(run).state == "succeeded"


def test_a_step_that_keeps_killing_its_worker_is_given_up(installation: Installation, home_organisation: Organisation, file: str) -> None:
    installation.kill_all()
    victim = installation.start_worker()
    run = submit(home_organisation, "samples.work", file=file, seconds=0.5)
    until(lambda: "second started" in lines(file), 20, "the second step")
    installation.kill(victim)
    facts = {"run": run, "number": 2, "name": "second", "title": "Second", "state": "failed", "error": "interrupted: its worker stopped"}
    Step.objects.bulk_create(Step(attempt=attempt, **facts) for attempt in range(2, 11))
    installation.start_worker()
    run = finished(run)
    assert (run.state, run.outcome["params"]) == ("needs_attention", {"count": 10, "step": "Second"})
    assert lines(file) == ["first started", "first ended", "second started"]
    assert steps(run)[-1] == ("clean-up", 1, "done")
    assert leftovers(installation) == []


def test_many_takeovers_alone_end_no_run(installation: Installation, home_organisation: Organisation, file: str) -> None:
    installation.kill_all()
    run = submit(home_organisation, "samples.work", file=file, seconds=0)
    Run.objects.filter(pk=run.pk).update(takeovers=50, started_at=run.requested_at)
    installation.start_worker()
    assert finished(run).state == "succeeded"


def test_the_history_of_past_runs_becomes_the_forecast(worker: int, place: Environment, file: str) -> None:
    arguments = {"file": file, "seconds": 0.3}
    for _ in range(3):
        finished(runtime.submit("samples.work", organisation=place.system.organisation, environment=place, arguments=arguments))
    run = runtime.submit("samples.work", organisation=place.system.organisation, environment=place, arguments={**arguments, "seconds": 2})
    first = run.phases[0]
    assert first["name"] == "first"
    past = Step.objects.filter(name="first", run__environment=place, state="done").exclude(run=run)
    assert first["p50"] in set(past.values_list("seconds", flat=True))
    assert first["p90"] == max(past.values_list("seconds", flat=True))
    assert queries.live(str(run.id))["remaining"]["p50"] == pytest.approx(sum(phase["p50"] for phase in run.phases), rel=0.01)
    finished(run)


def test_a_live_run_costs_a_constant_number_of_queries(worker: int, home_organisation: Organisation) -> None:
    counts = []
    for number in (1, 60):
        run = finished(submit(home_organisation, "operations.selftest", steps=number))
        assert run.state == "succeeded"
        with CaptureQueriesContext(
            connection,
        ) as context:
            state = queries.live(str(run.id))
        assert len(state["phases"]) == 2
        counts.append(len(context))
    assert counts[0] == counts[1] <= 2


def test_the_engine_forgets_what_ended_long_ago_and_we_do_not(worker: int, home_organisation: Organisation, file: str) -> None:
    old = finished(submit(home_organisation, "samples.work", file=file, seconds=0))
    until(lambda: engine.status(str(old.id)) == "SUCCESS", 20, "the end of the workflow")
    time.sleep(0.1)
    moment = timezone.now()
    new = finished(submit(home_organisation, "samples.work", file=file, seconds=0))
    until(lambda: engine.status(str(new.id)) == "SUCCESS", 20, "the end of the workflow")
    assert engine.forget_ended(moment) >= 1
    assert (engine.status(str(old.id)), engine.status(str(new.id))) == (None, "SUCCESS")
    assert (Run.objects.get(pk=old.pk).state, Step.objects.filter(run=old).count()) == ("succeeded", 4)


def test_the_record_verifies_after_all_of_it(installation: Installation, home_organisation: Organisation) -> None:
    verification = records.verify(home_organisation)
    assert verification.ok
    ended = Run.objects.filter(organisation=home_organisation).exclude(state__in=["queued", "running"])
    written = set(Record.objects.filter(run_id__isnull=False).values_list("run_id", flat=True))
    assert {run.id for run in ended if run.outcome} == written


def test_unknown_operations_and_foreign_places_are_refused(installation: Installation, home_organisation: Organisation, place: Environment) -> None:
    before = Run.objects.count()
    with pytest.raises(KeyError, match=r"samples\.nothing"):
        submit(home_organisation, "samples.nothing")
    with pytest.raises(ValueError, match="another organisation"):
        runtime.submit("samples.work", organisation=people.make_organisation("else"), environment=place)
    with pytest.raises(ValueError, match="needs an environment"):
        submit(home_organisation, "samples.change")
    assert Run.objects.count() == before


def test_a_name_belongs_to_one_operation() -> None:
    from tests.operations import samples

    assert registry.registered()["operations.selftest"].title == "Self-test"

    def other(run: runtime.Runbook) -> dict[str, object]:
        return {}

    with pytest.raises(ValueError, match=r"already tests\.operations\.samples\.do_work"):
        runtime.operation("samples.work", title="x", maintenance_type="corrective", phases=())(other)
    assert samples.do_work is registry.registered()["samples.work"].body


def test_a_moment_ends_a_step_and_lets_no_later_one_start(worker: int, place: Environment, file: str) -> None:
    def hurried(seconds: float, first: float) -> Run:
        until = (timezone.now() + timedelta(seconds=seconds)).isoformat()
        organisation, arguments = place.system.organisation, {"file": file, "until": until, "seconds": first}
        return finished(runtime.submit("samples.hurry", organisation=organisation, environment=place, arguments=arguments))

    run = hurried(3, 0.0)
    assert (run.state, run.outcome["id"]) == ("rolled_back", "the window closes")
    assert [(name, state) for name, _attempt, state in steps(run)] == [("first", "done"), ("late", "failed"), ("back", "done"), ("clean-up", "done")]
    assert lines(file) == ["first started", "first ended", "late started", "back"]
    gone = hurried(-1, 0.0)
    assert (gone.state, steps(gone)[0]) == ("failed", ("clean-up", 1, "done"))
    assert len(lines(file)) == 4


def test_a_run_is_forecast_by_the_operation_that_measures_it(worker: int, place: Environment, file: str) -> None:
    organisation = place.system.organisation
    past = finished(runtime.submit("samples.work", organisation=organisation, environment=place, arguments={"file": file, "seconds": 0.5}))
    took = Step.objects.filter(run__operation="samples.work", run__environment=place, run__state="succeeded", name="first", state="done")
    assert past.state == "succeeded"
    first, late, back, _clean_up = queries.expected_phases(
        "samples.hurry", (*registry.get("samples.hurry").phases, ("clean-up", "")), place.pk, organisation.pk
    )
    assert (first["runs"], first["p50"] in set(took.values_list("seconds", flat=True)), first["p90"] >= first["p50"]) == (took.count(), True, True)
    assert (first.get("detour"), back["detour"]) == (None, True)
    run = Run(operation="samples.hurry", organisation=organisation, phases=[first, late, back], requested_at=timezone.now(), state="running")
    run.started_at = run.requested_at
    left = queries.describe(run)["remaining"]
    assert left["p50"] == pytest.approx(first["p50"] + late["p50"]), "what is reached only when something goes wrong is not counted"
