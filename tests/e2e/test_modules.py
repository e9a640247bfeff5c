"""A module of one's own given in a browser: what is too large is said before it is sent, and what is none is refused and named."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import World
from tests.upgrades.test_giving import module
from wellkept.upgrades import packages
from wellkept.upgrades.models import GivenModule


@pytest.fixture
def place(world: World) -> Iterator[str]:
    yield f"/upgrades/{world.systems['well'].pk}/to/8.0/modules/"
    GivenModule.objects.all().delete()


def test_a_module_is_given_and_taken_away(page: Page, place: str, tmp_path: Path) -> None:
    large, none = tmp_path / "large.whl", tmp_path / "none-1-py3-none-any.whl"
    large.write_bytes(bytes(packages.MOST_BYTES + 1))
    none.write_text("nothing")
    page.goto(place)
    field, button = page.locator("[name=file]"), page.locator("text=Give it >> nth=0")
    field.set_input_files(large)
    assert field.evaluate("field => field.validationMessage") == "It is too large."
    field.set_input_files(none)
    assert field.evaluate("field => field.validationMessage") == ""
    button.click()
    expect(page.locator(".invalid-feedback")).to_contain_text("Nothing was given, and nothing of the file was kept")
    field.set_input_files(module(tmp_path))
    button.click()
    expect(page.locator("table.list td.first")).to_contain_text("acme-our-own")
    page.click("text=Give it no more")
    expect(page.locator(".nothing h2")).to_have_text("Nothing is given for 8.0")
