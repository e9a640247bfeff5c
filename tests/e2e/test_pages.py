"""Every page in a real browser: it fits a phone, complains about nothing, and can be read and reached."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import World
from tests.web.test_upgrades import make_assessment, make_releases
from wellkept.backups.models import Backup, Drill, Repository
from wellkept.operations.models import Record, Run, Schedule

PAGES = {
    "today": "/",
    "systems": "/systems/",
    "system": "/systems/{system}/",
    "system backups": "/systems/{system}/backups/",
    "components": "/systems/{system}/components/",
    "system settings": "/systems/{system}/settings/",
    "runs": "/runs/",
    "run": "/runs/{run}/",
    "failed run": "/runs/{failed}/",
    "backups": "/backups/",
    "sets": "/backups/sets/",
    "backup": "/backups/sets/{backup}/",
    "restore": "/backups/sets/{backup}/restore/",
    "drills": "/backups/drills/",
    "certificate": "/backups/drills/{drill}/",
    "failed drill": "/backups/drills/{failed_drill}/",
    "upgrades": "/upgrades/",
    "assessment": "/upgrades/assessments/{assessment}/",
    "notes": "/upgrades/{system}/notes/7.0/8.0/",
    "note": "/upgrades/{system}/notes/7.0/8.0/7.6-model-names/",
    "add note": "/upgrades/{system}/notes/7.0/8.0/add/",
    "modules of one's own": "/upgrades/{system}/to/8.0/modules/",
    "records": "/records/",
    "record": "/records/{record}/",
    "settings": "/settings/",
    "me": "/settings/me/",
    "people": "/settings/people/",
    "invite": "/settings/people/invite/",
    "schedules": "/settings/schedules/",
    "add schedule": "/settings/schedules/add/",
    "schedule": "/settings/schedules/{schedule}/",
    "repositories": "/settings/repositories/",
    "add repository": "/settings/repositories/add/",
    "add repository by sftp": "/settings/repositories/add/?kind=sftp",
    "add repository in S3": "/settings/repositories/add/?kind=s3",
    "repository": "/settings/repositories/{repository}/",
    "rules": "/settings/repositories/{repository}/forget/",
    "tokens": "/settings/tokens/",
    "password": "/account/password/",
    "two-factor": "/account/two-factor/",
    "sign out": "/account/sign-out/",
}

AUDIT = """() => {
  const found = [];
  const name = (element) => (element.getAttribute("aria-label") || element.textContent || element.title || element.value || "").trim()
    || [...element.querySelectorAll("img[alt], svg[aria-label]")].map((one) => one.alt || one.getAttribute("aria-label")).join("").trim();
  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (!field.labels?.length && !field.getAttribute("aria-label")) found.push("no label: " + field.outerHTML.slice(0, 80));
  }
  for (const element of document.querySelectorAll("a[href], button")) {
    const silent = element.closest("svg") ? !element.querySelector("title") : !name(element) && element.offsetParent;
    if (silent) found.push("no name: " + element.outerHTML.slice(0, 80));
  }
  for (const picture of document.querySelectorAll("img")) if (!picture.hasAttribute("alt")) found.push("no alt: " + picture.src);
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  for (const id of new Set(ids)) if (ids.filter((one) => one === id).length > 1) found.push("id twice: " + id);
  if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
  if (!document.documentElement.lang) found.push("no language");
  return found;
}"""

SIDE_OVER = "(() => { const side = document.querySelector('.side-in'); return side ? side.scrollWidth - side.clientWidth : 0 })()"
CONTRAST = """() => {
  const brush = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const numbers = (text) => {
    if (!known.has(text)) {
      brush.clearRect(0, 0, 1, 1);
      brush.fillStyle = text;
      brush.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = brush.getImageData(0, 0, 1, 1).data;
      known.set(text, [r, g, b, a / 255]);
    }
    return known.get(text);
  };
  const light = ([r, g, b]) => {
    const part = (value) => { const x = value / 255; return x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const behind = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) {
      const [r, g, b, a = 1] = numbers(getComputedStyle(one).backgroundColor);
      if (a > 0) layers.push([r, g, b, a]);
      if (a === 1) break;
    }
    return layers.reverse().reduce((under, [r, g, b, a]) => [r, g, b].map((value, at) => value * a + under[at] * (1 - a)), [255, 255, 255]);
  };
  const weak = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.offsetParent || element.closest("svg, [disabled], .visually-hidden")) continue;
    const style = getComputedStyle(element);
    const [front, back] = [light(numbers(style.color)), light(behind(element))];
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && parseInt(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5) - 0.01) weak.push(`${ratio.toFixed(2)} ${element.className} ${element.textContent.trim().slice(0, 30)}`);
  }
  return [...new Set(weak)];
}"""


@pytest.fixture(scope="module")
def addresses(world: World) -> dict[str, str]:
    system = world.systems["well"]
    backup = Backup.objects.filter(system=system, state="good").latest("made_at")
    make_releases()
    known = {
        "system": system.pk,
        "run": Run.objects.filter(system=system, operation="backups.drill", state="succeeded").latest("requested_at").pk,
        "failed": Run.objects.filter(state="failed", operation="backups.drill").latest("requested_at").pk,
        "backup": backup.pk,
        "drill": Drill.objects.filter(state="proven").latest("started_at").pk,
        "failed_drill": Drill.objects.filter(state="failed").latest("started_at").pk,
        "record": Record.objects.filter(kind="estate.settings").latest("number").pk,
        "schedule": Schedule.objects.latest("pk").pk,
        "repository": Repository.objects.latest("pk").pk,
        "assessment": make_assessment(system.environments.get()).pk,
    }
    return {name: address.format(**known) for name, address in PAGES.items()}


@pytest.fixture(scope="module")
def tab(world: World) -> Iterator[Page]:
    """One tab for all of the pages: opening one takes as long as looking at a page."""
    with world.context() as context:
        yield context.new_page()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_phone_and_can_be_read(world: World, tab: Page, addresses: dict[str, str], name: str) -> None:
    world.troubles.clear()
    tab.set_viewport_size({"width": 390, "height": 900})
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        answer = tab.goto(addresses[name])
        assert answer is not None
        assert answer.status == 200
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        assert tab.evaluate(CONTRAST) == [], scheme
    assert tab.evaluate(AUDIT) == []
    tab.set_viewport_size({"width": 1440, "height": 900})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 1440
    assert tab.evaluate(SIDE_OVER) <= 0, "a long name pushes the switches out of the side bar"
    assert tab.evaluate(CONTRAST) == []
    assert world.troubles == []


def test_the_menu_opens_on_a_phone(world: World) -> None:
    with world.context(width=390) as context:
        page = context.new_page()
        page.goto("/")
        expect(page.locator("nav .side-link").first).to_be_hidden()
        page.click(".side-toggle")
        page.click("nav >> text=Runs")
        expect(page.locator("h1")).to_have_text("Runs")


def test_lists_by_keyboard(page: Page) -> None:
    page.goto("/systems/?sort=title")
    rows = page.locator("[data-list] tbody tr")
    expect(page.locator("[data-bulk]")).to_be_hidden()
    for key in "jjk":
        page.keyboard.press(key)
    assert ["cursor" in (row.get_attribute("class") or "") for row in rows.all()] == [True, False, False, False]
    page.keyboard.press("x")
    expect(page.locator("[data-bulk-count]")).to_have_text("1")
    page.keyboard.press("x")
    expect(page.locator("[data-bulk]")).to_be_hidden()
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("head")
    expect(rows).to_have_count(1)
    assert "q=head" in page.url
    page.locator("[data-search]").blur()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("Head Office")


def test_filters_survive_a_reload(page: Page) -> None:
    page.goto("/runs/")
    page.click("summary:has-text('State')")
    page.click(".chip-list >> text=Failed, nothing changed")
    expect(page.locator(".chip-set")).to_have_count(1)
    shown = page.locator("[data-list] tbody tr").count()
    page.reload()
    expect(page.locator("[data-list] tbody tr")).to_have_count(shown)
    expect(page.locator(".chip-set")).to_contain_text("Failed")


def test_the_record_is_checked_on_request(page: Page) -> None:
    page.goto("/records/")
    page.click("text=Check now")
    expect(page.locator("#badge .mark")).to_have_text("Unchanged")
