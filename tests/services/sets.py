"""A real company to back up, and a set of it that was really taken; each test works on rows and a repository folder of its own."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from tests.people import make_environment, make_organisation, make_system
from tests.services import tryton
from tests.services.keys import quicken
from wellkept.adapters.base import Site
from wellkept.backups import choose, repositories, staging, take
from wellkept.backups.models import Backup, BackupState, Repository
from wellkept.estate import connect, secrets
from wellkept.estate.models import Environment, Organisation
from wellkept.operations import scratch
from wellkept.operations.models import Run, RunState
from wellkept.tools import command, postgres, restic

KEEP_ONE = {"last": 1, "daily": 0, "weekly": 0, "monthly": 0, "yearly": 0}
RESTORED = "restored_beside"
SYSTEM_ID = 40_000
"""The manifest of a set names its system by id, so the system has the same one in every test."""


@dataclass(frozen=True)
class Frozen:
    """A set that was taken once for the whole test run: its repository's folder, keys and rows as plain values."""

    folder: Path
    password: str
    repository: dict[str, Any]
    drill_identity: str
    recovery: str
    backup: dict[str, Any]


@dataclass
class Rows:
    """The rows of a test: one kept system, its repository and one good backup."""

    environment: Environment
    repository: Repository
    backup: Backup
    recovery: str

    @property
    def folder(self) -> Path:
        return Path(self.repository.location)

    def tool(self) -> restic.Repository:
        return repositories.opened(self.repository)

    def again(self) -> Backup:
        self.backup.refresh_from_db()
        return self.backup


def kept_environment(company: Site, organisation: Organisation) -> Environment:
    """Rows for the company, as adopting it would make them."""
    environment = make_environment(make_system(organisation, pk=SYSTEM_ID))
    connect.keep(environment, company)
    return environment


def new_run(organisation: Organisation, operation: str = "backups.take") -> str:
    """A run as a worker would have it, for steps that are called directly."""
    run = Run.objects.create(organisation=organisation, operation=operation, maintenance_type="preventive", state=RunState.RUNNING)
    return str(run.pk)


def take_backup(environment: Environment, run_id: str) -> Backup:
    """Every step of taking a backup, one after the other."""
    backup_id = take.begin(run_id, choose.Wish(environment.system_id, None, None))["backup_id"]
    staging.stage(run_id, backup_id)
    stored = take.store(run_id, backup_id)
    checked = take.check_set(run_id, backup_id, stored["snapshot"])
    assert checked["missing"] == []
    take.finish(run_id, backup_id, {**stored, "snapshot": checked["snapshot"]})
    return Backup.objects.get(pk=backup_id)


def quick_repository(organisation: Organisation, name: str, folder: Path) -> Repository:
    """A repository made as a person makes it, and then quick to open."""
    repository = repositories.create(organisation, name, str(folder), actor="test")
    quicken(folder, secrets.open(repository.key))
    return repository


@pytest.fixture(scope="session")
def company(erp_place: tuple[postgres.Server, Path], company_template: str) -> Iterator[Site]:
    """The company whose backups are tested; what a test changes in it, it puts back."""
    owner, folder = erp_place
    site = tryton.restored(owner, folder, "kept", template=company_template)
    yield site
    tryton.removed(site)


@pytest.fixture(scope="session")
def frozen(company: Site, django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Frozen:
    """Take one backup; its rows are rolled back and its values kept."""
    folder = tmp_path_factory.mktemp("frozen") / "repository"
    with django_db_blocker.unblock(), transaction.atomic():
        organisation = make_organisation("frozen")
        environment = kept_environment(company, organisation)
        repository = quick_repository(organisation, "local", folder)
        run_id = new_run(organisation)
        backup = take_backup(environment, run_id)
        scratch.remove(run_id)
        recovery = repositories.recovery_key(repository, actor="test")
        kept = _freeze(folder, repository, backup, recovery)
        transaction.set_rollback(True)
    return kept


def _freeze(folder: Path, repository: Repository, backup: Backup, recovery: str) -> Frozen:
    names = ("escrow", "recipients", "restic_id")
    fields = ("state", "snapshot", "snapshot_at", "made_at", "seconds", "bytes", "stored_bytes", "files", "version", "manifest")
    return Frozen(
        folder,
        secrets.open(repository.key),
        {name: getattr(repository, name) for name in names},
        secrets.open(repository.drill_identity),
        recovery,
        {name: getattr(backup, name) for name in fields},
    )


@pytest.fixture
def rows(frozen: Frozen, company: Site, organisation: Organisation, tmp_path: Path) -> Rows:
    """The frozen set as rows of this test, with a copy of its repository that the test may damage."""
    place = tmp_path / "repository"
    shutil.copytree(frozen.folder, place)
    command.run(["chmod", "-R", "u+w", place])
    return thawed(frozen, company, organisation, str(place))


def thawed(frozen: Frozen, company: Site, organisation: Organisation, place: str) -> Rows:
    """Rows for a copy of the frozen set's repository that is at the place."""
    environment = kept_environment(company, organisation)
    escrow = repositories._seal("local", place, frozen.password, frozen.repository["recipients"])
    repository = Repository.objects.create(
        organisation=organisation,
        name="local",
        location=place,
        key=secrets.store(organisation, "repository/local/key", frozen.password),
        drill_identity=secrets.store(organisation, "repository/local/drill", frozen.drill_identity),
        **{**frozen.repository, "escrow": escrow},
    )
    repository.config_sha256 = repositories.config_sha256(repository)
    repository.save()
    backup = Backup.objects.create(
        organisation=organisation,
        system=environment.system,
        environment=environment,
        repository=repository,
        run_id=uuid.UUID(new_run(organisation)),
        **deepcopy(frozen.backup),
    )
    return Rows(environment, repository, backup, frozen.recovery)


@pytest.fixture
def run_id(organisation: Organisation) -> Iterator[str]:
    """A run whose scratch folder is removed after the test."""
    made = new_run(organisation)
    yield made
    scratch.remove(made)


@pytest.fixture
def small_disk() -> Iterator[Callable[[int], Path]]:
    """Makes disks of so many megabytes."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted: list[Path] = []
    folder = postgres.throwaway_folder("wk-disks-")

    def make(megabytes: int) -> Path:
        disk = folder / f"disk-{len(mounted)}"
        disk.mkdir()
        command.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", disk])
        mounted.append(disk)
        return disk

    yield make
    for disk in mounted:
        command.run(["umount", "--lazy", disk])
    shutil.rmtree(folder)


def content_hash(company: Site) -> str:
    """What the ERP's database and files hold, in one number."""
    assert company.server is not None
    dump = command.run(["pg_dump", "--no-password", "--dbname", company.database], env=company.server.env(), timeout=120).stdout
    files = command.run(["sh", "-c", "find . -type f -exec sha256sum {} + | sort"], cwd=company.files, timeout=60).stdout
    lines = [line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "\n".join(lines) + files))


@pytest.fixture
def history(rows: Rows) -> list[Backup]:
    """Three good backups, one a day, each with a real snapshot; the frozen one is the newest. The rules keep one."""
    rows.repository.retention = KEEP_ONE
    rows.repository.save()
    return [rows.backup, *(earlier(rows.backup, days, rows.folder) for days in (1, 2))]


def earlier(backup: Backup, days: int, folder: Path) -> Backup:
    """A good backup from so many days before another one, with a real snapshot of next to nothing; ``folder`` is where the repository is kept."""
    run, own = new_run(backup.organisation), Path(__file__)
    tags = [f"system={backup.system_id}", f"set={run}"]
    short = restic.backup(repositories.opened(backup.repository), [own.name], cwd=own.parent, tags=tags).snapshot
    (full,) = (name for name in stored_snapshots(folder) if name.startswith(short))
    at = (backup.snapshot_at or timezone.now()) - timedelta(days=days)
    fields = {"organisation": backup.organisation, "system": backup.system, "environment": backup.environment, "repository": backup.repository}
    return Backup.objects.create(**fields, run_id=uuid.UUID(run), state=BackupState.GOOD, snapshot=full, snapshot_at=at, made_at=at)


def stored_snapshots(folder: Path) -> set[str]:
    """The full ids of the snapshots in a repository's folder; restic keeps each as a file of that name."""
    return {path.name for path in (folder / "snapshots").iterdir()}
