import uuid
from typing import Any

import pytest

from tests.services.sets import Rows, new_run
from wellkept.backups import forget
from wellkept.backups.models import Backup, BackupState, Drill, DrillState
from wellkept.lib.text import say
from wellkept.operations.errors import Failed
from wellkept.operations.models import Run
from wellkept.tools import restic


def present(rows: Rows) -> set[str]:
    return {found.id for found in restic.snapshots(rows.tool())}


def proven(backup: Backup) -> Drill:
    return Drill.objects.create(organisation=backup.organisation, system=backup.system, backup=backup, state=DrillState.PROVEN)


def test_exactly_what_was_previewed_is_forgotten(rows: Rows, history: list[Backup]) -> None:
    proven(history[2])
    plan = forget.preview(rows.repository)
    assert [(line.backup_id, line.keep) for line in plan.lines] == [(history[0].pk, True), (history[1].pk, False), (history[2].pk, True)]
    assert [say(line.reasons[0]) for line in plan.lines] == ["the newest good backup", "no rule keeps it", "the newest proven backup"]
    assert forget.mark(rows.repository.pk, plan.token) == {"backups": [history[1].pk]}
    assert forget.remove(rows.repository.pk) == {"snapshots": 1}
    forget.give_back(rows.repository.pk)
    assert present(rows) == {history[0].snapshot, history[2].snapshot}
    restic.check(rows.tool(), read="all")
    states = dict(Backup.objects.values_list("pk", "state"))
    assert states == {history[0].pk: "good", history[1].pk: "forgotten", history[2].pk: "good"}


def test_a_plan_that_has_changed_is_not_carried_out(rows: Rows, history: list[Backup]) -> None:
    token = forget.preview(rows.repository).token
    rows.repository.retention = {**rows.repository.retention, "last": 2}
    rows.repository.save()
    with pytest.raises(Failed, match="has changed since the preview"):
        forget.mark(rows.repository.pk, token)
    assert set(Backup.objects.values_list("state", flat=True)) == {BackupState.GOOD}
    assert present(rows) == {backup.snapshot for backup in history}


def test_a_repeated_step_removes_no_more(rows: Rows, history: list[Backup]) -> None:
    forget.mark(rows.repository.pk, forget.preview(rows.repository).token)
    forget.remove(rows.repository.pk)
    assert forget.remove(rows.repository.pk) == {"snapshots": 0}
    assert present(rows) == {history[0].snapshot}


def test_a_backup_in_use_stays(rows: Rows, history: list[Backup]) -> None:
    Run.objects.create(
        organisation=rows.backup.organisation, operation="backups.restore", maintenance_type="corrective", arguments={"backup_id": history[1].pk}
    )
    Drill.objects.create(organisation=rows.backup.organisation, system=rows.backup.system, backup=history[2])
    plan = forget.preview(rows.repository)
    assert [(line.keep, say(line.reasons[0])) for line in plan.lines[1:]] == [(True, "a run is using it")] * 2


def test_what_an_interrupted_backup_left_is_removed_and_strangers_stay(rows: Rows, history: list[Backup]) -> None:
    """A snapshot of a backup that failed goes; one of a backup being made, or that somebody else put there, stays."""
    tool = rows.tool()
    failed, making = new_run(rows.backup.organisation), new_run(rows.backup.organisation)
    fields: dict[str, Any] = {"organisation": rows.backup.organisation, "system": rows.backup.system, "environment": rows.environment}
    Backup.objects.create(**fields, repository=rows.repository, run_id=uuid.UUID(failed), state=BackupState.FAILED)
    Backup.objects.create(**fields, repository=rows.repository, run_id=uuid.UUID(making), state=BackupState.MAKING)
    for tag in (f"set={failed}", f"set={making}", "set=their-own", "nightly"):
        restic.backup(tool, ["config"], cwd=rows.folder, tags=[tag])
    assert forget.remove(rows.repository.pk) == {"snapshots": 1}
    assert restic.snapshots(tool, tags=[f"set={failed}"]) == []
    assert len(present(rows)) == len(history) + 3


def test_the_preview_does_not_ask_more_for_more(rows: Rows, history: list[Backup], django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(5):
        forget.preview(rows.repository)
