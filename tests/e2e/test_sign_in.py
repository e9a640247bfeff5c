"""Signing in with a password and a second factor, and speaking another language."""

import base64
import hashlib
import hmac
import re
import struct
import time
from collections.abc import Callable

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from playwright.sync_api import Page, expect

from tests import people
from tests.e2e.conftest import World, sign_in
from tests.services.installation import until
from wellkept.estate.models import Person, Role

STEP = 30
TYPING = 6


def code_now(secret: str) -> str:
    """The code of RFC 6238 that an authenticator app shows now; it is good for some seconds more."""
    until(lambda: time.time() % STEP < STEP - TYPING, TYPING + 1, "a step of time that has just begun")
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(time.time()) // STEP), hashlib.sha1).digest()
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


@pytest.fixture
def somebody(world: World) -> Person:
    return people.make_member(world.organisation, Role.OPERATOR, f"p{time.time_ns()}@riverside.example", password=people.PASSWORD)


def answer_second(page: Page, person: Person, answer: Callable[[], str]) -> str:
    """Sign in with the password, see that no page is shown without the code, and give it; returns the code."""
    sign_in(page, person.email)
    expect(page.locator("h1")).to_have_text("Second factor")
    page.goto("/")
    expect(page.locator("h1")).to_have_text("Second factor")
    given = answer()
    page.fill("[name=code]", given)
    page.click("main button >> nth=0")
    return given


def test_a_second_factor_is_set_up_and_a_spare_code_signs_in(world: World, somebody: Person) -> None:
    with world.context(signed_in=False) as context:
        page = context.new_page()
        sign_in(page, somebody.email)
        page.wait_for_url("**/")
        page.goto("/settings/me/")
        page.get_by_role("link", name="Set up").click()
        expect(page.locator("h1")).to_have_text("Second factor")
        page.get_by_role("link", name="Set up").click()
        expect(page.locator("h1")).to_have_text("Is it you?")
        page.fill("[name=password]", people.PASSWORD)
        page.click("text=Confirm")
        page.fill("[name=code]", code_now(page.inner_text("#key").strip()))
        page.click("text=Switch on")
        page.goto("/account/two-factor/codes/")
        spare = page.inner_text("#codes").split()[0]
    with world.context(signed_in=False) as context:
        page = context.new_page()
        answer_second(page, somebody, lambda: spare)
        expect(page.locator(".side-me")).to_be_visible()


def test_a_code_of_the_second_factor_signs_in_once(world: World, somebody: Person) -> None:
    secret = generate_totp_secret()
    TOTP.activate(somebody, secret)
    with world.context(signed_in=False) as context:
        page = context.new_page()
        used = answer_second(page, somebody, lambda: code_now(secret))
        expect(page.locator(".side-me")).to_be_visible()
    with world.context(signed_in=False) as context:
        page = context.new_page()
        answer_second(page, somebody, lambda: used)
        expect(page.locator("[name=code]")).to_have_class(re.compile("is-invalid"))
        page.goto("/")
        expect(page.locator("h1")).to_have_text("Second factor")


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
