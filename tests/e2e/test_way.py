"""An upgrade from the assessment to its start in a browser, by two people; the ERP is not there, so the run ends at the gates that ask it."""

from collections.abc import Iterator
from datetime import time, timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.e2e.conftest import World, sign_in
from tests.people import PASSWORD, make_member
from tests.services.agreed import make_rehearsal
from tests.web.estate import make_backup, make_drill, make_kept
from tests.web.test_upgrades import make_assessment
from wellkept.backups.models import Repository
from wellkept.estate.access import Console
from wellkept.estate.models import Environment, Role, System
from wellkept.operations import runtime, windows
from wellkept.operations.models import Run, RunState
from wellkept.upgrades.models import Approval, Release, Upgrade

SECOND = "second@riverside.example"


@pytest.fixture
def environment(world: World) -> Iterator[Environment]:
    """A system with a proven backup and a window, at the beginning of its way."""
    system = make_kept(world.organisation, "path")
    make_drill(make_backup(system, Repository.objects.get(name="main"), timezone.now()), timezone.now())
    windows.add_weekly(world.organisation, range(7), time(0), time(0), who=Console("tests"), system=system)
    release, made = Release.objects.get_or_create(adapter="tryton", series="8.0", defaults={"newest": "8.0.12", "long_term": True})
    make_member(world.organisation, Role.APPROVER, SECOND, password=PASSWORD)
    yield Environment.objects.get(system=system)
    if made:
        release.delete()
    System.objects.filter(pk=system.pk).update(removed_at=timezone.now())


def test_two_people_take_a_system_from_the_assessment_to_the_start(world: World, page: Page, environment: Environment) -> None:
    place = f"/upgrades/{environment.system_id}/to/8.0/"
    page.goto(place)
    expect(page.locator("[aria-current=step] strong")).to_have_text("Assess")
    page.click("text=Assess >> nth=-1")
    page.wait_for_url("**/runs/*/")
    asked = Run.objects.get(operation="upgrades.assess", environment=environment)
    assert runtime.wait(asked.pk, timeout=60).state == RunState.FAILED
    # The page loads itself again once the run has ended, and would break off a visit to another one.
    page.wait_for_selector("[data-live]:not([sse-connect])")
    # What an assessment and a rehearsal of an ERP would have left.
    make_assessment(environment)
    make_rehearsal(environment)
    page.goto(place)
    expect(page.locator("[aria-current=step] strong")).to_have_text("Agree")
    page.fill("#start", f"{timezone.now() + timedelta(days=2):%Y-%m-%dT%H:%M}")
    page.click("text=Ask for the approval")
    expect(page.locator("#next + p")).to_contain_text("asked")
    assert page.locator("text=Approve for production").count() == 0
    approved_by_another(world, place)
    page.reload()
    expect(page.locator("#gate-approval .mark")).to_have_text("open")
    button = page.locator("[data-confirmed]")
    expect(button).to_be_disabled()
    page.fill("#confirm", "path")
    expect(button).to_be_enabled()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440
    button.click()
    page.wait_for_url("**/runs/*/")
    run = Run.objects.get(operation="upgrades.apply", environment=environment)
    assert run.requested_by == world.person
    assert runtime.wait(run.pk, timeout=60).state == RunState.FAILED
    expect(page.locator("main")).to_contain_text("cannot be seen")
    assert not Upgrade.objects.filter(environment=environment).exists()
    assert Approval.objects.get(environment=environment).used_at is None, "the ERP was not closed by it"
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(place)
    expect(page.locator("#gate-run .mark")).to_have_text("open")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def approved_by_another(world: World, place: str) -> None:
    with world.context(signed_in=False) as context:
        page = context.new_page()
        sign_in(page, SECOND)
        page.wait_for_url("**/")
        expect(page.locator(".alert-info")).to_contain_text("is planned to be upgraded to 8.0.12")
        page.goto(place)
        page.click("text=Approve for production")
        expect(page.locator("[aria-current=step] strong")).to_have_text("Apply")
        assert page.locator("[data-confirmed]").count() == 0
