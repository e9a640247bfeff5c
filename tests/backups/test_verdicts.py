"""The verdict on a system: each reason, the most urgent first, and the one next step."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.web.estate import make_backup, make_drill, make_kept, make_repository, make_run, plan
from wellkept.backups import verdicts
from wellkept.backups.models import Backup, BackupState, DrillState, Repository
from wellkept.backups.verdicts import ACT, WATCH, WELL
from wellkept.estate.models import Organisation, System
from wellkept.lib.text import say
from wellkept.operations.models import Run, RunState, Schedule


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def repository(organisation: Organisation) -> Repository:
    return make_repository(organisation)


@pytest.fixture
def kept(organisation: Organisation, repository: Repository, now: datetime) -> System:
    """A system about which there is nothing to say: backed up, proven, planned."""
    system = make_kept(organisation, "erp1", rpo_target=timedelta(hours=12), rto_target=timedelta(minutes=5))
    make_drill(make_backup(system, repository, now - timedelta(hours=2)), now - timedelta(hours=1), rto=60.0)
    plan(system)
    return system


def verdict(system: System) -> tuple[str, str, str]:
    found = verdicts.verdicts([system])[system.pk]
    return found.level, say(found.reason), found.step


def test_well_means_restored_and_checked(kept: System) -> None:
    assert verdict(kept) == (WELL, "Restored and checked", "")


def no_backup(system: System, _repository: Repository, _now: datetime) -> None:
    Backup.objects.filter(system=system).update(state=BackupState.FORGOTTEN)


def old_backup(system: System, _repository: Repository, now: datetime) -> None:
    Backup.objects.filter(system=system).update(snapshot_at=now - timedelta(hours=13))


def failed_backup(system: System, repository: Repository, now: datetime) -> None:
    make_backup(system, repository, now - timedelta(minutes=5), BackupState.FAILED)


def never_drilled(system: System, _repository: Repository, _now: datetime) -> None:
    system.drills.all().delete()


def failed_drill(system: System, _repository: Repository, now: datetime) -> None:
    make_drill(system.backups.get(), now - timedelta(minutes=5), DrillState.FAILED)


def stale_drill(system: System, _repository: Repository, now: datetime) -> None:
    system.drills.update(started_at=now - timedelta(days=36), ended_at=now - timedelta(days=36))


def slow_drill(system: System, _repository: Repository, _now: datetime) -> None:
    system.drills.update(rto_seconds=301.0)


def unplanned(system: System, _repository: Repository, _now: datetime) -> None:
    Schedule.objects.filter(system=system).update(enabled=False)


def missed(system: System, _repository: Repository, now: datetime) -> None:
    Schedule.objects.filter(system=system).update(missed_at=now - timedelta(hours=1), last_at=now - timedelta(days=1))


def undecided(system: System, _repository: Repository, now: datetime) -> None:
    make_run(system, "backups.take", RunState.NEEDS_ATTENTION, now - timedelta(minutes=1))


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (no_backup, (ACT, "There is no good backup", "backup")),
        (old_backup, (ACT, "The newest good backup is older than agreed", "backup")),
        (failed_backup, (WATCH, "The repository cannot be reached: connection refused", "backup")),
        (never_drilled, (ACT, "No backup has been restored and checked yet", "drill")),
        (failed_drill, (ACT, "The last drill failed", "drill_result")),
        (stale_drill, (ACT, "The last proof is too old", "drill")),
        (slow_drill, (WATCH, "Restoring takes longer than agreed", "drill_result")),
        (unplanned, (WATCH, "No backups are planned", "schedule")),
        (missed, (WATCH, "Planned work did not start", "schedule")),
        (undecided, (ACT, "Backed up 1204 files, 86.4 MB", "run")),
    ],
)
def test_each_reason(kept: System, repository: Repository, now: datetime, spoil: Callable[..., Any], expected: tuple[str, str, str]) -> None:
    spoil(kept, repository, now)
    assert verdict(kept) == expected


def test_the_most_urgent_reason_wins(kept: System, repository: Repository, now: datetime) -> None:
    unplanned(kept, repository, now)
    slow_drill(kept, repository, now)
    old_backup(kept, repository, now)
    assert verdict(kept)[0] == ACT


def test_a_later_success_settles_a_run_that_waited_for_a_decision(kept: System, repository: Repository, now: datetime) -> None:
    make_run(kept, "backups.take", RunState.NEEDS_ATTENTION, now - timedelta(hours=3))
    assert verdict(kept)[0] == WELL


def test_taking_an_upgrade_back_settles_the_upgrade_that_waited_for_a_decision(kept: System, now: datetime) -> None:
    def run(operation: str, state: RunState, hours: int) -> None:
        at, kind = now - timedelta(hours=hours), "corrective"
        Run.objects.create(organisation=kept.organisation, system=kept, operation=operation, maintenance_type=kind, state=state, requested_at=at)

    run("upgrades.take_back", RunState.SUCCEEDED, 4)
    run("upgrades.apply", RunState.NEEDS_ATTENTION, 3)
    run("upgrades.take_back", RunState.FAILED, 2)
    assert verdict(kept)[0] == ACT
    run("upgrades.take_back", RunState.SUCCEEDED, 1)
    assert verdict(kept)[0] == WELL


def test_systems_do_not_lend_each_other_their_backups(organisation: Organisation, kept: System) -> None:
    other = make_kept(organisation, "erp2")
    found = verdicts.verdicts([kept, other])
    assert (found[kept.pk].level, found[other.pk].level) == (WELL, ACT)
