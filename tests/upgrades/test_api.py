"""Assessments and notes by the API."""

import json
from typing import Any

import pytest
from django.test import Client

from wellkept.estate import tokens
from wellkept.estate.access import Console
from wellkept.estate.models import Environment, Organisation, Person
from wellkept.upgrades.models import NoteVersion

CONTENT = {"title": "Ours", "phase": "before", "why": "in the way", "check": "SELECT true", "reason": "incomplete page"}


def api(person: Person, organisation: Organisation, method: str, path: str, body: object = None) -> tuple[int, Any]:
    _row, token = tokens.create(
        person, organisation, f"t{NoteVersion.objects.count()}", scope=person.memberships.get().role, days=1, who=Console("tests")
    )
    headers = {"Authorization": f"Bearer {token}"}
    answer = Client().generic(method, f"/api{path}", json.dumps(body) if body is not None else "", "application/json", headers=headers)
    return answer.status_code, answer.json()


@pytest.mark.django_db
def test_a_note_is_written_read_left_out_and_approved(
    organisation: Organisation, administrator: Person, approver: Person, environment: Environment
) -> None:
    place = f"/systems/{environment.system_id}/upgrades/7.0/8.0/notes"
    code, made = api(administrator, organisation, "PUT", f"{place}/our-own", CONTENT)
    assert (code, made["state"], made["version"], made["author"].partition(" ")[0]) == (200, "waiting", 1, administrator.email)
    code, refused = api(administrator, organisation, "POST", f"{place}/our-own/approve")
    assert (code, "a second person has to approve this" in refused["error"]["message"]) == (403, True)
    code, approved = api(approver, organisation, "POST", f"{place}/our-own/approve")
    assert (code, approved["state"]) == (200, "own")
    code, left = api(administrator, organisation, "POST", f"{place}/our-own/leave-out", {"reason": "done by hand"})
    assert (code, left["state"], left["version"]) == (200, "waiting", 2)
    code, every = api(approver, organisation, "GET", place)
    assert (code, {one["name"] for one in every if one["state"] != "as_shipped"}) == (200, {"our-own"})
    code, wrong = api(administrator, organisation, "PUT", f"{place}/our-own", {**CONTENT, "phase": "during"})
    assert (code, wrong["error"]["name"]) == (422, "invalid")
    assert api(administrator, organisation, "GET", place.replace("8.0", "9.0"))[0] == 422
    assert NoteVersion.objects.count() == 2
