"""Modules of one's own by page and API: given, listed, taken away, and refused."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.services.agreed import prove_backup
from tests.upgrades.test_giving import kept, module
from tests.web.conftest import SignIn
from tests.web.test_upgrades import make_assessment, text
from wellkept import asgi
from wellkept.estate import tokens
from wellkept.estate.access import Console
from wellkept.estate.models import Environment, Organisation, Person
from wellkept.operations.models import Record
from wellkept.upgrades.models import Assessment, GivenModule

MISSING = {"module": "our_own", "installed": "7.0.1", "offered": None, "given": None, "asked": True}


def page_of(environment: Environment) -> str:
    return f"/upgrades/{environment.system_id}/to/8.0/modules/"


def sent(file: Path) -> dict[str, Any]:
    return {"file": SimpleUploadedFile(file.name, file.read_bytes())}


def test_an_administrator_gives_one_and_takes_it_away(
    sign_in: SignIn, administrator: Person, viewer: Person, environment: Environment, tmp_path: Path
) -> None:
    client, looking, place = sign_in(administrator), sign_in(viewer), page_of(environment)
    assessment = make_assessment(environment)
    Assessment.objects.filter(pk=assessment.pk).update(report={**assessment.report, "missing": [MISSING]})
    prove_backup(environment)
    way = looking.get(f"/upgrades/{environment.system_id}/to/8.0/")
    assert "Active here, and nobody has them for 8.0: our_own" in text(way)
    assert f'href="{place}"' in way.content.decode()
    empty = client.get(place)
    assert "Nothing is given for 8.0" in text(empty)
    assert 'enctype="multipart/form-data"' in empty.content.decode()
    assert "enctype" not in looking.get(place).content.decode()
    answer = client.post(place, sent(module(tmp_path)), follow=True)
    assert answer.redirect_chain == [(place, 302)]
    told = text(answer)
    assert "acme-our-own 8.0.1 is given for 8.0. Rehearse the upgrade with it." in told
    assert "nobody has them" not in told
    one = GivenModule.objects.get()
    assert one.sha256 in looking.get(place).content.decode()
    assert sign_in(viewer).post(f"/upgrades/modules/{one.pk}/remove/").status_code == 403
    gone = client.post(f"/upgrades/modules/{one.pk}/remove/", follow=True)
    assert "acme-our-own is given no more for 8.0." in text(gone)
    assert "this counts no more already" in text(client.post(f"/upgrades/modules/{one.pk}/remove/", follow=True)).lower()
    one.refresh_from_db()
    assert one.removed_by == administrator.email
    assert Record.objects.filter(kind="upgrades.module").count() == 2


def test_what_is_no_module_is_refused_on_the_page_and_nothing_is_kept(
    sign_in: SignIn,
    administrator: Person,
    operator: Person,
    environment: Environment,
    tmp_path: Path,
    settings: Any,
    other_organisation: Organisation,
) -> None:
    client, place, before = sign_in(administrator), page_of(environment), kept()
    settings.MODULE_UPLOADS = True
    page = client.post(place, {"file": SimpleUploadedFile("<b>.whl", b"x" * 3_000_000)})
    assert page.status_code == 200
    assert "&lt;b&gt;.whl is not the name of a package" in page.content.decode()
    assert "This field is required." in text(client.post(place, {}))
    assert sign_in(operator).post(place, sent(module(tmp_path))).status_code == 403
    settings.MODULE_UPLOADS = None
    page = client.get(place)
    assert "enctype" not in page.content.decode()
    assert "Several organisations share this installation" in text(page)
    assert "Several organisations share this installation" in text(client.post(place, sent(module(tmp_path))))
    assert not GivenModule.objects.exists()
    assert kept() == before
    for wrong in ("x", "..", "8.0%20x"):
        assert client.get(f"/upgrades/{environment.system_id}/to/{wrong}/modules/").status_code == 404


def test_a_program_gives_lists_and_takes_away(environment: Environment, administrator: Person, operator: Person, tmp_path: Path) -> None:
    def call(person: Person, method: str, rest: str = "", **more: Any) -> tuple[int, Any]:
        name = f"t{person.tokens.count()}"
        _row, token = tokens.create(person, environment.system.organisation, name, scope=person.memberships.get().role, days=1, who=Console("t"))
        place = f"/api/systems/{environment.system_id}/upgrades/8.0/modules{rest}"
        answer = getattr(Client(), method)(place, headers={"Authorization": f"Bearer {token}"}, **more)
        return answer.status_code, json.loads(answer.content) if answer.content else None

    assert call(operator, "post", data=sent(module(tmp_path)))[0] == 403
    code, refused = call(administrator, "post", data={"file": SimpleUploadedFile("x-1-py3-none-any.whl", b"x")})
    assert (code, refused["error"]["name"]) == (422, "invalid")
    assert refused["error"]["message"].startswith("nothing was given, and nothing of the file was kept: x-1-py3-none-any.whl is not a wheel")
    assert call(administrator, "post")[0] == 422
    code, made = call(administrator, "post", data=sent(module(tmp_path)))
    assert (code, made["package"], made["modules"], made["author"].split()[0]) == (201, "acme-our-own", ["our_own"], administrator.email)
    assert call(operator, "get") == (200, [made])
    assert call(operator, "delete", "/acme-our-own")[0] == 403
    assert call(administrator, "delete", "/another")[0] == 404
    assert call(administrator, "delete", "/acme-our-own") == (204, None)
    assert call(operator, "get") == (200, [])


@pytest.mark.parametrize(("declared", "parts", "status"), [(None, 40, 413), (40_000_000, 0, 413), (None, 3, 302), (3_000_000, 3, 302)])
def test_a_request_that_is_too_large_ends_before_anybody_is_asked_who_it_is(declared: int | None, parts: int, status: int, db: None) -> None:
    """Through the whole application; what is not too large comes to the sign-in."""
    taken: list[int] = []
    answers: list[Any] = []

    async def receive() -> dict[str, Any]:
        if len(taken) >= max(parts, 1):
            await asyncio.Future()  # the caller waits for the answer
        taken.append(1)
        return {"type": "http.request", "body": bytes(1_000_000 if len(taken) <= parts else 0), "more_body": len(taken) < parts}

    async def send(message: Any) -> None:
        answers.append(message)

    headers = [(b"host", b"localhost"), *([(b"content-length", str(declared).encode())] if declared else [])]
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers, "http_version": "1.1"}
    async_to_sync(asgi.application)(scope, receive, send)
    assert [one["status"] for one in answers if "status" in one] == [status]
    assert len(taken) <= 34
