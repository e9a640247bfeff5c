"""An upgrade that starts by itself at the moment somebody chose, or says why it did not."""

import json
from datetime import datetime, timedelta

import pytest
import typer
from django.utils import timezone

from tests.people import make_member
from tests.services.agreed import agreed, make_rehearsal, prove_backup
from wellkept.cli import plan as command
from wellkept.estate.access import Console, Denied
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Environment, Person, Role
from wellkept.lib.text import message, say
from wellkept.operations import schedule, windows
from wellkept.operations.models import Record, Run, RunState, Schedule
from wellkept.upgrades import planned
from wellkept.upgrades.consent import agree
from wellkept.upgrades.models import Approval, Rehearsal, Upgrade

HOUR = timedelta(hours=1)


@pytest.fixture
def rehearsal(environment: Environment, operator: Person, approver: Person) -> Rehearsal:
    """What is rehearsed, proven and approved, and may be done in a window of four hours tomorrow."""
    prove_backup(environment)
    made = make_rehearsal(environment)
    begins = tomorrow()
    windows.add_once(environment.system.organisation, begins, begins + 4 * HOUR, who=Console("root"))
    agreed(made)
    return made


def tomorrow() -> datetime:
    return (timezone.now() + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)


def test_it_is_planned_into_a_window_and_starts_once_in_the_name_of_who_planned_it(
    rehearsal: Rehearsal, administrator: Person, operator: Person
) -> None:
    place = rehearsal.environment
    with pytest.raises(Denied):
        planned.plan(place, "8.0", tomorrow(), who=operator)
    for wrong in (tomorrow() - HOUR, tomorrow() + 4 * HOUR - timedelta(minutes=1)):
        with pytest.raises(Invalid, match=r"it would not start then: .*window"):
            planned.plan(place, "8.0", wrong, who=administrator)
    assert not Schedule.objects.exists()
    (offered,) = planned.openings(place, None)
    assert offered.starts == tomorrow()
    row = planned.plan(place, "8.0", offered.starts, who=administrator)
    (told,) = planned.planned([place.system])
    assert (told.at, told.itself, told.approved, told.problem) == (offered.starts, True, True, None)
    assert schedule.fire_due(offered.starts - timedelta(seconds=1)) == []
    schedule.fire_due(offered.starts)
    schedule.fire_due(offered.starts + timedelta(seconds=3))
    run = Run.objects.get(operation="upgrades.apply")
    assert (run.arguments, run.requested_by, run.environment) == ({"target": "8.0"}, administrator, place)
    assert planned.planned([place.system]) == [], "its run tells the rest"
    why = message("A gate is shut, so nothing was started: {gate}", gate="the newest rehearsal failed")
    Run.objects.filter(pk=run.pk).update(state=RunState.FAILED, outcome=why)
    (told,) = planned.planned([place.system])
    assert (told.at, told.problem) == (offered.starts, why)
    plain = planned.plain(planned.standing(place.system, "8.0") or row)
    assert (plain["start"], plain["author"], plain["run"]) == (None, administrator.email, str(run.pk))
    assert plain["problem"] == "A gate is shut, so nothing was started: the newest rehearsal failed"
    planned.call_off(place, who=administrator)
    assert planned.planned([place.system]) == []


def test_who_approved_it_cannot_plan_it_and_a_start_that_is_missed_is_told(rehearsal: Rehearsal, administrator: Person) -> None:
    place = rehearsal.environment
    Approval.objects.update(approver_person=administrator, approver=administrator.email)
    with pytest.raises(Invalid, match="approved it, so somebody else has to start it"):
        planned.plan(place, "8.0", tomorrow(), who=administrator)
    other = make_member(rehearsal.organisation, Role.ADMINISTRATOR, "other@riverside.example")
    planned.plan(place, "8.0", tomorrow(), who=other)
    schedule.fire_due(tomorrow() + HOUR)
    assert not Run.objects.filter(operation="upgrades.apply").exists()
    (told,) = planned.planned([place.system])
    assert "no worker was running" in say(told.problem)
    assert Record.objects.filter(kind="schedule.missed", system=place.system).count() == 1


def test_it_is_called_off_by_whoever_may_approve_by_a_withdrawal_and_by_a_start_by_hand(
    rehearsal: Rehearsal, administrator: Person, approver: Person, operator: Person
) -> None:
    place = rehearsal.environment
    planned.plan(place, "8.0", tomorrow(), who=administrator)
    with pytest.raises(Denied):
        planned.call_off(place, who=operator)
    planned.call_off(place, who=approver)
    assert Approval.objects.get().planned_for is None
    with pytest.raises(Invalid, match="no upgrade of erp1 is planned"):
        planned.call_off(place, who=approver)
    planned.plan(place, "8.0", tomorrow(), who=administrator)
    given = Approval.objects.get()
    assert given.planned_for == tomorrow()
    upgrade = Upgrade(system=place.system, approval_id=given.pk)
    agree.use(upgrade)
    assert not Schedule.objects.exists(), "somebody started it by hand"
    Approval.objects.update(used_at=None)
    planned.plan(place, "8.0", tomorrow(), who=administrator)
    agree.withdraw(given, who=approver)
    assert schedule.fire_due(tomorrow()) == []
    assert not Run.objects.filter(operation="upgrades.apply").exists()


def test_the_command_takes_the_next_window_and_calls_it_off(rehearsal: Rehearsal, capsys: pytest.CaptureFixture[str]) -> None:
    said = {"system": "erp1", "to": "8.0", "repository": None}
    with pytest.raises(typer.Exit):
        command.plan(**said, start=None, end=False, confirm="erp", as_json=True)
    assert not Schedule.objects.exists()
    capsys.readouterr()
    command.plan(**said, start=None, end=False, confirm="erp1", as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (datetime.fromisoformat(told["start"]), told["author"].startswith("os:"), told["problem"]) == (tomorrow(), True, None)
    command.plan(**said, start=None, end=True, confirm=None, as_json=False)
    assert capsys.readouterr().out == "It does not start by itself.\n"
    assert planned.standing(rehearsal.system, "8.0") is None
