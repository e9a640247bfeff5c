"""The page Today of an organisation with 1,000 systems and 100,000 records, asked for over HTTP."""

import re
import time
from datetime import timedelta
from typing import Any

import httpx

from bench.place import peak_rss, process
from bench.result import Result, percentile
from wellkept.home import Home
from wellkept.lib import hashchain
from wellkept.lib.text import message
from wellkept.tools.postgres import free_port

SYSTEMS = 1000
RECORDS = 100_000
REQUESTS = 150
GOAL_MS = 150.0
VERIFY_SECONDS = 5.0
BATCH = 5000


def measure(home: Home) -> list[Result]:
    """p95 of the page's answers, the number of its queries at 1 and at 1,000 systems, and a check of the whole record."""
    one, many = organisation("one", 1, 100), organisation("many", SYSTEMS, RECORDS)
    queries = {"queries_1_system": count_queries(one), f"queries_{SYSTEMS}_systems": count_queries(many)}
    timings = ask(home, many)
    value = percentile(timings, 95)
    details = [{"ms": timing} for timing in timings]
    pages = Result("today_p95", f"Today with {SYSTEMS:,} systems and {RECORDS:,} records, p95", value, GOAL_MS, "ms", [*details, queries, peak_rss()])
    more = max(queries.values()) - min(queries.values())
    constant = Result("today_queries", "Today: more queries at 1,000 systems than at 1", more, 0, "", [queries])
    return [pages, constant, verify(many)]


def organisation(slug: str, systems: int, records: int) -> Any:
    """An organisation with an administrator, systems with their backups, drills, schedules and runs, and a record that verifies."""
    from wellkept.estate.models import Membership, Organisation, Person, Role, System

    made = Organisation.objects.create(slug=slug, name=slug.title())
    person = Person.objects.create_user(f"admin@{slug}.example", None, name="Admin")
    Membership.objects.create(person=person, organisation=made, role=Role.ADMINISTRATOR)
    rows = [System(organisation=made, name=f"erp{number}", title=f"ERP {number}", adapter="tryton") for number in range(systems)]
    kept = System.objects.bulk_create(rows, BATCH)
    furnish(made, kept)
    fill_record(made, kept, records)
    return made


def furnish(made: Any, systems: list[Any]) -> None:
    """What a kept system has: an environment, three backups, a drill, two runs and a schedule."""
    from django.utils import timezone

    from wellkept.backups.models import Backup, Drill, Repository
    from wellkept.estate import secrets
    from wellkept.estate.models import Environment
    from wellkept.operations.models import Run, Schedule

    now = timezone.now()
    key, drill_key = secrets.store(made, "repository key", "k"), secrets.store(made, "drill key", "d")
    repository = Repository.objects.create(organisation=made, name="main", location="/nowhere", key=key, drill_identity=drill_key, escrow="")
    environments = Environment.objects.bulk_create([Environment(system=system, version="7.0.59") for system in systems], BATCH)
    owned = [{"organisation": made, "system": environment.system} for environment in environments]
    ended = {"operation": "backups.take", "maintenance_type": "preventive", "state": "succeeded", "ended_at": now}
    Run.objects.bulk_create([Run(**own, **ended) for own in owned for _ in range(2)], BATCH)
    backups = Backup.objects.bulk_create(
        [
            Backup(
                **own, environment=environment, repository=repository, state="good", made_at=now - timedelta(days=day), snapshot_at=now, bytes=10**8
            )
            for own, environment in zip(owned, environments, strict=True)
            for day in range(3)
        ],
        BATCH,
    )
    Drill.objects.bulk_create(
        [Drill(organisation=made, system=backup.system, backup=backup, state="proven", ended_at=now, rto_seconds=90.0) for backup in backups[::3]],
        BATCH,
    )
    schedules = [Schedule(**own, operation="backups.take", cron="0 2 * * *", next_at=now + timedelta(hours=9)) for own in owned]
    Schedule.objects.bulk_create(schedules, BATCH)


def fill_record(made: Any, systems: list[Any], count: int) -> None:
    """Entries as ``records.append`` writes them, many at once."""
    from django.utils import timezone

    from wellkept.operations import checkpoints, records
    from wellkept.operations.models import Record

    previous, now, batch = hashchain.GENESIS, timezone.now(), []
    for number in range(1, count + 1):
        system = systems[number % len(systems)]
        row = Record(
            organisation=made,
            number=number,
            at=now - timedelta(seconds=count - number),
            kind="backups.take",
            maintenance_type="preventive",
            system=system,
            system_name=system.name,
            actor="schedule",
            summary=message("Backed up {files} files, {size} MB", files=number % 1000, size=71.5),
            data={"bytes": number * 1000, "backup": number},
            previous_hash=previous,
        )
        row.hash = previous = hashchain.entry_hash(records.entry(made.pk, [getattr(row, column) for column in records.FIELDS.values()]))
        batch.append(row)
        if len(batch) == BATCH or number == count:
            Record.objects.bulk_create(batch)
            batch = []
    checkpoints.checkpoint(made)


def signed_in(made: Any) -> Any:
    """A client of Django's in which the organisation's administrator is signed in."""
    from django.test import Client

    client = Client()
    client.force_login(made.memberships.get().person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def count_queries(made: Any) -> int:
    """The queries of one answer, caches warm."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client = signed_in(made)
    client.get("/", headers={"host": "localhost"})
    with CaptureQueriesContext(connection) as captured:
        answer = client.get("/", headers={"host": "localhost"})
    if answer.status_code != 200:
        raise RuntimeError(f"the page answered {answer.status_code}")
    return len(captured)


def ask(home: Home, made: Any) -> list[float]:
    """Milliseconds of each answer of a real web process."""
    from wellkept import platform

    port = free_port()
    cookies = {name: morsel.value for name, morsel in signed_in(made).cookies.items()}
    timings = []
    with process(home, "web", "--port", str(port)), httpx.Client(base_url=f"http://127.0.0.1:{port}", cookies=cookies, timeout=30) as client:
        if not platform.wait_for_pages("127.0.0.1", port, 60, lambda: True):
            raise RuntimeError("the web process did not start")
        for number in range(REQUESTS + 10):
            began = time.perf_counter()
            answer = client.get("/")
            spent = (time.perf_counter() - began) * 1000
            if answer.status_code != 200 or not re.search("1,?000 systems", answer.text):
                raise RuntimeError(f"the page answered {answer.status_code} without its systems")
            if number >= 10:
                timings.append(round(spent, 2))
    return timings


def verify(made: Any) -> Result:
    """A check of the whole record, hash by hash."""
    import tracemalloc

    from wellkept.operations import records

    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        found = records.verify(made)
        seconds.append(round(time.perf_counter() - began, 3))
        if not found.ok or found.entries != RECORDS:
            raise RuntimeError(f"the record does not verify: {found.plain()}")
    tracemalloc.start()
    records.verify(made)
    peak = tracemalloc.get_traced_memory()[1] // 1024**2
    tracemalloc.stop()
    runs = [*({"seconds": spent} for spent in seconds), {"peak_python_mb": peak}]
    return Result("verify", f"A check of {RECORDS:,} entries of the record", sorted(seconds)[2], VERIFY_SECONDS, "s", runs)
