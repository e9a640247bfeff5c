"""Restoring and forgetting by the API: the plan first, the name again, and then exactly that."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.backups.test_restore import restored
from tests.people import make_environment, make_system
from tests.services.sets import RESTORED, Rows
from wellkept.adapters.base import Site
from wellkept.backups import sets
from wellkept.backups.models import Backup
from wellkept.estate.models import Organisation, Person
from wellkept.operations.models import Run
from wellkept.tools import postgres


def call(person: Person, method: str, path: str, data: Any = None) -> tuple[int, Any]:
    client = Client()
    client.force_login(person)
    answer = client.generic(method, f"/api{path}", json.dumps(data or {}), content_type="application/json")
    return answer.status_code, json.loads(answer.content)


def test_a_restore_is_planned_agreed_to_and_done(
    rows: Rows, company: Site, place: Path, administrator: Person, operator: Person, run_id: str
) -> None:
    at, wish = f"/backups/{rows.backup.pk}/restore", {"folder": "back", "database": RESTORED}
    status, plan = call(operator, "POST", f"{at}/plan", wish)
    assert (status, plan["folder"], plan["database"]) == (200, str(place / "back"), RESTORED)
    assert call(operator, "POST", at, {**wish, "confirm": "erp1"})[0] == 403
    status, refused = call(administrator, "POST", at, wish)
    assert (status, refused["error"]["message"]) == (422, "nothing was done: to agree, send confirm: erp1")
    assert not place.exists()
    status, started = call(administrator, "POST", at, {**wish, "confirm": "erp1"})
    run = Run.objects.get(operation="backups.restore")
    assert (status, started["id"], run.requested_by) == (202, str(run.pk), administrator)
    restored(run_id, {"server": "", **run.arguments})
    assert sets.load(place / "back", rows.backup.manifest["sha256"])
    assert company.server is not None
    assert postgres.database_exists(company.server, RESTORED)


@pytest.mark.parametrize(
    ("changed", "status", "reason"),
    [
        ({"folder": "../elsewhere"}, 422, "folder"),
        ({"folder": "/etc/back"}, 422, "folder"),
        ({"place": "/etc"}, 422, "the place must be one of"),
        ({"database": "template1"}, 422, "exists; nothing was restored"),
        ({"database": "a b"}, 422, "database"),
        ({"environment_id": "theirs"}, 404, "no such environment"),
    ],
)
def test_a_wish_that_must_not_be_done(
    rows: Rows, place: Path, administrator: Person, other_organisation: Organisation, changed: dict[str, Any], status: int, reason: str
) -> None:
    if "environment_id" in changed:
        foreign = make_environment(make_system(other_organisation, "theirs"), settings={**rows.environment.settings, "database": "theirs"})
        changed = {"environment_id": foreign.pk}
    wish = {"folder": "back", "database": RESTORED, **changed, "confirm": "erp1"}
    for path in ("restore/plan", "restore"):
        found, answer = call(administrator, "POST", f"/backups/{rows.backup.pk}/{path}", wish)
        assert (found, reason in answer["error"]["message"]) == (status, True), answer
    assert not Run.objects.filter(operation="backups.restore").exists()
    assert not place.exists()


def test_forgetting_is_planned_agreed_to_and_started(rows: Rows, history: list[Backup], administrator: Person, operator: Person) -> None:
    at = f"/repositories/{rows.repository.pk}/forget"
    status, plan = call(operator, "GET", at)
    assert status == 200
    assert [(line["backup_id"], line["keep"]) for line in plan["backups"]] == [(one.pk, one == history[0]) for one in history]
    assert plan["backups"][1]["reasons"] == ["no rule keeps it"]
    wish = {"token": plan["token"], "confirm": rows.repository.name}
    assert call(operator, "POST", at, wish)[0] == 403
    assert call(administrator, "POST", at, {**wish, "confirm": "x"})[0] == 422
    assert call(administrator, "POST", at, {**wish, "token": "old"})[0] == 409
    status, started = call(administrator, "POST", at, wish)
    run = Run.objects.get(operation="backups.forget")
    assert (status, started["id"], run.arguments["token"]) == (202, str(run.pk), plan["token"])
