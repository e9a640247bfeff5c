"""A whole installation in a browser: PostgreSQL, the web server, a worker and Chromium, all real."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import connection
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests import people
from tests.services.installation import Installation, installed, until
from tests.web import estate
from wellkept.estate.models import Organisation, Person, System

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
ADDRESS = "administrator@riverside.example"


@dataclass
class Site:
    """The web server: its address, and the power to kill it."""

    installation: Installation
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        log = (self.installation.home.logs / "web.log").open("ab")
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "wellkept.asgi:application",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--log-level",
            "warning",
        ]
        self.process = subprocess.Popen(
            [*command, "--timeout-graceful-shutdown", "1"], env=self.installation.environment, stdout=log, stderr=log, start_new_session=True
        )
        until(self._answers, 60, "the start of the web server")

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
            self.process.kill()
            self.process.wait(10)

    def log(self) -> str:
        return (self.installation.home.logs / "web.log").read_text()

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(urllib.request.urlopen(f"{self.address}/account/sign-in/", timeout=5).status == 200)
        return False


@dataclass
class World:
    """Who and what there is."""

    site: Site
    browser: Browser
    organisation: Organisation
    person: Person
    systems: dict[str, System]
    storage: Any = None
    troubles: list[str] = field(default_factory=list)

    def context(self, *, signed_in: bool = True, width: int = 1440, **options: Any) -> BrowserContext:
        """A browser window; whatever goes wrong in its pages is noted in ``troubles``."""
        made = self.browser.new_context(
            base_url=self.site.address, viewport={"width": width, "height": 900}, storage_state=self.storage if signed_in else None, **options
        )
        made.set_default_timeout(20_000)
        made.on("console", lambda message: self.troubles.append(message.text) if message.type in {"error", "warning"} else None)
        made.on("weberror", lambda error: self.troubles.append(str(error.error)))
        return made


def sign_in(page: Page, address: str = ADDRESS, password: str = people.PASSWORD) -> None:
    page.goto("/account/sign-in/")
    page.fill("[name=login]", address)
    page.fill("[name=password]", password)
    page.click("main button")


@pytest.fixture(scope="package")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock():
        # Playwright keeps an event loop in this thread; Django would take that for asynchronous code.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        with installed("e2e-", polling=0.5) as installation:
            organisation = people.make_organisation(name="Riverside Group", time_zone="Asia/Taipei")
            person = people.make_member(organisation, "administrator", password=people.PASSWORD)
            systems = estate.seed(organisation, person, days=12, live=False)
            site = Site(installation, _free_port())
            site.start()
            installation.start_worker()
            try:
                # Beside Playwright's event loop Django uses another connection than before and after, and would keep it for the next world.
                with sync_playwright() as playwright, contextlib.closing(connection):
                    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
                    made = World(site, browser, organisation, person, systems)
                    with made.context(signed_in=False) as context:
                        page = context.new_page()
                        sign_in(page)
                        page.wait_for_url("**/")
                        made.storage = context.storage_state()
                    yield made
                    browser.close()
            finally:
                site.stop()


@pytest.fixture
def page(world: World) -> Iterator[Page]:
    """A page of the administrator; the test fails when the browser complained."""
    world.troubles.clear()
    with world.context() as context:
        yield context.new_page()
    assert world.troubles == []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
