"""Signing in with a password and a second factor, and speaking another language."""

import base64
import hashlib
import hmac
import struct
import time
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from tests import people
from tests.e2e.conftest import World, sign_in
from tests.services.installation import until
from wellkept.estate.models import Person, Role

STEP = 30
MARGIN = 15


def code_now(secret: str) -> str:
    """The code of RFC 6238 that an authenticator app shows now."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(time.time()) // STEP), hashlib.sha1).digest()
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def fresh_code(secret: str, used: str = "") -> str:
    """A code that is good for some seconds more; one that was used does not work again."""
    return str(until(lambda: time.time() % STEP < STEP - MARGIN and (code := code_now(secret)) != used and code, STEP + MARGIN, "the next code"))


@dataclass
class Enrolled:
    """Somebody with a second factor, the code that set it up, and a spare code."""

    person: Person
    secret: str
    used: str
    spare: str


def make_somebody(world: World) -> Person:
    return people.make_member(world.organisation, Role.OPERATOR, f"p{time.time_ns()}@riverside.example", password=people.PASSWORD)


@pytest.fixture
def somebody(world: World) -> Person:
    return make_somebody(world)


@pytest.fixture(scope="module")
def enrolled(world: World) -> Enrolled:
    """Set up at the beginning: a code that was used does not work again, and the next one comes while other tests run."""
    person = make_somebody(world)
    with world.context(signed_in=False) as context:
        page = context.new_page()
        sign_in(page, person.email)
        page.wait_for_url("**/")
        page.goto("/settings/me/")
        page.get_by_role("link", name="Set up").click()
        expect(page.locator("h1")).to_have_text("Second factor")
        page.get_by_role("link", name="Set up").click()
        expect(page.locator("h1")).to_have_text("Is it you?")
        page.fill("[name=password]", people.PASSWORD)
        page.click("text=Confirm")
        secret = page.inner_text("#key").strip()
        used = fresh_code(secret)
        page.fill("[name=code]", used)
        page.click("text=Switch on")
        page.goto("/account/two-factor/codes/")
        return Enrolled(person, secret, used, page.inner_text("#codes").split()[0])


def sign_in_twice(world: World, person: Person, answer: str) -> None:
    """With the password and then a code, without which no page is shown."""
    with world.context(signed_in=False) as context:
        page = context.new_page()
        sign_in(page, person.email)
        expect(page.locator("h1")).to_have_text("Second factor")
        page.goto("/")
        expect(page.locator("h1")).to_have_text("Second factor")
        page.fill("[name=code]", answer)
        page.click("main button >> nth=0")
        expect(page.locator(".side-me")).to_be_visible()


def test_a_spare_code_signs_in(world: World, enrolled: Enrolled) -> None:
    sign_in_twice(world, enrolled.person, enrolled.spare)


def test_a_wrong_password_is_refused(world: World, somebody: Person) -> None:
    with world.context(signed_in=False) as context:
        page = context.new_page()
        sign_in(page, somebody.email, "wrong-" + people.PASSWORD)
        expect(page.locator("[role=alert]")).to_be_visible()
        page.goto("/")
        expect(page).to_have_url(f"{world.site.address}/account/sign-in/?next=/")


def test_the_language_stays_with_the_person(world: World, somebody: Person) -> None:
    with world.context(signed_in=False) as context:
        page = context.new_page()
        sign_in(page, somebody.email)
        expect(page.locator("html")).to_have_attribute("lang", "en")
        page.click(".tongue [value=zh-hant]")
        expect(page.locator("html")).to_have_attribute("lang", "zh-hant")
        expect(page.locator(".side-link").first).to_have_text("今日")
        page.click(".tongue [value=zh-hans]")
        expect(page.locator(".side-link").nth(1)).to_have_text("系统")
    with world.context(signed_in=False) as context:
        page = context.new_page()
        sign_in(page, somebody.email)
        expect(page.locator(".side-link").nth(1)).to_have_text("系统")
    somebody.refresh_from_db()
    assert somebody.language == "zh-hans"


def test_dark_stays_dark_and_follows_the_device(world: World, page: Page) -> None:
    page.goto("/")
    page.click("[data-theme=dark]")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.click("[data-theme=auto]")
    page.emulate_media(color_scheme="light")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "light")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")


def test_the_next_code_of_the_second_factor_signs_in(world: World, enrolled: Enrolled) -> None:
    sign_in_twice(world, enrolled.person, fresh_code(enrolled.secret, enrolled.used))
