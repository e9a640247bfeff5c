import json
import os
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.services.sets import Rows, kept_environment, new_run, quick_repository, take_backup
from wellkept.adapters import registry
from wellkept.adapters.base import Site
from wellkept.backups import choose, repositories, sets, staging, storing, take
from wellkept.backups.models import Backup, BackupState, Repository
from wellkept.estate import secrets
from wellkept.estate.models import Organisation
from wellkept.lib.text import say
from wellkept.operations import scratch
from wellkept.operations.beside import provided
from wellkept.operations.errors import Failed
from wellkept.operations.models import Run
from wellkept.planning import figures
from wellkept.tools import command, postgres, restic


def listing(rows: Rows, snapshot: str) -> set[str]:
    found: set[str] = set()
    restic.entries(rows.tool(), snapshot, lambda entry: found.add(entry.path) if entry.kind == "file" else None)
    return found


def stage(rows: Rows, run_id: str) -> int:
    backup_id: int = take.begin(run_id, choose.Wish(rows.environment.system_id, None, None))["backup_id"]
    staging.stage(run_id, backup_id)
    return backup_id


@pytest.fixture
def extra_file(company: Site) -> Any:
    """A row whose file is missing, until the test puts it there; removed afterwards."""
    assert company.server is not None
    assert company.files is not None
    digest = uuid.uuid4().hex
    path = company.files / company.database / digest[:2] / digest[2:4] / digest
    with postgres.connect(company.server, company.database) as connection:
        made = "INSERT INTO ir_attachment (name, type, file_id, resource) VALUES ('late.pdf', 'data', %s, 'res.user,1') RETURNING id"
        row = connection.execute(made, [digest]).fetchone()
    assert row is not None
    yield path, row[0]
    with postgres.connect(company.server, company.database) as connection:
        connection.execute("DELETE FROM ir_attachment WHERE id = %s", [row[0]])
    path.unlink(missing_ok=True)


def test_a_set_holds_everything_and_the_figures_of_the_same_moment(rows: Rows, company: Site, tmp_path: Path) -> None:
    backup = rows.backup
    restic.restore(rows.tool(), backup.snapshot, tmp_path / "back")
    manifest = sets.load(tmp_path / "back", backup.manifest["sha256"])
    assert sets.check_hashes(tmp_path / "back", manifest) > 300
    assert sets.check_files(tmp_path / "back", manifest) == manifest["references"]["count"] > 0
    assert company.config is not None
    assert company.server is not None
    assert (tmp_path / "back" / sets.FOLDER / "settings" / "1-trytond.conf").read_text() == company.config.read_text()
    with postgres.connect(company.server, company.database, readonly=True) as connection:
        now = registry.ability("tryton", "figures").read(connection, company.files, company.database)
    assert figures.compare(sets.figures(manifest), now) == []
    assert len(now) >= 12
    assert backup.version.startswith("7.0")
    assert manifest["modules"]["sale"].startswith("7.0")


def test_a_second_backup_stores_only_what_changed(rows: Rows, organisation: Organisation, run_id: str) -> None:
    second = take_backup(rows.environment, run_id)
    assert second.state == BackupState.GOOD
    assert second.bytes == pytest.approx(rows.backup.bytes, rel=0.05)
    assert second.stored_bytes is not None
    assert second.stored_bytes < (rows.backup.stored_bytes or 0) / 3
    assert Backup.objects.filter(state=BackupState.GOOD).count() == 2


def test_what_is_written_while_the_dump_goes_on_is_not_in_it(
    rows: Rows, company: Site, run_id: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A party that is made after the snapshot and before pg_dump starts is neither in the dump nor in the figures."""
    assert company.server is not None
    dump = postgres.dump

    def late(*args: Any, **kwargs: Any) -> command.Completed:
        with postgres.connect(company.server, company.database) as connection:  # type: ignore[arg-type]
            connection.execute("INSERT INTO party_party (code, name, active) VALUES ('LATE', 'Latecomer', true)")
        return dump(*args, **kwargs)

    monkeypatch.setattr(postgres, "dump", late)
    try:
        take_backup(rows.environment, run_id)
    finally:
        with postgres.connect(company.server, company.database) as connection:
            removed = connection.execute("DELETE FROM party_party WHERE code = 'LATE'").rowcount
    assert removed == 1
    staged = scratch.folder(run_id) / sets.FOLDER
    manifest = json.loads((staged / sets.MANIFEST).read_text())
    with postgres.connect(company.server, company.database, readonly=True) as connection:
        now = registry.ability("tryton", "figures").read(connection, company.files, company.database)
    assert figures.compare(sets.figures(manifest), now, ignore=["sequences"]) == []
    assert all(b"Latecomer" not in path.read_bytes() for path in (staged / sets.DUMP).iterdir())


def test_a_row_without_its_file_is_named_and_the_set_is_not_good(rows: Rows, extra_file: tuple[Path, int], run_id: str) -> None:
    before = len(restic.snapshots(rows.tool()))
    backup_id = stage(rows, run_id)
    stored = take.store(run_id, backup_id)
    assert stored["missing"] == [f"attachment {extra_file[1]} late.pdf"]
    take.clean_up(run_id)
    assert len(restic.snapshots(rows.tool())) == before
    assert Backup.objects.get(pk=backup_id).state == BackupState.FAILED
    assert rows.again().state == BackupState.GOOD


def test_a_file_that_comes_while_dumping_is_in_the_set(rows: Rows, extra_file: tuple[Path, int], run_id: str) -> None:
    backup_id = stage(rows, run_id)
    extra_file[0].parent.mkdir(parents=True, exist_ok=True)
    extra_file[0].write_text("content")
    stored = take.store(run_id, backup_id)
    assert stored["missing"] == []
    assert str(extra_file[0].resolve()) in listing(rows, stored["snapshot"])


def test_a_repeated_step_leaves_one_good_set(rows: Rows, run_id: str) -> None:
    """As after the death of a worker: every step is done twice, and storing was killed in the middle the first time."""
    wish = choose.Wish(rows.environment.system_id, None, None)
    before = len(restic.snapshots(rows.tool()))
    backup_id = take.begin(run_id, wish)["backup_id"]
    assert take.begin(run_id, wish)["backup_id"] == backup_id
    staging.stage(run_id, backup_id)
    staging.stage(run_id, backup_id)
    take.store(run_id, backup_id)
    with command.scope() as scope, pytest.raises(command.CommandStopped):
        restic.backup(rows.tool(), ["."], cwd=rows.folder, tags=["killed"], on_progress=lambda _done: scope.stop())
    assert list(rows.folder.glob("locks/*"))
    stored = take.store(run_id, backup_id)
    checked = take.check_set(run_id, backup_id, stored["snapshot"])
    assert take.check_set(run_id, backup_id, stored["snapshot"]) == checked
    result = {**stored, "snapshot": checked["snapshot"]}
    assert take.finish(run_id, backup_id, result) == take.finish(run_id, backup_id, result)
    assert len(restic.snapshots(rows.tool())) == before + 1
    assert Backup.objects.filter(state=BackupState.GOOD).count() == 2


def test_a_backup_that_ends_while_its_repository_was_being_opened_leaves_no_lock_and_no_program(rows: Rows, run_id: str) -> None:
    before = len(restic.snapshots(rows.tool()))
    Repository.objects.update(config_sha256=repositories.config_sha256(rows.backup.repository))
    stage(rows, run_id)
    group = scratch.kept(run_id, storing.AHEAD)
    assert group is not None
    take.clean_up(run_id)
    assert not command.group_alive(group)
    assert list(rows.folder.glob("locks/*")) == []
    assert len(restic.snapshots(rows.tool())) == before


def test_a_backup_that_somebody_gave_up_does_not_become_good(rows: Rows, run_id: str) -> None:
    backup_id = stage(rows, run_id)
    stored = take.store(run_id, backup_id)
    take.clean_up(run_id)
    with pytest.raises(Failed):
        take.finish(run_id, backup_id, stored)
    assert Backup.objects.get(pk=backup_id).state == BackupState.FAILED
    assert restic.snapshots(rows.tool(), tags=[f"set={run_id}"]) == []


def test_another_machine_that_takes_over_says_that_the_preparation_is_gone(rows: Rows, run_id: str) -> None:
    backup_id = stage(rows, run_id)
    shutil.rmtree(scratch.folder(run_id) / sets.FOLDER)
    with pytest.raises(Failed, match="start the backup again"):
        take.store(run_id, backup_id)


def refused(rows: Rows, run_id: str) -> str:
    """Try to take a backup; return why it is refused, after seeing that nothing was touched."""
    packs = sorted(rows.folder.glob("data/*/*"))
    with pytest.raises(Failed) as told:
        take_backup(rows.environment, run_id)
    take.clean_up(run_id)
    assert sorted(rows.folder.glob("data/*/*")) == packs
    assert rows.again().state == BackupState.GOOD
    assert not Backup.objects.exclude(pk=rows.backup.pk).filter(state=BackupState.GOOD).exists()
    return say(told.value.message)


def test_a_wrong_key_is_refused(rows: Rows, organisation: Organisation, run_id: str) -> None:
    secrets.store(organisation, "repository/local/key", "another password")
    assert "The key does not open the repository" in refused(rows, run_id)
    take.clean_up(run_id)
    assert [row.state for row in Backup.objects.exclude(pk=rows.backup.pk)] == [BackupState.FAILED]


def test_another_repository_at_the_same_place_is_refused(rows: Rows, run_id: str) -> None:
    """Even with the same key."""
    rows.folder.rename(rows.folder.with_name("away"))
    restic.init(rows.tool())
    assert "is another repository" in refused(rows, run_id)


def test_a_place_that_is_gone_is_refused(rows: Rows, run_id: str) -> None:
    rows.folder.rename(rows.folder.with_name("away"))
    with pytest.raises(Failed, match="no repository at its place"):
        take_backup(rows.environment, run_id)
    assert not rows.folder.exists()


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("port", 1, "database could not be used"),
        ("files", "/nowhere/files", "is not there"),
        ("database", "no_such_database", "database could not be used"),
        ("config", "/nowhere/trytond.conf", "The ERP could not be asked"),
    ],
)
def test_an_erp_that_cannot_be_read_is_refused(rows: Rows, run_id: str, setting: str, value: object, reason: str) -> None:
    rows.environment.settings[setting] = value
    rows.environment.save()
    assert reason in refused(rows, run_id)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can put a file there that nobody can read")
def test_a_file_that_cannot_be_read_makes_the_backup_fail(rows: Rows, company: Site, run_id: str) -> None:
    assert company.files is not None
    unreadable = company.files / "unreadable"
    unreadable.touch()
    command.run(["mount", "--bind", f"/proc/{os.getpid()}/mem", unreadable])
    try:
        with pytest.raises(Failed, match="Not everything could be read"):
            take_backup(rows.environment, run_id)
    finally:
        command.run(["umount", unreadable])
        unreadable.unlink()
    take.clean_up(run_id)
    assert restic.snapshots(rows.tool(), tags=[f"set={run_id}"]) == []
    assert list(Backup.objects.order_by("pk").values_list("state", flat=True)) == ["good", "failed"]


def test_a_disk_that_is_too_small_for_the_dump_is_refused_before_the_first_byte(rows: Rows, run_id: str, small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(8)
    scratch.path(run_id).symlink_to(disk)
    try:
        assert "is too small" in refused(rows, run_id)
        assert [entry.name for entry in disk.iterdir()] == ["run.json"]
    finally:
        scratch.path(run_id).unlink()


def test_a_repository_disk_that_fills_up_fails_loudly_and_spares_the_older_sets(
    company: Site, organisation: Organisation, run_id: str, small_disk: Callable[[int], Path]
) -> None:
    disk = small_disk(90)
    environment = kept_environment(company, organisation)
    repository = quick_repository(organisation, "small", disk / "repository")
    first = take_backup(environment, run_id)
    assert company.files is not None
    large = company.files / "large.bin"
    large.write_bytes(os.urandom(100 << 20))
    second = new_run(organisation)
    try:
        with pytest.raises(Failed) as told:
            take_backup(environment, second)
    finally:
        large.unlink()
        scratch.remove(second)
    take.clean_up(second)
    assert "No space is left" in say(told.value.message)
    tool = repositories.opened(repository)
    assert [snapshot.id for snapshot in restic.snapshots(tool)] == [first.snapshot]
    assert [(backup.pk, backup.state) for backup in Backup.objects.order_by("pk")] == [(first.pk, "good"), (first.pk + 1, "failed")]
    restic.check(tool, read="all")


def test_the_repository_of_another_organisation_cannot_be_named(rows: Rows, other_organisation: Organisation, run_id: str) -> None:
    rows.repository.organisation = other_organisation
    rows.repository.save()
    with pytest.raises(Failed, match="no such repository"):
        take.begin(run_id, choose.Wish(rows.environment.system_id, None, rows.repository.pk))
    assert Backup.objects.count() == 1


def test_no_secret_of_the_erp_or_the_repository_is_written_down(rows: Rows, frozen: Any) -> None:
    text = str(list(Backup.objects.values())) + str(list(Run.objects.values()))
    assert frozen.password not in text
    assert "admin-pass-1" not in text


def never() -> None:
    raise Failed("it was asked")


def test_a_failed_check_beside_the_work_stops_it(company: Site) -> None:
    began = time.monotonic()
    with pytest.raises(Failed, match="it was asked"), provided(never, after=0.1):
        command.run(["sleep", "60"])
    with (
        postgres.connect(company.server, company.database) as connection,
        pytest.raises(Failed, match="it was asked"),
        provided(never, after=0.1),
        command.stoppable(connection.cancel),
    ):
        connection.execute("SELECT pg_sleep(60)")
    assert time.monotonic() - began < 30


def test_short_work_is_not_checked_and_its_own_error_is_told() -> None:
    with provided(never, after=30):
        pass
    with pytest.raises(command.CommandFailed), provided(never, after=30):
        command.run(["false"])
