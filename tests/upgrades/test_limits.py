"""What the phases of an upgrade may take, and when it is taken back by itself."""

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.services.sets import new_run
from wellkept.estate.access import Console
from wellkept.estate.models import Environment
from wellkept.operations import registry, windows
from wellkept.operations.models import Run
from wellkept.upgrades import limits
from wellkept.upgrades.models import Rehearsal, Upgrade


def phase(name: str, p90: float | None) -> dict[str, Any]:
    return {"name": name, "title": name, "p50": p90, "p90": p90, "runs": 1 if p90 else 0}


def upgrade_row(environment: Environment, **facts: Any) -> Upgrade:
    """The row of an upgrade that has just begun, and of its rehearsal, which was taken back in 8 seconds."""
    system = environment.system
    rows = {"organisation": system.organisation, "system": system, "environment": environment, "current": "7.0", "target": "8.0"}
    rehearsal = Rehearsal.objects.create(**rows, run_id=uuid.UUID(new_run(system.organisation, "upgrades.rehearse")), rollback_seconds=8.0)
    run = uuid.UUID(new_run(system.organisation, "upgrades.apply"))
    names = {"database": "erp", "new_database": "erp_next_1", "kept_database": "erp_before_1"}
    return Upgrade.objects.create(**rows, **names, run_id=run, rehearsal=rehearsal, version="8.0.1", **facts)


@pytest.mark.parametrize(("phases", "back"), [([phase("migrate", 100.0), phase("notes-after", 2.0), phase("back", 20.0)], 20.0), ([], 12.0)])
@pytest.mark.django_db
def test_the_limits_come_from_what_was_measured_and_the_window(phases: list[dict[str, Any]], back: float, environment: Environment) -> None:
    upgrade = upgrade_row(environment)
    Run.objects.filter(pk=upgrade.run_id).update(phases=[*phases, phase("copy", None)])
    settled = limits.settle(str(upgrade.run_id), upgrade.pk)
    assert settled["limits"] == ({"migrate": 300.0, "notes-after": limits.FLOOR, "back": limits.FLOOR} if phases else {})
    assert limits.point_of_no_return(settled) is None
    closes = timezone.now() + timedelta(hours=2)
    windows.add_once(environment.system.organisation, closes - timedelta(hours=4), closes, who=Console("tests"))
    moment = limits.point_of_no_return(limits.settle(str(upgrade.run_id), upgrade.pk))
    upgrade.refresh_from_db()
    assert moment is not None
    assert (closes - moment[0]).total_seconds() == pytest.approx(back, abs=60), "a window is declared by the minute"
    assert upgrade.abort_by == moment[0]
    assert datetime.fromisoformat(str(moment[1]["params"]["until"])) > moment[0]  # type: ignore[index]


@pytest.mark.parametrize(("operation", "rehearsal"), [("upgrades.apply", "upgrades.rehearse"), ("upgrades.apply_patch", "upgrades.rehearse_patch")])
def test_every_phase_that_is_sure_to_come_is_measured_by_a_rehearsal(operation: str, rehearsal: str) -> None:
    known = registry.get(operation)
    rehearsed = {name for name, _title in registry.get(rehearsal).phases} | {"clean-up"}
    assert {other for other, _phase in known.measured_by.values()} == {rehearsal}
    assert {phase for _operation, phase in known.measured_by.values()} <= rehearsed
    assert {name for name, _title in known.phases} <= set(known.measured_by)
    assert known.detours == {"back"}
