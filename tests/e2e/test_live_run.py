"""The live console of a run, moved by the server while nobody touches the browser."""

from playwright.sync_api import Page, expect

from tests.e2e.conftest import World
from tests.services.installation import until
from wellkept.operations import runtime
from wellkept.operations.models import Run, RunState


def start(world: World, **arguments: object) -> Run:
    system = world.systems["well"]
    return runtime.submit("operations.selftest", organisation=world.organisation, system=system, arguments=arguments, requested_by=world.person)


def test_the_console_moves_by_itself_until_the_end(world: World, page: Page) -> None:
    run = start(world, steps=5, seconds=2)
    page.goto(f"/runs/{run.pk}/")
    page.evaluate("window.sameDocument = true")
    expect(page.locator("[data-phase=wait][data-state=running]")).to_be_visible(timeout=60_000)
    bar = page.locator("[data-phase=wait] .phase-time")
    first = bar.inner_text()
    expect(bar).not_to_have_text(first)
    assert page.evaluate("window.sameDocument") is True
    page.click("#log summary")
    expect(page.locator("#log-lines [data-line]").nth(1)).to_be_visible(timeout=30_000)
    page.fill("#log-search", "no such words")
    expect(page.locator("#log-lines [data-line]").first).to_be_hidden()
    expect(page.locator("#live .big")).to_have_text("5 steps done", timeout=60_000)
    expect(page.locator("text=Record no.")).to_be_visible()
    assert Run.objects.get(pk=run.pk).state == RunState.SUCCEEDED


def test_a_broken_line_is_said_and_mended(world: World) -> None:
    run = start(world, steps=1, seconds=120)
    with world.context() as context:
        page = context.new_page()
        page.goto(f"/runs/{run.pk}/")
        expect(page.locator("[data-phase=wait][data-state=running]")).to_be_visible(timeout=60_000)
        expect(page.locator(".broken")).to_be_hidden()
        world.site.stop()
        expect(page.locator(".broken")).to_be_visible(timeout=30_000)
        world.site.start()
        expect(page.locator(".broken")).to_be_hidden(timeout=60_000)
        time = page.locator("[data-phase=wait] .phase-time")
        before = time.inner_text()
        expect(time).not_to_have_text(before, timeout=30_000)
    runtime.cancel(run, world.person)
    until(lambda: Run.objects.get(pk=run.pk).state == RunState.CANCELLED, 30, "the end of the run")


def test_cancelling_asks_first(world: World, page: Page) -> None:
    run = start(world, steps=1, seconds=120)
    page.goto(f"/runs/{run.pk}/")
    expect(page.locator("[data-phase=wait][data-state=running]")).to_be_visible(timeout=60_000)
    page.click("text=Cancel…")
    page.click("text=Let it run")
    assert Run.objects.get(pk=run.pk).cancel_requested_at is None
    page.click("text=Cancel…")
    page.click("text=Cancel the run")
    expect(page.locator("#live .mark").first).to_have_text("Cancelled", timeout=60_000)
    cancelled = Run.objects.get(pk=run.pk)
    assert (cancelled.state, cancelled.cancel_requested_by) == (RunState.CANCELLED, world.person)
