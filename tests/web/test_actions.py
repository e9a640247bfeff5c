"""What buttons do, for whom, and that nothing happens for the others."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone, translation

from tests.people import PASSWORD, make_member
from tests.web.conftest import SignIn
from tests.web.estate import make_backup, make_kept, make_repository, make_run
from wellkept.estate.models import ApiToken, Membership, Organisation, Person, Role, System
from wellkept.operations.models import Record, Run, RunState, Schedule


@pytest.fixture
def system(organisation: Organisation) -> System:
    made = make_kept(organisation, "erp1")
    make_repository(organisation)
    return made


def test_an_operator_backs_up_and_drills(system: System, operator: Person, sign_in: SignIn) -> None:
    client = sign_in(operator)
    repository = system.organisation.repositories.get()
    backup = make_backup(system, repository, timezone.now())
    for address, data, operation, arguments in (
        (f"/systems/{system.pk}/back-up/", {"repository": str(repository.pk)}, "backups.take", {"repository_id": repository.pk}),
        (f"/systems/{system.pk}/drill/", {"backup": str(backup.pk)}, "backups.drill", {"backup_id": backup.pk}),
    ):
        answer = client.post(address, data)
        run = Run.objects.filter(operation=operation).latest("requested_at")
        assert (answer.status_code, answer["Location"]) == (302, f"/runs/{run.pk}/")
        assert (run.state, run.arguments, run.requested_by, run.environment.system) == (RunState.QUEUED, arguments, operator, system)


def test_several_systems_are_backed_up_at_once_but_only_own_ones(
    organisation: Organisation, system: System, other_system: System, operator: Person, sign_in: SignIn
) -> None:
    second = make_kept(organisation, "erp2")
    sign_in(operator).post("/systems/back-up/", {"ids": [system.pk, second.pk, other_system.pk, "x"]})
    assert set(Run.objects.filter(state=RunState.QUEUED).values_list("system__name", flat=True)) == {"erp1", "erp2"}
    assert not Run.objects.filter(system=other_system).exists()


def test_a_repository_of_another_organisation_is_refused(system: System, other_organisation: Organisation, operator: Person, sign_in: SignIn) -> None:
    foreign = make_repository(other_organisation)
    answer = sign_in(operator).post(f"/systems/{system.pk}/back-up/", {"repository": str(foreign.pk)}, follow=True)
    assert "There is no such repository." in answer.content.decode()
    assert not Run.objects.exists()


@pytest.mark.parametrize("address", ["/systems/{system}/back-up/", "/systems/{system}/drill/", "/runs/{run}/cancel/"])
def test_a_viewer_starts_and_cancels_nothing(system: System, viewer: Person, sign_in: SignIn, address: str) -> None:
    run = make_run(system, state=RunState.RUNNING)
    answer = sign_in(viewer).post(address.format(system=system.pk, run=run.pk))
    assert answer.status_code == 403
    assert "You may not do this" in answer.content.decode()
    assert Run.objects.get().cancel_requested_at is None


def test_a_viewer_sees_no_buttons_that_do_not_work(system: System, viewer: Person, operator: Person, sign_in: SignIn) -> None:
    run = make_run(system, state=RunState.RUNNING)
    for address, button in (
        (f"/systems/{system.pk}/", "Back up now"),
        (f"/runs/{run.pk}/", "Cancel the run"),
        ("/systems/", "Back up now"),
        ("/", "Back up now"),
    ):
        assert button not in sign_in(viewer).get(address).content.decode(), address
        if address != "/":
            assert button in sign_in(operator).get(address).content.decode(), address


def test_an_operator_of_one_system_works_on_that_one_only(organisation: Organisation, system: System, sign_in: SignIn) -> None:
    other = make_kept(organisation, "erp2")
    client = sign_in(make_member(organisation, Role.OPERATOR, "one@riverside.example", system=system))
    assert client.post(f"/systems/{system.pk}/back-up/").status_code == 302
    assert client.post(f"/systems/{other.pk}/back-up/").status_code == 404
    assert [run.system for run in Run.objects.all()] == [system]
    page = client.get("/").content.decode()
    assert f"/systems/{system.pk}/" in page
    assert f"/systems/{other.pk}/" not in page


def test_settings_of_a_system_are_recorded(system: System, administrator: Person, operator: Person, sign_in: SignIn) -> None:
    wish = {"title": "Main plant", "rpo_target": "6", "rto_target": "0.5"}
    assert sign_in(operator).post(f"/systems/{system.pk}/settings/", wish).status_code == 403
    system.refresh_from_db()
    assert (system.title, system.rpo_target, Record.objects.count()) == ("", None, 0)
    sign_in(administrator).post(f"/systems/{system.pk}/settings/", wish)
    system.refresh_from_db()
    assert (system.title, system.rpo_target.total_seconds(), system.rto_target.total_seconds()) == ("Main plant", 21600, 1800)  # type: ignore[union-attr]
    assert (Record.objects.get().kind, Record.objects.get().actor) == ("estate.settings", administrator.email)


def test_inviting_shows_a_password_once_that_works(organisation: Organisation, administrator: Person, sign_in: SignIn) -> None:
    page = (
        sign_in(administrator)
        .post("/settings/people/invite/", {"email": "new@riverside.example", "role": "operator", "name": "", "system": ""})
        .content.decode()
    )
    password = page.split('id="secret">')[1].split("<")[0]
    assert Client().post("/account/sign-in/", {"login": "new@riverside.example", "password": password}).status_code == 302
    assert Membership.objects.get(person__email="new@riverside.example").role == Role.OPERATOR


def test_the_last_administrator_stays(organisation: Organisation, administrator: Person, sign_in: SignIn) -> None:
    one = administrator.memberships.get()
    page = sign_in(administrator).post(f"/settings/people/{one.pk}/", {"role": "viewer"}, follow=True).content.decode()
    assert "last administrator" in page
    one.refresh_from_db()
    assert one.role == Role.ADMINISTRATOR


def test_plans_are_made_paused_changed_and_removed(system: System, operator: Person, sign_in: SignIn) -> None:
    client = sign_in(operator)
    wish = {
        "operation": "backups.take",
        "system": system.pk,
        "rhythm": "{minute} {hour} * * 0",
        "time": "03:15",
        "cron": "",
        "time_zone": "Asia/Taipei",
    }
    client.post("/settings/schedules/add/", wish)
    plan = Schedule.objects.get()
    assert (plan.cron, plan.time_zone, plan.system) == ("15 3 * * 0", "Asia/Taipei", system)
    client.post(f"/settings/schedules/{plan.pk}/", {"pause": "1"})
    assert Schedule.objects.get().enabled is False
    refused = client.post(f"/settings/schedules/{plan.pk}/", {"cron": "99 * * * *", "time_zone": "Asia/Taipei"})
    assert "invalid-feedback" in refused.content.decode()
    assert Schedule.objects.get().cron == "15 3 * * 0"
    client.post(f"/settings/schedules/{plan.pk}/", {"remove": "1"})
    assert not Schedule.objects.exists()


def test_a_plan_by_a_cron_expression_and_one_without_a_time(system: System, operator: Person, sign_in: SignIn) -> None:
    client = sign_in(operator)
    wish = {"operation": "backups.take", "system": system.pk, "rhythm": "cron", "time": "", "cron": "*/20 6-18 * * *", "time_zone": "UTC"}
    client.post("/settings/schedules/add/", wish)
    assert Schedule.objects.get().cron == "*/20 6-18 * * *"
    refused = client.post("/settings/schedules/add/", {**wish, "rhythm": "{minute} {hour} * * *"})
    assert "Say at which time." in refused.content.decode()
    assert Schedule.objects.count() == 1


def test_a_token_is_shown_once_and_can_be_ended(organisation: Organisation, operator: Person, sign_in: SignIn) -> None:
    client = sign_in(operator)
    page = client.post("/settings/tokens/", {"name": "script", "scope": "viewer", "days": "30"}).content.decode()
    text = page.split('id="secret">')[1].split("<")[0]
    assert text not in client.get("/settings/tokens/").content.decode()
    assert Client().get("/api/systems", headers={"Authorization": f"Bearer {text}"}).status_code == 200
    too_much = client.post("/settings/tokens/", {"name": "more", "scope": "administrator", "days": "30"}).content.decode()
    assert 'role="alert"' in too_much
    token = ApiToken.objects.get()
    client.post(f"/settings/tokens/{token.pk}/revoke/")
    assert not ApiToken.objects.exists()


def test_the_record_is_verified_and_exported(system: System, administrator: Person, sign_in: SignIn) -> None:
    client = sign_in(administrator)
    client.post(f"/systems/{system.pk}/settings/", {"title": "A", "rpo_target": "", "rto_target": ""})
    assert "Unchanged" in client.post("/records/verify/").content.decode()
    export = b"".join(client.get("/records/export/jsonl/").streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert len(export) == 2
    assert client.get("/records/export/xml/").status_code == 404


def test_a_wrong_page_is_one_of_ours(administrator: Person, sign_in: SignIn) -> None:
    answer = sign_in(administrator).get(f"/runs/{uuid.uuid4()}/")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()


def test_the_browser_may_load_nothing_from_elsewhere(administrator: Person, sign_in: SignIn) -> None:
    answer = sign_in(administrator).get("/")
    policy = answer["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy
    assert " style=" not in answer.content.decode()
    assert "<script>" not in answer.content.decode()


def test_times_are_those_of_the_person_and_else_of_the_organisation(
    organisation: Organisation, system: System, administrator: Person, sign_in: SignIn
) -> None:
    run = make_run(system)
    organisation.time_zone = "Asia/Taipei"
    organisation.save()
    address = f"/runs/{run.pk}/"
    assert "(CST)" in sign_in(administrator).get(address).content.decode()
    administrator.time_zone = "Europe/Berlin"
    administrator.save()
    assert any(zone in sign_in(administrator).get(address).content.decode() for zone in ("(CET)", "(CEST)"))


def test_somebody_without_an_organisation_is_told_so(db: None, sign_in: SignIn) -> None:
    person: Any = Person.objects.create_user("nobody@example.org", PASSWORD)
    answer = sign_in(person).get("/")
    assert answer.status_code == 403
    assert "nobody@example.org" in answer.content.decode()


def test_somebody_without_a_password_chooses_one(viewer: Person, sign_in: SignIn) -> None:
    assert not viewer.has_usable_password()
    client = sign_in(viewer)
    answer = client.get("/account/password/", follow=True)
    assert (answer.status_code, answer.redirect_chain) == (200, [("/account/password/new/", 302)])
    client.post("/account/password/new/", {"password1": PASSWORD, "password2": PASSWORD})
    viewer.refresh_from_db()
    assert viewer.check_password(PASSWORD)
    assert Client().post("/account/sign-in/", {"login": viewer.email, "password": PASSWORD}).status_code == 302
    assert client.get("/account/password/new/").status_code == 302


@pytest.fixture
def english_again(db: None) -> Iterator[None]:
    """Whatever language a page speaks, the next test starts in English again."""
    with translation.override("en"):
        yield


@pytest.mark.usefixtures("english_again")
def test_refusals_are_said_in_the_language_of_the_person(system: System, administrator: Person, viewer: Person, sign_in: SignIn) -> None:
    Person.objects.update(language="zh-hant")
    denied = sign_in(viewer).post(f"/systems/{system.pk}/back-up/")
    assert (denied.status_code, "這需要「操作員」角色；您的角色是「檢視者」" in denied.content.decode()) == (403, True)
    client = sign_in(administrator)
    last = client.post(f"/settings/people/{administrator.memberships.get().pk}/", {"role": "viewer"}, follow=True).content.decode()
    assert "的最後一位管理員" in last
    wish = {"operation": "backups.take", "system": system.pk, "rhythm": "cron", "time": "", "cron": "every night", "time_zone": "Asia/Taipei"}
    refused = client.post("/settings/schedules/add/", wish).content.decode()
    assert "「every night」不是 cron 運算式；請寫五個欄位" in refused
    assert not Schedule.objects.exists()
