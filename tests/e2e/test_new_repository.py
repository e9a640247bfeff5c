"""A new repository in the browser: its kind first, then only what leads there; by mouse, by keyboard, on a phone, without JavaScript."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import World
from wellkept.backups.models import Repository

ADD = "/settings/repositories/add/"
FIELDS = {
    "folder": ["name", "location", "recipients"],
    "sftp": ["name", "location", "ssh_key", "host_key", "recipients"],
    "rest": ["name", "location", "user", "password", "ca_certificate", "recipients"],
    "s3": ["name", "location", "user", "password", "ca_certificate", "recipients"],
}
ASKED = "[...document.querySelectorAll('#new form [name]')].filter(e => e.offsetParent).map(e => e.name)"


def test_the_kind_is_chosen_by_the_keyboard_and_what_was_typed_stays(page: Page) -> None:
    page.goto(ADD)
    page.fill("[name=name]", "far-away")
    page.fill("[name=recipients]", "age1typed")
    for kind in ("sftp", "rest", "s3", "folder"):
        page.locator(f"#kind-{kind}").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#new [aria-current]")).to_have_id(f"kind-{kind}")
        expect(page.locator(f"#kind-{kind}")).to_be_focused()
        assert page.evaluate(ASKED) == FIELDS[kind]
        assert (page.input_value("[name=name]"), page.input_value("[name=recipients]")) == ("far-away", "age1typed")
        assert f"kind={kind}" in page.url
    page.locator("#kind-s3").click()
    expect(page.locator("#new label[for=id_password]")).to_have_text("Secret key")
    page.fill("[name=location]", "/srv/backups")
    page.fill("[name=user]", "KEEPER1")
    page.fill("[name=password]", "s3-secret-1")
    page.click("#new .btn-primary")
    expect(page.locator("#id_location_error")).to_contain_text("s3:https://host/bucket")
    kept = [page.input_value(f"[name={name}]") for name in ("name", "location", "user", "password", "recipients")]
    assert kept == ["far-away", "/srv/backups", "KEEPER1", "", "age1typed"]
    expect(page.locator("#id_password_helptext")).to_contain_text("Give it again")


@pytest.mark.parametrize("kind", FIELDS)
def test_without_javascript_on_a_phone(world: World, kind: str) -> None:
    with world.context(width=390, java_script_enabled=False, color_scheme="dark") as context:
        page = context.new_page()
        page.goto(ADD)
        page.locator(f"#kind-{kind}").click()
        expect(page.locator(f"#kind-{kind}[aria-current]")).to_have_count(1)
        assert [one.get_attribute("name") for one in page.locator("#new form [name]:not([type=hidden])").all()] == FIELDS[kind]
        box = page.locator("#new").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390


def test_a_repository_in_a_folder_is_made(page: Page) -> None:
    page.goto(ADD)
    page.fill("[name=name]", "beside")
    page.click("#new .btn-primary")
    page.wait_for_url("**/settings/repositories/*/")
    made = Repository.objects.get(name="beside")
    assert page.url.endswith(f"/settings/repositories/{made.pk}/")
    assert page.locator("main").inner_text().count(made.location) == 1
