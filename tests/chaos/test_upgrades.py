"""Upgrades of a real ERP in which workers, PostgreSQL and everything at once are killed, or whatever else goes wrong, and taking them back."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.chaos import faults, killing
from tests.chaos.faults import FAULTS, OFTEN, Fault
from tests.services import sets, upgrading
from tests.services.index import Index
from tests.services.installation import Installation
from tests.services.reports import KeepReport
from tests.services.tryton import NEXT, SERIES
from tests.services.turns import FULL, SEED, in_turn, turn
from tests.services.upgrading import Production
from wellkept.adapters.tryton import provision
from wellkept.adapters.tryton.provision.install import pins, requirements
from wellkept.backups.models import Repository
from wellkept.estate import connect
from wellkept.estate.models import Environment
from wellkept.lib.text import say
from wellkept.operations import registry, runtime
from wellkept.operations.models import Run
from wellkept.tools import postgres
from wellkept.upgrades import needs
from wellkept.upgrades.models import Upgrade

pytestmark = pytest.mark.slow
Count = Callable[[str], None]
OPERATION = "upgrades.apply"
KILLS_PER_RUN = 20
PATIENCE = 600.0
NOBODY = "http://127.0.0.1:9/simple"
ZEROED = f"UPDATE account_move_line SET debit = 0, credit = 0 WHERE account = {faults.ACCOUNT}"


@pytest.fixture(scope="module")
def production(
    installation: Installation, place: Environment, erp_place: tuple[postgres.Server, Path], company_template: str
) -> Iterator[Production]:
    owner, folder = erp_place
    upgrading.keep_migrated(owner, folder, company_template)
    with upgrading.beside(owner, folder, company_template, "upgraded") as site:
        connect.keep(place, site)
        cluster = postgres.Cluster(folder / "pg", folder / "s", owner.port, postgres.service_user(), tcp=True)
        made = Production(place, site, cluster, company_template)
        yield made
        installation.kill_all()
        made.stop()
        made.drop()


@pytest.fixture(scope="module")
def repository(production: Production, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    made = sets.quick_repository(production.environment.system.organisation, "local", tmp_path_factory.mktemp("repository") / "r")
    production.reset()
    production.rehearsal = upgrading.rehearsed(production.environment, made)
    return made


def submit(production: Production, repository: Repository) -> Run:
    environment = Environment.objects.get(pk=production.environment.pk)
    arguments = {"target": NEXT, "repository_id": repository.pk}
    return runtime.submit(OPERATION, organisation=environment.system.organisation, environment=environment, arguments=arguments)


def case(production: Production, repository: Repository, *, allowed: str = "succeeded", **migration: Any) -> killing.Case:
    """An upgrade with a migration that does this."""

    def start() -> Run:
        production.reset()
        production.migration(**migration)
        return submit(production, repository)

    def wrong(run: Run) -> list[str]:
        return production.wrong(Upgrade.objects.get(run=run))

    return killing.Case(OPERATION, start, wrong, (allowed,), production.own_processes)


@pytest.fixture(scope="module")
def keeping(production: Production, repository: Repository) -> killing.Case:
    return case(production, repository, seconds=0.5)


@pytest.fixture(scope="module")
def failing(production: Production, repository: Repository) -> killing.Case:
    """Its migration empties an account, so it is taken back."""
    return case(production, repository, allowed="rolled_back", damage=[ZEROED])


@pytest.fixture(scope="module")
def stuck(production: Production, repository: Repository) -> killing.Case:
    """An upgrade that ended between the exchange and the opening, and is taken back by a run of its own."""
    left: list[Upgrade] = []

    def start() -> Run:
        production.reset()
        left[:] = [production.stuck(repository.backups.latest("pk"))]
        environment = Environment.objects.get(pk=production.environment.pk)
        arguments = {"upgrade_id": left[0].pk}
        return runtime.submit("upgrades.take_back", organisation=environment.system.organisation, environment=environment, arguments=arguments)

    return killing.Case("upgrades.take_back", start, lambda _run: production.wrong(left[0]), goes_on=production.own_processes)


ways = pytest.mark.parametrize("name", ["keeping", "failing", "stuck"])
CHANGING = ("close", "copy", "notes-before", "migrate", "notes-after", "compare", "smoke", "exchange", "open", "report")
"""The steps that change something; by default a worker is killed when some of them, in turn, have done their work and nobody knows it yet."""


def some_points() -> list[str]:
    """Steps that change something, done and not recorded: they are done again by the next worker. One of those before, in and after the migration."""
    phases = [phase for phase, _title in registry.get(OPERATION).phases if phase != "back"]
    # The gates take two steps.
    numbers = {phase: number for number, phase in enumerate(["gates", *phases], start=1)}
    chosen = in_turn([CHANGING[:3], CHANGING[3:7], CHANGING[7:]])
    return [f"{numbers[phase]}.{phase}:done#1" for phase in chosen]


@turn(1, of=4)
@pytest.mark.skipif(FULL, reason="every point is visited")
def test_killed_when_a_step_is_done_and_nobody_knows(installation: Installation, keeping: killing.Case, count: Count) -> None:
    points = some_points()
    report = killing.kill_at(installation, keeping, killing.Report(OPERATION, SEED, points, len(CHANGING)))
    count(report.line("kill points, those after a change"))
    assert report.violations == []
    assert report.killed == report.points


@pytest.mark.skipif(not FULL, reason="eight runs with a worker killed at each of about 140 points")
@ways
def test_killed_at_every_point(installation: Installation, request: pytest.FixtureRequest, count: Count, tmp_path: Path, name: str) -> None:
    one = request.getfixturevalue(name)
    installation.kill_all()
    points = killing.record_points(installation, one, tmp_path)
    report = killing.Report(one.name, 0, points, len(points))
    killing.kill_at(installation, one, report, KILLS_PER_RUN)
    count(f"{name}: {report.line('kill points')}")
    assert report.violations == []
    assert sorted(report.killed) == sorted(report.points)
    assert ("back:exchanged#1" in report.points) == (name != "keeping")


@pytest.mark.skipif(not FULL, reason="its kinds are among the others")
@ways
@pytest.mark.parametrize("what", ["worker", "everything"])
def test_killed_inside_every_step(
    installation: Installation, production: Production, request: pytest.FixtureRequest, count: Count, what: str, name: str
) -> None:
    also = kill_everything(installation, production) if what == "everything" else lambda: None
    report = killing.kill_inside_every_step(installation, request.getfixturevalue(name), also)
    count(f"{name}: {report.line(f'kills of {what} inside steps')}")
    assert report.violations == [], report.seed
    assert sorted(report.killed) == sorted(report.points)


def kill_everything(installation: Installation, production: Production) -> Callable[[], None]:
    """Kills what a power cut would: the ERP, what answers in its place, its PostgreSQL, and ours."""

    def kill() -> None:
        production.kill_everything()
        connection.close()
        cluster = installation.home.cluster()
        postgres.stop(cluster, "immediate")
        postgres.start(cluster)

    return kill


@turn(2, of=4)
@pytest.mark.parametrize("step", [*CHANGING[:-1], "back"] if FULL else ["migrate"])
def test_postgresql_is_killed_and_the_worker_goes_on(
    installation: Installation, production: Production, request: pytest.FixtureRequest, count: Count, step: str
) -> None:
    """Whatever the step was: before the exchange it is taken back, or was never closed, and after it the new release is opened."""
    one = request.getfixturevalue("failing" if step == "back" else "keeping")
    run = event_inside(installation, one, step, production.crash_server)
    either = dataclasses.replace(one, allowed=("failed", "rolled_back", "succeeded") if step == "close" else ("rolled_back", "succeeded"))
    assert killing.violations(installation, either, run) == []
    count(f"{OPERATION}: PostgreSQL killed in {step}: {run.state}, nobody could work for {unavailable(run):.1f} s")


def event_inside(installation: Installation, one: killing.Case, step: str, event: Callable[[], object]) -> Run:
    """A run in whose step something happens; returns it when it has ended."""
    installation.kill_all()
    installation.start_worker()
    run = one.start()
    killing.await_step(run, step)
    time.sleep(0.3)
    event()
    return runtime.wait(run.id, timeout=killing.RUN_SECONDS)


def unavailable(run: Run) -> float:
    """Seconds from closing the ERP until people could work again."""
    upgrade = Upgrade.objects.get(run=run)
    opened = upgrade.opened_at or upgrade.ended_at
    return (opened - upgrade.closed_at).total_seconds() if upgrade.closed_at and opened else 0.0


@turn(2, of=4)
@pytest.mark.parametrize("fault", FAULTS if FULL else FAULTS[:OFTEN], ids=lambda fault: fault.name)
def test_whatever_goes_wrong_is_named_and_taken_back(
    installation: Installation, production: Production, repository: Repository, count: Count, keep_report: KeepReport, fault: Fault
) -> None:
    one = case(production, repository, allowed="rolled_back")
    installation.kill_all()
    installation.start_worker()
    production.reset()
    production.migration(**fault.migration)
    with production.really_migrating() if fault.real else contextlib.nullcontext(), fault.meanwhile(production):
        run = submit(production, repository)
        with pytest.raises(runtime.Conflict, match="is being changed by"):
            submit(production, repository)
        run = runtime.wait(run.id, timeout=PATIENCE)
    keep_report(run, fault.name)
    assert killing.violations(installation, one, run) == []
    assert missing_words(run, *fault.words, "taken back in") == [], say(run.outcome)
    count(f"{OPERATION}: {fault.name}: {run.state}, as before; nobody could work for {unavailable(run):.1f} s")


def missing_words(run: Run, *words: str) -> list[str]:
    """Those of the words that its outcome does not have."""
    outcome = say(run.outcome)
    return [word for word in words if word not in outcome]


@pytest.mark.skipif(not FULL, reason="a real migration")
def test_a_disk_that_is_full_in_the_migration_is_named_and_taken_back(
    installation: Installation,
    production: Production,
    repository: Repository,
    count: Count,
    keep_report: KeepReport,
    small_disk: Callable[[int], Path],
) -> None:
    """The database lies in a tablespace of its own, where its copy goes, too: that is the room that the gates look at."""
    disk = small_disk(1000)
    installation.kill_all()
    production.reset()
    with faults.kept_on(production, disk):
        assert needs.data_directory(production.site) == disk
        installation.start_worker()
        with production.really_migrating(), faults.filling(production, disk):
            run = runtime.wait(submit(production, repository).id, timeout=PATIENCE)
        keep_report(run, "the disk is full in the migration")
        assert killing.violations(installation, case(production, repository, allowed="rolled_back"), run) == []
    assert missing_words(run, "No space left on device", "taken back in") == [], say(run.outcome)
    count(f"{OPERATION}: the disk is full in the migration: {run.state}, as before; nobody could work for {unavailable(run):.1f} s")


@pytest.mark.skipif(not FULL, reason="the same is tried without an upgrade in tests/adapters")
@pytest.mark.parametrize(("what", "words"), [("index", "Connection refused"), ("hash", "is not the package that was pinned")])
def test_what_cannot_be_installed_ends_it_before_anything_is_stopped(
    installation: Installation,
    production: Production,
    repository: Repository,
    index: Index,
    tmp_path: Path,
    count: Count,
    keep_report: KeepReport,
    what: str,
    words: str,
) -> None:
    """The index does not answer, or has another package under the name and version of each one; nothing was downloaded earlier."""
    address = index.address if what == "hash" else NOBODY
    for package, version in pins(requirements(NEXT)).items() if what == "hash" else ():
        index.add(package, version)
    installation.kill_all()
    production.reset()
    there = production.own_processes()
    place = {"PIP_INDEX_URL": address, "UV_DEFAULT_INDEX": address, "PIP_FIND_LINKS": "", "UV_FIND_LINKS": ""}
    installation.start_worker(XDG_CACHE_HOME=str(tmp_path), **place)
    with production.not_installed():
        run = runtime.wait(submit(production, repository).id, timeout=PATIENCE)
        left = sorted(path.name for path in production.link.parent.iterdir())
    keep_report(run, f"package {what}")
    assert left == sorted([production.link.name, provision.version(SERIES)]), "of the new release nothing is left"
    assert killing.violations(installation, case(production, repository, allowed="failed"), run) == []
    assert missing_words(run, "nothing was stopped", words) == [], say(run.outcome)
    assert (production.own_processes(), unavailable(run)) == (there, 0.0), "nothing was stopped"
    count(f"{OPERATION}: {what} of the packages: {run.state} in {(run.ended_at - run.started_at).total_seconds():.1f} s, nothing was stopped")
