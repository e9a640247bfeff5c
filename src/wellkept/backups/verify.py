"""Verifying a backup: the repository's structure and content, and on request the whole set read back and hashed again."""

import uuid
from pathlib import Path
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.backups import checks, repositories, sets
from wellkept.backups.failures import told
from wellkept.backups.models import Backup, BackupState
from wellkept.lib.hashing import sha256
from wellkept.lib.text import Message, message, reason, say
from wellkept.operations import progress, records, scratch
from wellkept.operations.errors import Failed
from wellkept.tools import restic

SAMPLE = "5%"
VERIFIABLE = (BackupState.GOOD, BackupState.BROKEN)


def check_repository(backup_id: int, *, whole: bool) -> dict[str, Any]:
    """Check the structure of the repository and read a part (or all) of its content. Damage is told, not raised: ``{"damage": sentence or null}``."""
    backup = verifiable(backup_id)
    with told():
        tool = repositories.opened(backup.repository)
        checks.repository_answers(backup.repository, tool)
        try:
            restic.check(tool, read="all" if whole else SAMPLE)
        except restic.Damaged as error:
            return {"damage": reason(error)}
    return {"damage": None}


def read_back(run_id: str, backup_id: int) -> dict[str, Any]:
    """Restore the whole set into the scratch folder and compare every hash and every file reference. Damage is told, not raised."""
    backup = verifiable(backup_id)
    target = scratch.folder(run_id) / "read-back"
    checks.room(target, checks.to_restore(backup.bytes or 0, backup.manifest, with_database=False))
    with told():
        try:
            count = restored_and_hashed(repositories.opened(backup.repository), backup, target)
        except (restic.Damaged, sets.SetError) as error:
            return {"damage": reason(error), "files": 0}
    progress.report(drivers={"bytes": backup.bytes or 0})
    return {"damage": None, "files": count}


def read_tree(backup_id: int) -> dict[str, Any]:
    """Read the tree and the manifest of the set from the repository, without its content. Damage is told, not raised."""
    backup = verifiable(backup_id)
    count = 0

    def tick(entry: restic.Entry) -> None:
        nonlocal count
        count += entry.kind == "file"

    with told():
        tool = repositories.opened(backup.repository)
        try:
            restic.entries(tool, backup.snapshot, tick)
            digest = sha256(restic.read_text(tool, backup.snapshot, f"/{sets.FOLDER}/{sets.MANIFEST}").encode())
        except restic.Damaged as error:
            return {"damage": reason(error), "files": 0}
    if digest != backup.manifest.get("sha256"):
        return {"damage": message(sets.OTHER_MANIFEST), "files": count}
    return {"damage": None, "files": count}


def restored_and_hashed(tool: restic.Repository, backup: Backup, target: Path) -> int:
    """Restore a set under ``target`` and check its hashes and file references; returns the number of hashes. Raises Damaged or SetError."""
    restic.restore(tool, backup.snapshot, target)
    manifest = sets.load(target, backup.manifest.get("sha256"))
    belongs(manifest, backup)
    count = sets.check_hashes(target, manifest)
    return count + sets.check_files(target, manifest)


def belongs(manifest: sets.Manifest, backup: Backup) -> None:
    """Refuse a set of another system. Raises SetError."""
    system = manifest["system"]
    if system.get("id") != backup.system_id or system.get("adapter") != backup.system.adapter:
        raise sets.SetError(gettext_noop("it is a set of the system {other}, not of {name}"), other=system.get("name"), name=backup.system.name)


def finish(run_id: str, backup_id: int, damage: Message | str | None, *, whole: bool) -> dict[str, Any]:
    """Note the result: a damaged set no longer counts; one that was read back whole counts again."""
    backup = verifiable(backup_id)
    if damage is not None:
        break_(backup, message(gettext_noop("Verifying it failed: {reason}"), reason=damage), run_id)
        return {"backup_id": backup_id, "ok": False, "damage": say(damage)}
    states = {"state": BackupState.GOOD, "problem": None} if whole or backup.state == BackupState.GOOD else {}
    Backup.objects.filter(pk=backup_id, state=backup.state).update(verified_at=timezone.now(), **states)
    return {"backup_id": backup_id, "ok": True, "damage": None}


def break_(backup: Backup, problem: Message, run_id: str) -> None:
    """Mark a set as broken, with the reason, and record it once; nothing is deleted."""
    changed = Backup.objects.filter(pk=backup.pk, state__in=VERIFIABLE).exclude(problem=problem).update(state=BackupState.BROKEN, problem=problem)
    if changed:
        data = {"backup": backup.pk, "snapshot": backup.snapshot}
        records.append(
            backup.organisation,
            "backup.broken",
            problem,
            actor="wellkept",
            maintenance_type="corrective",
            system=backup.system,
            run_id=uuid.UUID(run_id) if run_id else None,
            data=data,
        )


def verifiable(backup_id: int) -> Backup:
    """The backup, when it is one that can be read. Raises Failed otherwise."""
    backup = Backup.objects.select_related("repository", "system", "organisation").get(pk=backup_id)
    if backup.state not in VERIFIABLE:
        raise Failed(message(gettext_noop("Backup {number} is not there to be read: it is {state}"), number=backup.pk, state=str(backup.state)))
    return backup
