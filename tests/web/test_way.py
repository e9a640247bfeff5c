"""The page of an upgrade: from the assessment to the start, with the people it takes."""

import re
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.services.agreed import agreed, ended, make_rehearsal, prove_backup
from tests.web.conftest import SignIn
from tests.web.test_upgrades import make_assessment, text
from wellkept.estate.access import Console
from wellkept.estate.models import Environment, Person
from wellkept.operations import schedule, windows
from wellkept.operations.models import Run, RunState, Schedule, Window
from wellkept.upgrades.models import Approval, Rehearsal, RehearsalState, Upgrade, UpgradeState, Waiver

DAY = timedelta(days=1)


def page_of(environment: Environment) -> str:
    return f"/upgrades/{environment.system_id}/to/8.0/"


def buttons(client: Client, environment: Environment) -> set[str]:
    """What the page offers to do: the last part of the addresses of its forms."""
    html = client.get(page_of(environment)).content.decode()
    return set(re.findall(r'action="/upgrades/\d+/(?:to/8\.0/)?(\w+)/"', html))


def test_each_stone_leads_to_the_next(
    sign_in: SignIn, operator: Person, approver: Person, administrator: Person, viewer: Person, environment: Environment
) -> None:
    asking, second, starting, looking = (sign_in(person) for person in (operator, approver, administrator, viewer))
    place = page_of(environment)
    assert buttons(asking, environment) == {"assess"}
    make_assessment(environment)
    assert buttons(asking, environment) == {"rehearse"}
    prove_backup(environment)
    rehearsal = make_rehearsal(environment)
    assert buttons(asking, environment) == {"ask"}
    asking.post(f"{place}ask/", {"start": "2099-01-31T22:00"})
    approval = Approval.objects.get()
    assert (approval.author_person, approval.planned_for and approval.planned_for.year) == (operator, 2099)
    assert buttons(asking, environment) == {"withdraw"}
    assert buttons(second, environment) == {"approve", "withdraw"}
    assert asking.post(f"{place}approve/").status_code == 403
    second.post(f"{place}approve/")
    approval.refresh_from_db()
    assert approval.approver_person == approver
    assert "1 gate is shut." in text(starting.get(place)), "no window was declared"
    starting.post(f"{place}apply/", {"confirm": "erp1"})
    assert not Run.objects.filter(operation="upgrades.apply").exists()
    agreed(rehearsal)
    assert buttons(looking, environment) == set()
    assert buttons(asking, environment) == {"withdraw"}
    assert "apply" in buttons(starting, environment)
    starting.post(f"{place}apply/", {"confirm": "erp"})
    assert not Run.objects.filter(operation="upgrades.apply").exists()
    answer = starting.post(f"{place}apply/", {"confirm": "erp1"})
    run = Run.objects.get(operation="upgrades.apply")
    assert (answer["Location"], run.arguments, run.requested_by, run.environment) == (
        f"/runs/{run.pk}/",
        {"target": "8.0"},
        administrator,
        environment,
    )
    again = starting.post(f"{place}apply/", {"confirm": "erp1"}, follow=True)
    assert f"Upgrade is being done, started by {administrator} at" in text(again)
    assert Run.objects.filter(operation="upgrades.apply").count() == 1
    assert f'href="/runs/{run.pk}/"' in asking.get(place).content.decode()


@pytest.fixture
def rehearsal(environment: Environment) -> Rehearsal:
    make_assessment(environment)
    prove_backup(environment)
    return make_rehearsal(environment)


def test_who_approved_cannot_start_it_and_the_page_says_so(sign_in: SignIn, administrator: Person, operator: Person, rehearsal: Rehearsal) -> None:
    agreed(rehearsal)
    Approval.objects.update(approver_person=administrator, approver=administrator.email)
    client = sign_in(administrator)
    assert "administrator@riverside.example approved it, so somebody else has to start it" in text(client.get(page_of(rehearsal.environment)))
    client.post(f"{page_of(rehearsal.environment)}apply/", {"confirm": "erp1"})
    assert not Run.objects.filter(operation="upgrades.apply").exists()


def test_a_waiver_shows_who_waived_and_why_and_is_ended(sign_in: SignIn, administrator: Person, approver: Person, rehearsal: Rehearsal) -> None:
    place = page_of(rehearsal.environment)
    client = sign_in(administrator)
    client.post(f"{place}waive/", {"gate": "window", "reason": "we are <alone>", "hours": "2"})
    said = client.get(place).content.decode()
    assert "we are &lt;alone&gt;" in said
    assert "Waived by administrator@riverside.example until" in text(client.get(place))
    assert sign_in(approver).post(f"{place}waive/", {"gate": "approval", "reason": "x", "hours": "2"}).status_code == 403
    client.post(f"{place}waive/", {"gate": "backup", "reason": "x", "hours": "2"})
    assert [row.gate for row in Waiver.objects.all()] == ["window"]
    client.post(f"{place}waive/", {"gate": "window", "end": "1"})
    assert Waiver.objects.get().revoked_at is not None


def test_the_gates_that_only_the_erp_can_tell_are_asked_for_apart(sign_in: SignIn, operator: Person, viewer: Person, rehearsal: Rehearsal) -> None:
    place = page_of(rehearsal.environment)
    assert f'hx-get="{place}gates/"' in sign_in(operator).get(place).content.decode()
    assert "hx-get" not in sign_in(viewer).get(place).content.decode()
    answer = sign_in(operator).get(f"{place}gates/")
    assert answer.status_code == 200
    assert answer.content.decode().count("<li") == 1, "this environment cannot be reached, and that is said"
    assert sign_in(viewer).get(f"{place}gates/").status_code == 403


def test_a_kept_upgrade_and_one_that_waits_for_a_person(sign_in: SignIn, viewer: Person, rehearsal: Rehearsal) -> None:
    environment, client = rehearsal.environment, sign_in(viewer)
    upgrade = Upgrade.objects.create(
        organisation=rehearsal.organisation,
        system=rehearsal.system,
        environment=environment,
        run_id=ended(environment, "upgrades.apply"),
        rehearsal=rehearsal,
        current="7.0",
        target="8.0",
        version="8.0.12",
        state=UpgradeState.STUCK,
    )
    waiting = text(client.get(page_of(environment)))
    assert "The last upgrade waits for a person." in waiting
    assert "Gates before production" not in waiting
    agreed(rehearsal)
    waived = [{"gate": "window", "reason": "it cannot wait", "author": "ada@riverside.example", "until": timezone.now().isoformat()}]
    Upgrade.objects.update(approval=Approval.objects.get(), waived=waived)
    told = text(client.get(f"/runs/{upgrade.run_id}/"))
    assert "approved by approver@riverside.example" in told
    assert "Waived by ada@riverside.example until" in told
    assert "it cannot wait" in told
    Upgrade.objects.update(state=UpgradeState.KEPT, opened_at=timezone.now())
    Environment.objects.update(version="8.0.12")
    said = text(client.get(page_of(environment)))
    assert "erp1: from 7.0 to 8.0" in said
    assert "8.0.12 is in use since" in said
    html = client.get(page_of(environment)).content.decode()
    assert f'href="/runs/{upgrade.run_id}/"' in html
    assert f'class="btn btn-primary" href="/upgrades/done/{upgrade.pk}/"' in html
    assert client.get(f"/upgrades/done/{upgrade.pk}/").status_code == 200


def test_people_see_what_is_planned_until_it_is_withdrawn(sign_in: SignIn, viewer: Person, operator: Person, rehearsal: Rehearsal) -> None:
    place, client = page_of(rehearsal.environment), sign_in(viewer)
    sign_in(operator).post(f"{place}ask/", {"start": timezone.localtime().strftime("%Y-%m-%dT%H:%M")})
    assert not Approval.objects.exists(), "a start that is past is refused"
    sign_in(operator).post(f"{place}ask/", {"start": (timezone.localtime() + DAY).strftime("%Y-%m-%dT%H:%M")})
    for page in ("/", f"/systems/{rehearsal.system_id}/"):
        said = text(client.get(page))
        assert "erp1 is planned to be upgraded to 8.0.12 on" in said
        assert "It waits for the approval of a second person." in said
    Rehearsal.objects.update(version="8.0.13")
    assert "is planned to be upgraded" not in text(client.get("/")), "what was asked for is not what is there"
    Rehearsal.objects.update(version="8.0.12")
    sign_in(operator).post(f"{place}withdraw/")
    assert "is planned to be upgraded" not in text(client.get("/"))


@pytest.mark.parametrize("target", ["abc", "x" * 40])
def test_a_way_that_is_none_is_not_found(target: str, sign_in: SignIn, viewer: Person, environment: Environment) -> None:
    assert sign_in(viewer).get(f"/upgrades/{environment.system_id}/to/{target}/").status_code == 404


@pytest.mark.parametrize(("language", "words"), [("zh-hant", ("關卡", "請求核准", "尚未")), ("zh-hans", ("关卡", "请求批准", "尚未"))])
def test_it_is_said_in_the_reader_s_language(language: str, words: tuple[str, ...], sign_in: SignIn, operator: Person, rehearsal: Rehearsal) -> None:
    client = sign_in(operator)
    client.post("/language/", {"language": language, "next": "/"})
    said = text(client.get(page_of(rehearsal.environment)))
    assert [word for word in words if word not in said] == []


def test_the_page_costs_the_same_whatever_happened_before(sign_in: SignIn, viewer: Person, rehearsal: Rehearsal) -> None:
    client, counts = sign_in(viewer), []
    client.get(page_of(rehearsal.environment))
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            client.get(page_of(rehearsal.environment))
        counts.append(len(queries))
        for _number in range(10):
            make_rehearsal(rehearsal.environment, state=RehearsalState.FAILED, ended_at=rehearsal.ended_at - DAY)  # type: ignore[operator]
            Run.objects.filter(pk=ended(rehearsal.environment, "upgrades.apply")).update(state=RunState.FAILED)
    assert counts[0] == counts[1]


def test_an_administrator_lets_it_start_by_itself_and_everybody_is_told(
    sign_in: SignIn, administrator: Person, operator: Person, viewer: Person, rehearsal: Rehearsal
) -> None:
    agreed(rehearsal)
    Window.objects.all().delete()
    begins = (timezone.now() + DAY).replace(minute=0, second=0, microsecond=0)
    windows.add_once(rehearsal.organisation, begins, begins + DAY / 6, who=Console("root"))
    place, client = page_of(rehearsal.environment), sign_in(administrator)
    assert "plan" in buttons(client, rehearsal.environment)
    assert "plan" not in buttons(sign_in(operator), rehearsal.environment)
    offered = re.findall(r'name="start" value="([^"]+)"', client.get(place).content.decode())
    assert [datetime.fromisoformat(one) for one in offered] == [begins]
    for wish in ({"start": offered[0], "confirm": "erp"}, {"start": "tomorrow", "confirm": "erp1"}, {"confirm": "erp1"}):
        client.post(f"{place}plan/", wish)
    assert not Schedule.objects.filter(cron="").exists()
    client.post(f"{place}plan/", {"start": offered[0], "confirm": "erp1"})
    assert Schedule.objects.get(cron="").next_at == begins
    assert "It starts by itself on" in text(client.get(place))
    told = text(sign_in(viewer).get("/"))
    assert "erp1 is planned to be upgraded to 8.0.12 on" in told
    assert "It starts by itself." in told
    plans = client.get("/settings/schedules/").content.decode()
    assert f'href="{place}">Upgrade · erp1</a>' in plans
    assert client.get(f"/settings/schedules/{Schedule.objects.get(cron='').pk}/").status_code == 404
    schedule.fire_due(begins + DAY)
    told = text(sign_in(viewer).get("/"))
    assert "erp1 was to be upgraded to 8.0.12 on" in told
    assert "Upgrade was not started at" in told
    assert "It was not started as planned." in text(client.get(place))
    client.post(f"{place}plan/", {"end": "1"})
    assert not Schedule.objects.filter(cron="").exists()
