"""Every list page: the same number of queries for 1 and for 30 rows, search, filters, sort, pages, export."""

import csv
import io
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.people import make_system
from tests.web.conftest import SignIn
from tests.web.estate import make_backup, make_drill, make_kept, make_repository, make_run, plan
from wellkept.estate.models import ApiToken, Component, Environment, Membership, Organisation, Person, Role, System
from wellkept.lib.text import message
from wellkept.operations import records
from wellkept.operations.models import Run, RunState


def grow_systems(organisation: Organisation, count: int, repository: object) -> None:
    for number in range(count):
        system = make_kept(organisation, f"erp-{System.objects.count()}-{number}")
        make_drill(make_backup(system, repository, timezone.now() - timedelta(hours=2)), timezone.now() - timedelta(hours=1))  # type: ignore[arg-type]
        make_run(system, "backups.drill", RunState.RUNNING)
        plan(system)
        records.append(
            organisation,
            "estate.settings",
            message("The settings of {system} were changed", system=system.name),
            actor="a",
            system=system,
        )


def grow_rest(organisation: Organisation, person: Person, system: System, count: int, repository: object) -> None:
    environment = Environment.objects.get(system=system)
    for number in range(count):
        stamp = f"{Component.objects.count()}-{number}"
        Component.objects.create(environment=environment, kind="module", name=stamp)
        make_drill(make_backup(system, repository, timezone.now() - timedelta(days=1, minutes=number)), timezone.now() - timedelta(hours=1))  # type: ignore[arg-type]
        plan(system)
        make_repository(organisation, f"r-{stamp}")
        ApiToken.objects.create(person=person, organisation=organisation, name=stamp, digest=stamp, expires_at=timezone.now())
        member = Person.objects.create_user(f"m{stamp}@example.org")
        Membership.objects.create(person=member, organisation=organisation, role=Role.VIEWER)


PAGES = [
    "/",
    "/systems/",
    "/systems/{system}/",
    "/systems/{system}/backups/",
    "/systems/{system}/components/",
    "/runs/",
    "/backups/",
    "/backups/sets/",
    "/backups/sets/{backup}/",
    "/backups/drills/",
    "/records/",
    "/settings/people/",
    "/settings/schedules/",
    "/settings/repositories/",
    "/settings/repositories/{repository}/",
    "/settings/tokens/",
]


def queries_of(client: Client, addresses: list[str]) -> dict[str, int]:
    counted = {}
    for address in addresses:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert client.get(address).status_code == 200, address
        counted[address] = len(captured)
    return counted


def test_pages_need_the_same_number_of_queries_for_1_and_for_30_rows(organisation: Organisation, administrator: Person, sign_in: SignIn) -> None:
    repository = make_repository(organisation)
    grow_systems(organisation, 1, repository)
    system = System.objects.get()
    grow_rest(organisation, administrator, system, 1, repository)
    backup = system.backups.latest("made_at")
    addresses = [page.format(system=system.pk, backup=backup.pk, repository=repository.pk) for page in PAGES]
    client = sign_in(administrator)
    queries_of(client, addresses)
    few = queries_of(client, addresses)
    grow_systems(organisation, 29, repository)
    grow_rest(organisation, administrator, system, 29, repository)
    many = queries_of(client, addresses)
    assert many == few
    assert max(few.values()) <= 25


@pytest.fixture
def client_of_three(organisation: Organisation, administrator: Person, sign_in: SignIn) -> Client:
    for name in ("alpha", "beta", "gamma"):
        make_kept(organisation, name)
    system = System.objects.get(name="alpha")
    make_run(system, "backups.take", RunState.FAILED, timezone.now() - timedelta(hours=3), outcome=message("{steps} steps done", steps=1))
    make_run(system, "backups.drill", RunState.SUCCEEDED, timezone.now() - timedelta(hours=2), outcome=message("=1+1"))
    make_run(System.objects.get(name="beta"), "backups.take", RunState.SUCCEEDED, timezone.now() - timedelta(hours=1))
    return sign_in(administrator)


def listed(client: Client, address: str) -> list[str]:
    """The first cells of the rows as CSV gives them, in order."""
    separator = "&" if "?" in address else "?"
    text = b"".join(client.get(f"{address}{separator}export=csv").streaming_content).decode()  # type: ignore[attr-defined]
    return [line[0] for line in csv.reader(io.StringIO(text))][1:]


@pytest.mark.parametrize(
    ("address", "rows"),
    [
        ("/runs/", ["Back up", "Restore drill", "Back up"]),
        ("/runs/?state=failed", ["Back up"]),
        ("/runs/?q=alpha+drill", ["Restore drill"]),
        ("/runs/?q=nothing-like-this", []),
        ("/runs/?sort=requested_at&operation=backups.take", ["Back up", "Back up"]),
        ("/systems/?q=gam", ["gamma"]),
        ("/systems/?sort=-title", ["gamma", "beta", "alpha"]),
        ("/systems/?verdict=well", []),
        ("/systems/?verdict=act&sort=title", ["alpha", "beta", "gamma"]),
    ],
)
def test_search_filters_and_sort_live_in_the_address(client_of_three: Client, address: str, rows: list[str]) -> None:
    assert listed(client_of_three, address) == rows
    page = client_of_three.get(address).content.decode()
    assert page.count("row-link") == len(rows)


def test_exported_cells_are_no_formulas(client_of_three: Client) -> None:
    text = b"".join(client_of_three.get("/runs/?export=csv&operation=backups.drill").streaming_content).decode()  # type: ignore[attr-defined]
    (line,) = list(csv.reader(io.StringIO(text)))[1:]
    assert "'=1+1" in line


def test_pages_of_a_long_list(organisation: Organisation, administrator: Person, sign_in: SignIn) -> None:
    system = make_kept(organisation, "erp1")
    for number in range(65):
        make_run(system, at=timezone.now() - timedelta(minutes=number))
    client = sign_in(administrator)
    counts = [client.get(f"/runs/?page={page}").content.decode().count("row-link") for page in ("1", "2", "3", "99", "x")]
    assert counts == [30, 30, 5, 5, 30]


@pytest.mark.parametrize(
    "address",
    ["/systems/", "/runs/", "/backups/", "/backups/sets/", "/backups/drills/", "/records/", "/settings/schedules/", "/settings/repositories/", "/"],
)
def test_an_empty_page_says_what_to_do_next(administrator: Person, sign_in: SignIn, address: str) -> None:
    page = sign_in(administrator).get(address).content.decode()
    nothing = page[page.index('class="nothing"') :]
    assert "<pre" in nothing or 'class="btn' in nothing


def test_nothing_of_another_organisation_is_listed(organisation: Organisation, other_system: System, administrator: Person, sign_in: SignIn) -> None:
    make_system(organisation, "mine")
    foreign = Run.objects.create(organisation=other_system.organisation, system=other_system, operation="backups.take", maintenance_type="preventive")
    client = sign_in(administrator)
    assert listed(client, "/systems/") == ["mine"]
    assert listed(client, "/runs/") == []
    for address in (f"/systems/{other_system.pk}/", f"/runs/{foreign.pk}/", f"/runs/{foreign.pk}/events/"):
        assert client.get(address).status_code == 404
