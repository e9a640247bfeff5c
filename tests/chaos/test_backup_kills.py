"""Workers killed at every point, and inside every step, of a backup and of a drill of a real ERP."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from tests.chaos import killing
from tests.services.installation import Installation, strays, until
from tests.services.sets import quick_repository
from tests.services.turns import in_turn
from wellkept.adapters.base import Site
from wellkept.backups import repositories, verify
from wellkept.backups.models import Backup, BackupState, Drill, DrillState, Repository
from wellkept.estate import connect
from wellkept.estate.models import Environment
from wellkept.lib.hashing import sha256
from wellkept.operations import runtime
from wellkept.operations.models import Run
from wellkept.tools import command, postgres, restic

pytestmark = pytest.mark.slow
Count = Callable[[str], None]


def content(site: Site) -> str:
    """A fingerprint of everything in the ERP: its database as a dump and its files."""
    assert site.server is not None
    dump = command.run(["pg_dump", "--no-password", site.database], env=site.server.env(), timeout=120).stdout
    lines = [line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]
    files = command.run(["sh", "-c", "find . -type f -exec sha256sum {} + | sort"], cwd=site.files, timeout=60).stdout
    return sha256("\n".join([*lines, files]).encode())


def databases(site: Site) -> list[str]:
    assert site.server is not None
    with postgres.administration(site.server) as connection:
        return sorted(name for (name,) in connection.execute("SELECT datname FROM pg_database").fetchall())


@pytest.fixture(scope="module")
def kept(installation: Installation, place: Environment, small_company: Site) -> Environment:
    """The environment whose ERP is the real company."""
    connect.keep(place, small_company)
    return place


@pytest.fixture(scope="module")
def repository(kept: Environment, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return quick_repository(kept.system.organisation, "local", tmp_path_factory.mktemp("repository") / "r")


@pytest.fixture(scope="module")
def untouched(small_company: Site) -> Callable[[], list[str]]:
    """Says what is no longer in the ERP as it was when the module's tests began."""
    before = (content(small_company), databases(small_company))

    def wrong() -> list[str]:
        after = (content(small_company), databases(small_company))
        return [] if after == before else [f"the ERP was changed: {before} became {after}"]

    return wrong


def sets_of(repository: Repository, run: Run) -> list[str]:
    return [snapshot.id for snapshot in restic.snapshots(repositories.opened(repository), tags=[f"set={run.id}"])]


@pytest.fixture(scope="module")
def taking(kept: Environment, repository: Repository, untouched: Callable[[], list[str]]) -> killing.Case:
    def start() -> Run:
        return runtime.submit("backups.take", organisation=kept.system.organisation, environment=kept, arguments={"repository_id": repository.pk})

    def wrong(run: Run) -> list[str]:
        backup = Backup.objects.get(run_id=run.id)
        stored = sets_of(repository, run)
        found = untouched()
        if (backup.state, stored) != (BackupState.GOOD, [backup.snapshot]):
            found.append(f"the backup is {backup.state} with {backup.snapshot!r}, stored are {stored}")
        return found

    return killing.Case("backups.take", start, wrong)


@pytest.fixture(scope="module")
def a_backup(installation: Installation, taking: killing.Case) -> Backup:
    installation.kill_all()
    pid = installation.start_worker()
    run = runtime.wait(taking.start().id, timeout=120)
    installation.kill(pid)
    return Backup.objects.get(run_id=run.id, state=BackupState.GOOD)


@pytest.fixture(scope="module")
def drilling(kept: Environment, a_backup: Backup, untouched: Callable[[], list[str]]) -> killing.Case:
    def start() -> Run:
        return runtime.submit("backups.drill", organisation=kept.system.organisation, environment=kept, arguments={"backup_id": a_backup.pk})

    def wrong(run: Run) -> list[str]:
        drill = Drill.objects.get(run_id=run.id)
        proven = (drill.state, drill.figures_equal, drill.neutral_proven, drill.escrow_key_used)
        found = [] if proven == (DrillState.PROVEN, True, True, True) else [f"the drill is {proven}"]
        a_backup.refresh_from_db()
        if a_backup.state != BackupState.GOOD:
            found.append(f"the backup became {a_backup.state}")
        return found + untouched()

    return killing.Case("backups.drill", start, wrong)


@pytest.fixture
def case(request: pytest.FixtureRequest) -> killing.Case:
    return request.getfixturevalue(request.param)


both = pytest.mark.parametrize("case", ["taking", "drilling"], indirect=True)


@both
def test_killed_at_every_point(installation: Installation, case: killing.Case, count: Count, tmp_path: Path) -> None:
    report = killing.kill_at_every_point(installation, case, tmp_path)
    count(report.line("kill points"))
    assert report.violations == []
    assert sorted(report.killed) == sorted(report.points)
    assert report.of > 20


@both
def test_killed_inside_every_step(installation: Installation, case: killing.Case, count: Count) -> None:
    report = killing.kill_inside_every_step(installation, case)
    count(report.line("kills inside steps"))
    assert report.violations == [], report.seed
    assert sorted(report.killed) == sorted(report.points)


@pytest.mark.parametrize("case", in_turn([["taking", "drilling"]]), indirect=True)
def test_the_platforms_database_restarts_in_the_middle(installation: Installation, case: killing.Case) -> None:
    installation.kill_all()
    installation.start_worker()
    run = case.start()
    until(lambda: run.steps.count() >= 2, 60, "the second step")
    cluster = installation.home.cluster()
    connection.close()
    postgres.stop(cluster, "immediate")
    postgres.start(cluster)
    run = runtime.wait(run.id, timeout=killing.RUN_SECONDS)
    assert killing.violations(installation, case, run) == []


@pytest.mark.parametrize(("case", "step"), in_turn([[("drilling", "sign-in"), ("taking", "store")]]), indirect=["case"])
def test_a_worker_told_to_stop_in_the_middle_leaves_nothing_running(
    installation: Installation, case: killing.Case, untouched: Callable[[], list[str]], step: str
) -> None:
    installation.kill_all()
    pid = installation.start_worker()
    run = case.start()
    until(run.steps.filter(name=step).exists, killing.RUN_SECONDS, f"the step {step}")
    installation.terminate(pid)
    assert strays(installation) == []
    installation.start_worker()
    run = runtime.wait(run.id, timeout=killing.RUN_SECONDS)
    # A copy that was stopped with its worker is not proven any more: the drill may start over or fail, and must say so.
    either = dataclasses.replace(case, allowed=("succeeded", "failed"), wrong=lambda _run: untouched())
    assert killing.violations(installation, either, run) == []
    assert (run.state == "succeeded") == (case.wrong(run) == [])


def test_every_backup_that_counts_is_whole_after_all_of_it(repository: Repository, taking: killing.Case, a_backup: Backup) -> None:
    good = list(Backup.objects.filter(state=BackupState.GOOD))
    assert a_backup in good
    restic.check(repositories.opened(repository), read="100%")
    stored = {snapshot.id for snapshot in restic.snapshots(repositories.opened(repository))}
    assert stored == {backup.snapshot for backup in good}
    assert [verify.read_tree(backup.pk)["damage"] for backup in good] == [None] * len(good)
