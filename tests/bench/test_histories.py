from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.forecasts import compared
from bench.histories import Done, drifting, export, read
from wellkept.estate.models import Environment
from wellkept.operations.models import Run, Step
from wellkept.planning.durations import Work


def test_what_a_home_has_done_is_written_without_names_and_read_again(environment: Environment, tmp_path: Path) -> None:
    began = datetime(2026, 3, 1, 2, tzinfo=UTC)
    ours = {"organisation": environment.system.organisation, "system": environment.system, "environment": environment, "started_at": began}
    run = Run.objects.create(**ours, operation="backups.take", maintenance_type="preventive", state="succeeded")
    dump = {"run": run, "name": "dump", "title": "Dump of Riverside"}
    Step.objects.create(**dump, number=1, state="failed", seconds=99.0)
    Step.objects.create(**dump, number=1, attempt=2, state="done", seconds=4.0, drivers={"bytes": 1000, "added": 10, "note": "x"})
    Step.objects.create(**dump, number=2, state="done", seconds=1.5, drivers={"files": 3})
    Run.objects.create(**ours, operation="backups.take", maintenance_type="preventive", state="failed")
    file = tmp_path / "history.json"
    assert export(file) == 1
    work = Work({"dump": {"bytes": 1000, "files": 3}})
    assert read(file) == [Done(str(environment.pk), "backups.take", began, work, {"dump": 5.5})]
    assert "iverside" not in file.read_text()


def test_made_histories_are_the_same_each_time_and_every_way_is_judged_on_the_same_runs() -> None:
    history = drifting(1)
    assert history == drifting(1)
    assert history != drifting(2)
    judged = compared(history[:400])
    assert len({one["runs"] for one in judged.values()}) == 1
    assert judged["replayed"]["loss"] == pytest.approx(judged["plain quantiles"]["loss"], rel=0.4)
    assert judged["replayed"]["loss"] != judged["plain quantiles"]["loss"]
