"""Everything that opens over a page closes by Escape and gives the focus back; the rules of a repository are previewed while they are typed."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import World
from tests.web.estate import make_run
from wellkept.backups.models import Backup, Repository
from wellkept.operations.models import Run, RunState


@pytest.fixture
def rules_page(world: World) -> str:
    """A repository whose rules would forget something."""
    repository = Repository.objects.get(name="main")
    Repository.objects.filter(pk=repository.pk).update(retention={"last": 2, "daily": 0, "weekly": 0, "monthly": 0, "yearly": 0})
    return f"/settings/repositories/{repository.pk}/forget/"


def closes(page: Page, opener: str, dialog: str) -> None:
    """Open it by the keyboard, close it by Escape: the focus is where it was."""
    page.locator(opener).first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(dialog)).to_be_visible()
    assert page.evaluate(f"document.querySelector('{dialog}').contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(page.locator(dialog)).to_be_hidden()
    expect(page.locator(opener).first).to_be_focused()


def test_dialogs_close_by_escape_and_give_the_focus_back(world: World, page: Page, rules_page: str) -> None:
    page.goto(rules_page)
    closes(page, "[data-dialog=forget]", "#forget")
    page.goto("/settings/people/")
    opener = page.locator("[data-dialog^=member-]").first.get_attribute("data-dialog")
    closes(page, f"[data-dialog={opener}]", f"#{opener}")
    run = make_run(world.systems["well"], "backups.drill", RunState.RUNNING)
    try:
        page.goto(f"/runs/{run.pk}/")
        closes(page, "[data-dialog=cancel]", "#cancel")
        page.goto("/")
    finally:
        Run.objects.filter(pk=run.pk).delete()
    page.goto("/systems/")
    link = page.locator("a.row-link").first
    link.focus()
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(link).to_be_focused()


def test_menus_close_by_escape(world: World, page: Page) -> None:
    page.goto("/runs/")
    chip = page.locator("details.chip summary").first
    chip.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".chip-list").first).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(page.locator(".chip-list").first).to_be_hidden()
    expect(chip).to_be_focused()
    page.set_viewport_size({"width": 390, "height": 800})
    page.locator(".side-toggle").focus()
    page.keyboard.press("Enter")
    expect(page.locator("nav .side-link").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("nav .side-link").first).to_be_hidden()
    expect(page.locator(".side-toggle")).to_be_focused()


def test_the_preview_of_rules_follows_what_is_typed_and_its_button_needs_the_name(page: Page, rules_page: str) -> None:
    page.goto(rules_page)
    before = page.locator("#preview h2").first.inner_text()
    page.fill("[name=last]", "6")
    expect(page.locator("#preview [role=status]")).to_contain_text("not saved yet")
    assert page.locator("#preview h2").first.inner_text() != before
    assert "last=6" in page.url
    assert "csrf" not in page.url
    expect(page.locator("[data-dialog=forget]")).to_have_count(0)
    page.click("text=Save the rules")
    page.click("[data-dialog=forget]")
    button = page.locator("#forget [data-confirmed]")
    expect(button).to_be_disabled()
    page.fill("#confirm", "mai")
    expect(button).to_be_disabled()
    page.fill("#confirm", "main")
    expect(button).to_be_enabled()
    assert Repository.objects.get(name="main").retention["last"] == 6
    assert not Run.objects.filter(operation="backups.forget").exists()


def test_a_refused_plan_says_why_and_starts_nothing(world: World, page: Page) -> None:
    """The repository of this world is not there: the plan says so, and there is no button."""
    backup = Backup.objects.filter(system=world.systems["well"], state="good").latest("made_at")
    page.goto(f"/backups/sets/{backup.pk}/restore/")
    page.click("text=Show the plan")
    expect(page.locator("#plan [role=alert]")).to_contain_text("Nothing was written")
    expect(page.locator("[data-confirmed]")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440
