import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.services.sets import Rows, take_backup
from wellkept.backups import sets, verify
from wellkept.backups.models import Backup, BackupState
from wellkept.lib.text import say
from wellkept.operations.errors import Failed
from wellkept.operations.models import Record
from wellkept.tools import restic


def packs(rows: Rows) -> list[Path]:
    return sorted(rows.folder.glob("data/*/*"), key=lambda pack: pack.stat().st_size)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 100)


def verified(rows: Rows, run_id: str, *, whole: bool) -> str | None:
    """Every step of verifying; returns the damage that was found."""
    found = verify.check_repository(rows.backup.pk, whole=whole)["damage"]
    if found is None:
        read = verify.read_back(run_id, rows.backup.pk) if whole else verify.read_tree(rows.backup.pk)
        found = read["damage"]
    verify.finish(run_id, rows.backup.pk, found, whole=whole)
    return say(found) if found is not None else None


@pytest.mark.parametrize("whole", [False, True])
def test_a_good_backup_stays_good(rows: Rows, run_id: str, whole: bool) -> None:
    assert verified(rows, run_id, whole=whole) is None
    assert rows.again().state == BackupState.GOOD
    assert rows.backup.verified_at is not None
    assert rows.backup.problem is None


@pytest.mark.parametrize(("damage", "whole"), [(flip, True), (truncate, False), (Path.unlink, False)])
def test_damage_breaks_the_backup_and_deletes_nothing(rows: Rows, run_id: str, damage: Callable[[Path], None], whole: bool) -> None:
    damage(packs(rows)[-1])
    before = sorted(rows.folder.rglob("*"))
    reason = verified(rows, run_id, whole=whole)
    assert reason
    assert rows.again().state == BackupState.BROKEN
    assert reason in say(rows.backup.problem)
    assert {path for path in rows.folder.rglob("*") if "locks" not in path.parts} == {path for path in before if "locks" not in path.parts}
    assert list(Record.objects.values_list("kind", flat=True)) == ["backup.broken"]


def test_a_broken_mark_is_recorded_once(rows: Rows, run_id: str) -> None:
    truncate(packs(rows)[-1])
    verified(rows, run_id, whole=False)
    verified(rows, run_id, whole=False)
    assert Record.objects.count() == 1


def test_only_reading_it_whole_makes_a_broken_backup_good_again(rows: Rows, run_id: str) -> None:
    pack = packs(rows)[-1]
    content = pack.read_bytes()
    flip(pack)
    verified(rows, run_id, whole=True)
    pack.write_bytes(content)
    verified(rows, run_id, whole=False)
    assert rows.again().state == BackupState.BROKEN
    verified(rows, run_id, whole=True)
    assert rows.again().state == BackupState.GOOD
    assert rows.backup.problem is None


def test_a_set_that_is_not_the_one_that_was_made_is_broken(rows: Rows, run_id: str) -> None:
    """A snapshot that restic finds intact, with another content than was noted when the set was made."""
    second = take_backup(rows.environment, run_id)
    Backup.objects.filter(pk=rows.backup.pk).update(snapshot=second.snapshot)
    assert "manifest" in str(verified(rows, run_id, whole=False))
    assert rows.again().state == BackupState.BROKEN


@pytest.mark.parametrize("name", [f"{sets.SETTINGS}/1-trytond.conf", sets.REFERENCES, f"{sets.DUMP}/toc.dat"])
def test_every_part_of_a_set_is_hashed(rows: Rows, tmp_path: Path, name: str) -> None:
    restic.restore(rows.tool(), rows.backup.snapshot, tmp_path / "back", include=[f"/{sets.FOLDER}"])
    manifest = sets.load(tmp_path / "back")
    sets.check_hashes(tmp_path / "back", manifest)
    part = tmp_path / "back" / sets.FOLDER / name
    part.chmod(0o600)
    flip(part)
    with pytest.raises(sets.SetError, match=part.name):
        sets.check_hashes(tmp_path / "back", manifest)
    part.unlink()
    with pytest.raises(sets.SetError, match="missing"):
        sets.check_hashes(tmp_path / "back", manifest)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "not readable"), ("[]", "a format"), ('{"format": 2}', "a format"), ('{"format": 1, "system": {}}', "says nothing about")],
)
def test_a_manifest_that_makes_no_sense_is_refused(text: str, reason: str) -> None:
    with pytest.raises(sets.SetError, match=reason):
        sets.parse(text)


@pytest.mark.parametrize("state", [BackupState.MAKING, BackupState.FAILED, BackupState.FORGOTTEN])
def test_a_backup_that_does_not_exist_any_more_is_refused(rows: Rows, state: str) -> None:
    Backup.objects.filter(pk=rows.backup.pk).update(state=state)
    with pytest.raises(Failed):
        verify.check_repository(rows.backup.pk, whole=False)
