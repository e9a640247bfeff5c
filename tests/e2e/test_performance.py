"""How a system works, seen in a browser: words first, then curves that are loaded when they come into sight."""

import datetime as dt
import math
import re
from collections.abc import Iterator

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.e2e.conftest import World
from wellkept.estate.models import Environment
from wellkept.monitoring import panels, store
from wellkept.monitoring.models import Panel, Use, UsedHour, Watch

MINUTES = 600


@pytest.fixture
def watched(world: World) -> Iterator[str]:
    """Ten hours of readings of the system that is well: people come and go, and a disk fills up."""
    environment = Environment.objects.get(system=world.systems["well"])
    now = timezone.now()
    store.prepare(now)
    rows = []
    for minute in range(MINUTES):
        day = math.sin(math.pi * minute / MINUTES)
        often = {("erp_users_active", ""): float(round(12 * day)), ("database_up", ""): 1.0, ("host_disk_free_bytes", "/"): 4e10 - 3e7 * minute}
        sometimes = {("erp_up", ""): 1.0, **{("probe_seconds", probe): 0.1 + 0.2 * day for probe in ("login", "search", "open", "save")}}
        at = now - dt.timedelta(minutes=MINUTES - 1 - minute)
        for rhythm, values in (("often", often), ("sometimes", sometimes)):
            number, ordered, _left_out = panels.row(KNOWN, environment.pk, rhythm, values)
            rows.append((number, at, ordered))
    store.write(rows)
    store.sum_up(now)
    Watch.objects.create(environment=environment)
    monday = (now - dt.timedelta(weeks=8, days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    Use.objects.create(environment=environment, since=monday, until=monday + dt.timedelta(weeks=8))
    UsedHour.objects.bulk_create(
        UsedHour(environment=environment, hour=monday + dt.timedelta(weeks=week, days=day, hours=hour), people=3 + (hour * 7 + day) % 9)
        for week in range(8)
        for day in range(5)
        for hour in range(1, 10)
    )
    yield f"/systems/{world.systems['well'].pk}/performance/"
    for kind in (Watch, Use, UsedHour):
        kind.objects.all().delete()
    Panel.objects.all().delete()
    KNOWN.clear()


KNOWN: panels.Known = {}


def test_what_was_read_is_said_and_drawn(page: Page, world: World, watched: str) -> None:
    page.goto(watched)
    expect(page.locator("dl.facts dd").first).to_have_text("0")
    expect(page.locator(".card >> text=Users can sign in, search, open and save.")).to_be_visible()
    week = page.locator(".week tbody tr")
    expect(week).to_have_count(7)
    # By the clock of the company, which is eight hours ahead.
    expect(week.first.locator("td").nth(9)).to_have_attribute("title", re.compile("9:00"))
    expect(week.first.locator("td").nth(8)).to_have_class("heat-0")
    expect(week.first.locator("td").nth(9)).not_to_have_class("heat-0")
    expect(page.locator("[aria-labelledby=week]")).to_contain_text("Learnt from 8.0 weeks of use")
    response = page.locator("[data-chart*='/response/']")
    expect(response.locator("canvas")).to_be_visible()
    expect(response.locator(".u-series")).to_have_count(5)
    expect(response).to_contain_text("signing in")
    written = page.locator("[data-chart*='/written/']")
    written.scroll_into_view_if_needed()
    expect(written).to_have_text("Nothing was read in this time.")
    page.click("text=1 hour")
    expect(page.locator(".btn-group [aria-current=true]")).to_have_text("1 hour")
    expect(response.locator("canvas")).to_be_visible()
    with world.context(width=390) as phone:
        narrow = phone.new_page()
        narrow.goto(watched)
        expect(narrow.locator(".week")).to_be_visible()
        assert narrow.evaluate("document.documentElement.scrollWidth") == 390
    page.goto("/")
    row = page.locator(f"tr:has(a[href='{watched}'])")
    expect(row.locator("[data-label='Users now']")).to_have_text("0")


def test_a_system_that_is_not_read_says_what_reads_it(page: Page, world: World) -> None:
    page.goto(f"/systems/{world.systems['well'].pk}/performance/")
    expect(page.locator(".nothing h2")).to_have_text("Nothing was read yet")
    expect(page.locator(".nothing code")).to_have_text("wellkept up")
