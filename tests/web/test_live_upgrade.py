"""The live page of an upgrade: until when it can be aborted, by one red button, and that it is gone once people were let in."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.upgrades.test_limits import upgrade_row
from tests.web.conftest import SignIn
from tests.web.test_rehearsals import LINE, STOCK
from tests.web.test_upgrades import text
from wellkept.estate.models import Environment, Person
from wellkept.operations import registry
from wellkept.operations.models import Run, RunState, StepState
from wellkept.upgrades.consent import findings
from wellkept.upgrades.models import Upgrade

BUTTON = 'data-dialog="cancel"'


@pytest.fixture
def upgrade(environment: Environment) -> Upgrade:
    made = upgrade_row(environment)
    phases = [
        {"name": name, "title": title, "p50": 60.0, "p90": 90.0, "runs": 1, **({"detour": True} if name == "back" else {})}
        for name, title in registry.get("upgrades.apply").phases
    ]
    now = timezone.now()
    Run.objects.filter(pk=made.run_id).update(
        state=RunState.RUNNING, phases=phases, system=environment.system, environment=environment, started_at=now, arguments={"target": "8.0"}
    )
    return made


@pytest.mark.parametrize(
    ("facts", "asked", "says", "button"),
    [
        ({"abort_by": timedelta(hours=1)}, False, r"Abort by \d\d:\d\d", True),
        ({}, False, "It can still be aborted", True),
        ({"abort_by": timedelta(seconds=-1)}, False, "The point of no return has passed", True),
        ({"abort_by": timedelta(hours=1)}, True, "It goes back", False),
        ({"opened_at": timedelta(0)}, False, r"It cannot be aborted any more 8\.0 was opened for people at \d\d:\d\d", False),
    ],
)
def test_it_says_until_when_it_can_be_aborted(
    facts: dict[str, timedelta], asked: bool, says: str, button: bool, upgrade: Upgrade, operator: Person, viewer: Person, sign_in: SignIn
) -> None:
    now = timezone.now()
    Upgrade.objects.filter(pk=upgrade.pk).update(**{name: now + after for name, after in facts.items()})
    Run.objects.filter(pk=upgrade.run_id).update(cancel_requested_at=now if asked else None)
    page = sign_in(operator).get(f"/runs/{upgrade.run_id}/")
    assert re.search(says, text(page))
    assert page.content.decode().count(BUTTON) == button
    assert ('class="watching"' in sign_in(viewer).get(f"/runs/{upgrade.run_id}/").content.decode()) is True


@pytest.mark.parametrize(
    ("state", "facts", "says", "button"),
    [
        (RunState.RUNNING, {"abort_by": timedelta(hours=1)}, r"Abort by \d\d:\d\d", True),
        (RunState.RUNNING, {"opened_at": timedelta(0)}, "It can still be aborted Only the code changes, not the database", True),
        (RunState.NEEDS_ATTENTION, {}, "The ERP is closed, and its database is as it was", True),
    ],
)
def test_a_patch_can_be_aborted_until_its_end(
    state: RunState, facts: dict[str, timedelta], says: str, button: bool, upgrade: Upgrade, administrator: Person, sign_in: SignIn
) -> None:
    waits = state == RunState.NEEDS_ATTENTION
    now = timezone.now()
    Run.objects.filter(pk=upgrade.run_id).update(operation="upgrades.apply_patch", state=state, ended_at=now if waits else None)
    moments = {name: now + after for name, after in facts.items()}
    Upgrade.objects.filter(pk=upgrade.pk).update(current="7.0", target="7.0", **moments, **({"state": "stuck"} if waits else {}))
    page = sign_in(administrator).get(f"/runs/{upgrade.run_id}/")
    assert re.search(says, text(page))
    assert page.content.decode().count(BUTTON) == button
    assert "the database from before" not in text(page)


def test_its_forecast_is_that_of_the_rehearsal_without_the_way_back(upgrade: Upgrade, operator: Person, sign_in: SignIn) -> None:
    page = sign_in(operator).get(f"/runs/{upgrade.run_id}/")
    phases = len(registry.get("upgrades.apply").phases) - 1
    assert f"about {phases} min left" in text(page)
    assert "by one earlier run" in text(page)
    assert text(page).count("only if something goes wrong") == 1
    Upgrade.objects.all().delete()
    early = sign_in(operator).get(f"/runs/{upgrade.run_id}/")
    assert "Nothing has been changed yet" in text(early)
    assert early.content.decode().count(BUTTON) == 1


def test_abort_is_a_cancel_as_long_as_nobody_was_let_in(upgrade: Upgrade, operator: Person, sign_in: SignIn) -> None:
    client = sign_in(operator)
    Upgrade.objects.filter(pk=upgrade.pk).update(opened_at=timezone.now())
    refused = client.post(f"/runs/{upgrade.run_id}/cancel/", follow=True)
    assert "what people have written since would be lost" in text(refused)
    assert Run.objects.get(pk=upgrade.run_id).cancel_requested_at is None
    Upgrade.objects.filter(pk=upgrade.pk).update(opened_at=None)
    client.post(f"/runs/{upgrade.run_id}/cancel/")
    assert Run.objects.get(pk=upgrade.run_id).cancel_requested_by == operator


def test_what_is_taken_back_shows_that_phase(upgrade: Upgrade, operator: Person, sign_in: SignIn) -> None:
    run: Any = Run.objects.get(pk=upgrade.run_id)
    run.steps.create(number=9, name="migrate", title="Migrate", worker="w", state=StepState.FAILED, ended_at=timezone.now(), seconds=3.0)
    run.steps.create(number=10, name="back", title="Take it back", worker="w")
    page = sign_in(operator).get(f"/runs/{upgrade.run_id}/")
    assert "It goes back" in text(page)
    assert BUTTON not in page.content.decode()
    assert "only if something goes wrong" not in text(page)


def test_one_that_waits_for_a_person_is_taken_back_by_name(upgrade: Upgrade, operator: Person, administrator: Person, sign_in: SignIn) -> None:
    place = f"/upgrades/done/{upgrade.pk}/take-back/"
    Run.objects.filter(pk=upgrade.run_id).update(state=RunState.NEEDS_ATTENTION, ended_at=timezone.now())
    assert BUTTON not in sign_in(administrator).get(f"/runs/{upgrade.run_id}/").content.decode()
    Upgrade.objects.filter(pk=upgrade.pk).update(state="stuck")
    page = sign_in(operator).get(f"/runs/{upgrade.run_id}/")
    assert "the database from before and the migrated one are both there" in text(page)
    assert BUTTON not in page.content.decode()
    assert sign_in(operator).post(place, {"confirm": upgrade.system.name}).status_code == 403
    client = sign_in(administrator)
    assert client.get(f"/runs/{upgrade.run_id}/").content.decode().count(BUTTON) == 1
    client.post(place, {"confirm": "other"})
    assert not Run.objects.filter(operation="upgrades.take_back").exists()
    answer = client.post(place, {"confirm": upgrade.system.name})
    made = Run.objects.get(operation="upgrades.take_back")
    assert (answer["Location"], made.arguments, made.requested_by) == (f"/runs/{made.pk}/", {"upgrade_id": upgrade.pk}, administrator)


def test_what_took_it_back_is_shown_with_its_run(upgrade: Upgrade, operator: Person, sign_in: SignIn) -> None:
    Run.objects.filter(pk=upgrade.run_id).update(state=RunState.ROLLED_BACK, ended_at=timezone.now())
    books = findings.of_books([STOCK], [STOCK], {}, ())
    Upgrade.objects.filter(pk=upgrade.pk).update(state="taken_back", compared=books, judged=findings.of_log([LINE], []))
    page = sign_in(operator).get(f"/runs/{upgrade.run_id}/")
    assert "Bolt &lt;M8&gt; 12.5 10.5" in text(page)
    assert "row 4711 was &lt;left&gt;" in text(page)
    assert "Accept this…" not in text(page)
    Run.objects.filter(pk=upgrade.rehearsal.run_id).update(state=RunState.SUCCEEDED, ended_at=timezone.now())
    rehearsed = sign_in(operator).get(f"/runs/{upgrade.rehearsal.run_id}/")
    assert f'href="/upgrades/rehearsals/{upgrade.rehearsal_id}/"' in rehearsed.content.decode()
