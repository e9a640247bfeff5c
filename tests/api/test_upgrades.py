"""The way to a release by the API: windows, the approval by a second person, and the start."""

import json
from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from tests.services.agreed import agreed, make_rehearsal, prove_backup
from wellkept.estate import tokens
from wellkept.estate.access import Console
from wellkept.estate.models import ApiToken, Environment, Person, Role
from wellkept.operations.models import Freeze, Run, Schedule, Window
from wellkept.upgrades.models import Approval, Waiver


def api(person: Person, environment: Environment, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """Ask as a program of a person; the path may begin at the way of the system."""
    name = f"t{ApiToken.objects.count()}"
    _row, token = tokens.create(person, environment.system.organisation, name, scope=person.memberships.get().role, days=1, who=Console("tests"))
    place = f"/api{path}" if path.startswith("/") else f"/api/systems/{environment.system_id}/upgrades/8.0/{path}"
    sent = json.dumps(body if body is not None else {}) if method != "GET" else ""
    answer = Client().generic(method, place, sent, "application/json", headers={"Authorization": f"Bearer {token}"})
    return answer.status_code, answer.json() if answer.content else None


def test_an_upgrade_is_agreed_on_and_started(environment: Environment, operator: Person, approver: Person, administrator: Person) -> None:
    prove_backup(environment)
    rehearsal = make_rehearsal(environment)
    assert api(operator, environment, "GET", "path")[1]["next"] == "assess"
    code, refused = api(administrator, environment, "POST", "apply", {"confirm": "erp1"})
    assert (code, refused["error"]["message"]) == (422, "Nobody has asked for an approval yet, or something has changed since")
    assert api(operator, environment, "POST", "ask", {"planned_for": "2099-01-01T22:00"})[0] == 422
    code, asked = api(operator, environment, "POST", "ask", {"planned_for": "2099-01-01T22:00+08:00"})
    assert (code, asked["state"], asked["rehearsal"], asked["planned_for"]) == (201, "waiting", rehearsal.pk, "2099-01-01T22:00:00+08:00")
    assert api(operator, environment, "POST", "approve")[0] == 403
    assert api(approver, environment, "POST", "approve")[1]["state"] == "approved"
    every_day = {"organisation": "riverside", "days": list(range(7)), "opens": "00:00", "closes": "00:00"}
    assert api(administrator, environment, "POST", "/windows", every_day)[0] == 201
    shown = api(operator, environment, "GET", "path")[1]
    assert (shown["open"], shown["approval"]["approver"].split()[0], shown["seconds"]["whole"]["p50"]) == (True, approver.email, 126.0)
    assert api(administrator, environment, "POST", "apply", {"confirm": "erp"})[0] == 422
    assert not Run.objects.filter(operation="upgrades.apply").exists()
    code, started = api(administrator, environment, "POST", "apply", {"confirm": "erp1"})
    run = Run.objects.get(operation="upgrades.apply")
    assert (code, started["id"], run.requested_by, run.arguments) == (202, str(run.pk), administrator, {"target": "8.0"})
    code, told = api(administrator, environment, "POST", "apply", {"confirm": "erp1"})
    assert (code, "started by administrator@riverside.example at" in told["error"]["message"]) == (422, True)
    code, taken = api(approver, environment, "POST", "withdraw")
    assert (code, taken["state"], Approval.objects.get().withdrawn_by.split()[0]) == (200, "withdrawn", approver.email)


def test_a_gate_is_waived_and_a_repository_of_others_is_not_taken(
    environment: Environment, other_environment: Environment, administrator: Person
) -> None:
    prove_backup(environment)
    prove_backup(other_environment)
    make_rehearsal(environment)
    assert api(administrator, environment, "POST", "waive", {"gate": "backup", "reason": "x"})[0] == 422
    code, made = api(administrator, environment, "POST", "waive", {"gate": "window", "reason": "nobody works today", "hours": 2})
    assert (code, made["gate"], made["author"].split()[0]) == (201, "window", administrator.email)
    assert api(administrator, environment, "DELETE", "waive/window")[1]["revoked_at"] is not None
    assert api(administrator, environment, "DELETE", "waive/window")[0] == 422
    assert Waiver.objects.count() == 1
    foreign = other_environment.system.organisation.repositories.get()
    assert api(administrator, environment, "POST", "apply", {"confirm": "erp1", "repository_id": foreign.pk})[0] == 404
    assert not Run.objects.filter(operation="upgrades.apply").exists()


def test_windows_and_freezes_are_declared_listed_and_removed(environment: Environment, other_environment: Environment, administrator: Person) -> None:
    once = {"organisation": "riverside", "starts_at": "2099-12-20T00:00+00:00", "ends_at": "2100-01-10T00:00+00:00"}
    code, window = api(administrator, environment, "POST", "/windows", {**once, "system_id": environment.system_id})
    assert (code, window["system"], window["said"]) == (
        201,
        "erp1",
        "erp1 may be changed from 2099-12-20T00:00:00+00:00 until 2100-01-10T00:00:00+00:00",
    )
    code, freeze = api(administrator, environment, "POST", "/freezes", {**once, "reason": "Closing of the year"})
    assert (code, freeze["reason"], freeze["author"].split()[0]) == (201, "Closing of the year", administrator.email)
    for wrong in ({**once, "starts_at": "2099-12-20T00:00"}, {"organisation": "riverside", "days": [9], "opens": "00:00", "closes": "01:00"}):
        assert api(administrator, environment, "POST", "/windows", wrong)[0] == 422
    assert api(administrator, environment, "POST", "/windows", {**once, "system_id": other_environment.system_id})[0] == 404
    assert api(administrator, environment, "POST", "/freezes", {**once, "organisation": "elsewhere", "reason": "x"})[0] == 404
    assert [row["id"] for row in api(administrator, environment, "GET", "/windows")[1]["items"]] == [window["id"]]
    assert api(administrator, environment, "DELETE", f"/windows/{window['id']}")[0] == 204
    assert api(administrator, environment, "DELETE", f"/freezes/{freeze['id']}")[0] == 204
    assert not Window.objects.exists()
    assert not Freeze.objects.exists()


def test_who_may_not_is_refused(environment: Environment, viewer: Person) -> None:
    assert viewer.memberships.get().role == Role.VIEWER
    for path in ("ask", "approve", "withdraw"):
        assert api(viewer, environment, "POST", path)[0] == 403
    assert api(viewer, environment, "GET", "gates")[0] == 403


def test_an_approved_upgrade_is_planned_and_called_off(environment: Environment, operator: Person, approver: Person, administrator: Person) -> None:
    prove_backup(environment)
    agreed(make_rehearsal(environment))
    start = (timezone.now() + timedelta(days=1)).isoformat()
    assert api(operator, environment, "PUT", "plan", {"start": start, "confirm": "erp1"})[0] == 403
    assert api(administrator, environment, "PUT", "plan", {"start": start, "confirm": "erp"})[0] == 422
    assert api(administrator, environment, "PUT", "plan", {"start": start[:-6], "confirm": "erp1"})[0] == 422
    assert not Schedule.objects.exists()
    code, made = api(administrator, environment, "PUT", "plan", {"start": start, "confirm": "erp1"})
    assert (code, made["to"], made["author"].split()[0], made["problem"]) == (200, "8.0", administrator.email, None)
    assert api(operator, environment, "GET", "path")[1]["plan"] == made
    assert api(approver, environment, "DELETE", "plan")[0] == 204
    assert api(operator, environment, "GET", "path")[1]["plan"] is None
