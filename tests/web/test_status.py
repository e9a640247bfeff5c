"""The status page: what whoever has the link is told of an upgrade, in their language, at each of its stages."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tests.services.agreed import agreed, ended, make_rehearsal, prove_backup
from tests.services.clients import new_client
from tests.web.conftest import SignIn
from tests.web.test_upgrades import text
from wellkept.estate.access import Console, Denied
from wellkept.estate.models import Environment, Organisation, Person
from wellkept.operations.models import Record
from wellkept.upgrades import notices, planned
from wellkept.upgrades.models import Rehearsal, Upgrade, UpgradeState

HOUR = timedelta(hours=1)


@pytest.fixture
def rehearsal(environment: Environment, operator: Person, approver: Person) -> Rehearsal:
    prove_backup(environment)
    return make_rehearsal(environment)


def told(key: str, language: str = "en") -> str:
    """What somebody reads who has never signed in."""
    client: Client = new_client()
    answer = client.get("/status/", {"key": key}, headers={"accept-language": language})
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    return text(answer)


def test_the_link_is_an_administrators_and_ends_when_they_say_so(
    sign_in: SignIn, organisation: Organisation, administrator: Person, operator: Person
) -> None:
    assert "This link leads nowhere" in told("")
    with pytest.raises(Denied):
        notices.share(organisation, who=operator)
    client = sign_in(administrator)
    client.post("/settings/status-page/")
    organisation.refresh_from_db()
    first = organisation.status_key
    assert len(first) > 30
    assert f"/status/?key={first}" in client.get("/settings/").content.decode()
    assert "Nothing is planned, and nothing is closed" in told(first)
    client.post("/settings/status-page/")
    organisation.refresh_from_db()
    assert "This link leads nowhere" in told(first)
    assert str(organisation) in told(organisation.status_key)
    client.post("/settings/status-page/", {"end": "1"})
    assert "This link leads nowhere" in told(organisation.status_key)
    assert Record.objects.filter(kind="organisation.status_page").count() == 3


def test_it_tells_before_at_the_start_when_late_and_at_the_end(sign_in: SignIn, operator: Person, rehearsal: Rehearsal) -> None:
    organisation, environment = rehearsal.organisation, rehearsal.environment
    Organisation.objects.filter(pk=organisation.pk).update(time_zone="Asia/Taipei")
    key = notices.share(organisation, who=Console("root"))
    agreed(rehearsal)
    at = (timezone.now() + 24 * HOUR).replace(minute=0, second=0, microsecond=0)
    place = f"/upgrades/{environment.system_id}/to/8.0/"
    assert "Tell the people who use it" not in text(sign_in(operator).get(place))
    planned.plan(environment, "8.0", at, who=Console("root"))
    said = told(key)
    assert "erp1 is planned to be upgraded to 8.0.12 on" in said
    assert "Nobody can work with it for about 2 minutes (9 in 10 under 2)" in said
    assert "(CST)" in said, "by the organisation's clock"
    assert "erp1 计划于" in told(key, "zh-hans")
    assert "(UTC)" not in said
    html = text(sign_in(operator).get(place))
    assert html.count(f"/status/?key={key}") == 3
    assert "erp1 預定於" in html
    facts = {"rehearsal": rehearsal, "current": "7.0", "target": "8.0", "version": "8.0.12", "run_id": ended(environment, "upgrades.apply")}
    upgrade = Upgrade.objects.create(organisation=organisation, system=environment.system, environment=environment, closed_at=timezone.now(), **facts)
    assert "erp1 is closed since" in told(key)
    assert "It is expected back by" in told(key)
    Upgrade.objects.update(closed_at=timezone.now() - HOUR)
    assert "takes longer than expected" in told(key)
    Upgrade.objects.update(state=UpgradeState.STUCK)
    assert "somebody has to look at it" in told(key)
    Upgrade.objects.update(state=UpgradeState.TAKEN_BACK, ended_at=timezone.now())
    assert "erp1 was not upgraded: it is as it was before." in told(key)
    Upgrade.objects.update(state=UpgradeState.KEPT, opened_at=timezone.now())
    said = told(key)
    assert "erp1 was upgraded to 8.0.12. You can work with it again since" in said
    assert operator.email not in said
    Upgrade.objects.filter(pk=upgrade.pk).update(opened_at=timezone.now() - 25 * HOUR)
    assert "erp1 was upgraded" not in told(key)
