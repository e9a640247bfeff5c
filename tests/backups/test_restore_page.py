"""Restoring from a page: the plan first, then exactly that, below the folders that the installation allows; nothing on a refusal."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.backups.test_restore import restored
from tests.people import make_environment, make_system
from tests.services.sets import RESTORED, Rows
from wellkept.adapters.base import Site
from wellkept.backups import restore, sets
from wellkept.estate.models import Environment, Organisation, Person
from wellkept.operations.models import Run, RunState, Step, StepState
from wellkept.tools import postgres


def browser(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def address(rows: Rows) -> str:
    return f"/backups/sets/{rows.backup.pk}/restore/"


def answers(rows: Rows, place: Path, **changed: Any) -> dict[str, Any]:
    return {"place": str(place), "folder": "back", "database": RESTORED, "environment": rows.environment.pk, **changed}


def restores() -> list[Run]:
    return list(Run.objects.filter(operation="backups.restore"))


def test_the_first_look_proposes_what_is_free(rows: Rows, place: Path, administrator: Person) -> None:
    first = browser(administrator).get(address(rows)).content.decode()
    proposed = first.split('name="folder" value="')[1].split('"')[0]
    assert proposed.startswith("erp1-20")
    assert "Look at the plan first." in first
    (place / proposed).mkdir(parents=True)
    assert f'name="folder" value="{proposed}-2"' in browser(administrator).get(address(rows)).content.decode()


def test_what_the_plan_shows_is_what_is_done(rows: Rows, company: Site, place: Path, administrator: Person, run_id: str) -> None:
    client = browser(administrator)
    page = client.get(address(rows), answers(rows, place)).content.decode()
    assert f"new folder {place / 'back'}" in page
    assert f"new database {RESTORED} of " in page
    assert not place.exists()
    assert "was not typed" in client.post(address(rows), {**answers(rows, place), "confirm": "erp2"}).content.decode()
    assert restores() == []
    answer = client.post(address(rows), {**answers(rows, place), "confirm": "erp1"})
    (run,) = restores()
    assert (answer.status_code, answer["Location"]) == (302, f"/runs/{run.pk}/")
    assert (run.requested_by, run.environment) == (administrator, rows.environment)
    restored(run_id, {"server": "", **run.arguments})
    assert sets.load(place / "back", rows.backup.manifest["sha256"])
    assert company.server is not None
    assert postgres.database_exists(company.server, RESTORED)


def test_an_operator_sees_the_plan_and_the_command_but_starts_nothing(rows: Rows, place: Path, operator: Person) -> None:
    client = browser(operator)
    page = client.get(address(rows), answers(rows, place)).content.decode()
    assert f"wellkept backup restore {rows.backup.pk} --to {place / 'back'} --database {RESTORED}" in page
    assert "an administrator starts it here" in page
    assert client.post(address(rows), {**answers(rows, place), "confirm": "erp1"}).status_code == 403
    assert restores() == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"folder": "../elsewhere"}, "Use letters, digits"),
        ({"folder": ".hidden"}, "Use letters, digits"),
        ({"place": "/etc"}, "not one of the available choices"),
        ({"database": "template1"}, "exists; nothing was restored"),
        ({"database": "company"}, "never restored over an environment"),
        ({"database": "a b"}, "Use letters, digits"),
    ],
)
def test_a_wish_that_must_not_be_done(rows: Rows, company: Site, place: Path, administrator: Person, changed: dict[str, str], reason: str) -> None:
    if changed.get("database") == "company":
        changed = {"database": company.database}
    wished = {**answers(rows, place), **changed, "confirm": "erp1"}
    for page in (browser(administrator).get(address(rows), wished), browser(administrator).post(address(rows), wished)):
        assert (page.status_code, reason in page.content.decode()) == (200, True)
    assert restores() == []
    assert not place.exists()


def test_the_server_of_another_organisation_cannot_be_named(
    rows: Rows, company: Site, place: Path, administrator: Person, other_organisation: Organisation
) -> None:
    foreign = make_environment(make_system(other_organisation, "theirs"), settings={**rows.environment.settings, "database": "theirs"})
    wished = {**answers(rows, place), "environment": foreign.pk, "confirm": "erp1"}
    assert "Select a valid choice" in browser(administrator).post(address(rows), wished).content.decode()
    assert restores() == []


def test_the_database_may_go_to_the_server_of_another_environment(rows: Rows, place: Path, administrator: Person) -> None:
    second = Environment.objects.create(
        system=make_system(rows.backup.organisation, "erp2"), settings={**rows.environment.settings, "database": "erp2"}
    )
    client = browser(administrator)
    wished = {**answers(rows, place), "environment": second.pk, "confirm": "erp1"}
    assert "wellkept backup restore" not in client.get(address(rows), wished).content.decode()
    client.post(address(rows), wished)
    assert restores()[0].arguments["environment_id"] == second.pk


def test_a_role_that_may_not_make_databases_is_told_before(rows: Rows, company: Site, place: Path, administrator: Person) -> None:
    assert company.server is not None
    postgres.create_role(company.server, "only_reads", None)
    rows.environment.settings = {**rows.environment.settings, "user": "only_reads"}
    rows.environment.save()
    page = browser(administrator).get(address(rows), answers(rows, place)).content.decode()
    assert "only_reads may not make a database there" in page
    without = browser(administrator).get(address(rows), answers(rows, place, database="")).content.decode()
    assert f"new folder {place / 'back'}" in without


def test_a_backup_whose_server_is_unknown_is_restored_as_a_dump(rows: Rows, place: Path, administrator: Person) -> None:
    rows.environment.settings = {name: value for name, value in rows.environment.settings.items() if name != "host"}
    rows.environment.save()
    page = browser(administrator).get(address(rows), answers(rows, place)).content.decode()
    assert "the database comes as a dump" in page
    assert f"new folder {place / 'back'}" in page
    browser(administrator).post(address(rows), {"place": str(place), "folder": "back", "confirm": "erp1"})
    assert restores()[0].arguments["database"] == ""


def past(rows: Rows, operation: str, seconds: dict[str, float]) -> None:
    """Three runs of the past whose steps took so long."""
    for _time in range(3):
        run = Run.objects.create(
            organisation=rows.backup.organisation,
            environment=rows.environment,
            operation=operation,
            maintenance_type="preventive",
            state=RunState.SUCCEEDED,
        )
        for number, (name, length) in enumerate(seconds.items(), 1):
            Step.objects.create(run=run, number=number, name=name, title=name, seconds=length, state=StepState.DONE)


def test_how_long_it_takes_is_known_from_drills_and_then_from_restores(rows: Rows) -> None:
    assert restore.expected(rows.backup, database=True) is None
    past(rows, "backups.drill", {"open": 1, "restore": 10, "database": 20, "figures": 3, "certificate": 1})
    drilled = restore.expected(rows.backup, database=True)
    assert drilled is not None
    assert (drilled.p50, drilled.p90) == (35, 35)
    past(rows, "backups.restore", {"check": 1, "files": 40, "finish": 0})
    known = restore.expected(rows.backup, database=False)
    assert known is not None
    assert known.p50 == 41


def test_a_folder_with_something_in_it_is_refused(rows: Rows, place: Path, administrator: Person) -> None:
    (place / "back").mkdir(parents=True)
    (place / "back" / "mine").write_text("x")
    assert "is not an empty folder" in browser(administrator).get(address(rows), answers(rows, place)).content.decode()
    assert (place / "back" / "mine").read_text() == "x"


def test_a_kept_environment_is_never_the_target(rows: Rows, company: Site, administrator: Person, organisation: Organisation, settings: Any) -> None:
    assert company.files is not None
    settings.RESTORE_FOLDERS = [str(company.files)]
    wished = answers(rows, company.files / organisation.slug, database="")
    assert "never restored over an environment" in browser(administrator).get(address(rows), wished).content.decode()
    assert not (company.files / organisation.slug).exists()
