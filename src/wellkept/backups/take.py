"""Taking a backup: the database in a snapshot, every figure read in the same snapshot, the files after it, all stored as one set and checked.

The files are read after the database: a file that a row of the snapshot needs was there before the snapshot, so it is found; one that came later is
in the set without a row, which harms nothing. That every needed file is in the stored snapshot is checked all the same.
"""

import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.utils.translation import gettext_noop

from wellkept.backups import checks, choose, repositories, sets, staging, storing
from wellkept.backups.failures import told
from wellkept.backups.models import Backup, BackupState, Repository
from wellkept.lib.crypt import WrongKey
from wellkept.lib.hashing import sha256
from wellkept.lib.text import message
from wellkept.operations import progress, scratch
from wellkept.operations.beside import aside
from wellkept.operations.errors import Failed
from wellkept.operations.models import Run
from wellkept.tools import command, restic


def begin(run_id: str, wish: choose.Wish) -> dict[str, Any]:
    """Check everything a backup needs, then note that it is being made. Repeated, it finds its own note again."""
    environment, repository = choose.place(wish)
    facts = checks.before_take(environment, repository, scratch.folder(run_id))
    backup, _made = Backup.objects.get_or_create(
        run_id=uuid.UUID(run_id),
        defaults={
            "organisation_id": environment.system.organisation_id,
            "system": environment.system,
            "environment": environment,
            "repository": repository,
            "version": environment.version,
        },
    )
    progress.report(drivers={"bytes": facts["database_bytes"]})
    return {**facts, "backup_id": backup.pk}


def store(run_id: str, backup_id: int) -> dict[str, Any]:
    """Put the staged set and the ERP's files into the repository as one snapshot; returns what it took.

    ``missing`` names the first rows and parts of the set whose file did not get into the snapshot.
    """
    backup = _backup(backup_id)
    folder = staging.staged(run_id)
    root = backup.manifest["files"].get("root")
    with told():
        tool = repositories.opened(backup.repository)
        if (folder / "storing").exists() or Run.objects.filter(pk=uuid.UUID(run_id), takeovers__gt=0).exists():
            storing.give_up(tool, run_id)
            storing.forget_half(tool, run_id)
        (folder / "storing").touch()
        progress.milestone("store:begun")
        before = _held(backup.repository)
        done, missing = storing.stored(tool, backup, root)
    progress.milestone("store:stored")
    progress.report(drivers={"bytes": done.bytes, "added": done.added, "files": done.files})
    after = _held(backup.repository)
    added = max(after - before, 0) if before is not None and after is not None else done.added
    return {
        "snapshot": done.snapshot,
        "files": done.files,
        "bytes": done.bytes,
        "stored_bytes": added,
        "seconds": done.seconds,
        "missing": missing,
    }


def check_set(run_id: str, backup_id: int, snapshot: str) -> dict[str, Any]:
    """Find the snapshot where it is kept, and read its tree and its manifest back from a place elsewhere.

    A folder of this machine would be read back out of its memory, which proves nothing: that is left to verifying and to drills. Whatever is
    missing is returned by the name of its row, with the snapshot's full id.
    """
    backup = _backup(backup_id)
    folder = staging.staged(run_id)
    with told():
        if restic.is_folder(backup.repository.location):
            found = sorted(path.name for path in (Path(backup.repository.location) / "snapshots").glob(f"{snapshot}*"))
            return {"missing": [] if found else [sets.MANIFEST], "snapshot": found[0] if found else snapshot}
        tool = repositories.opened(backup.repository)
        root = backup.manifest["files"].get("root")
        needed = storing.needed(folder, root)
        with aside(lambda: restic.read_text(tool, snapshot, f"/{sets.FOLDER}/{sets.MANIFEST}")) as manifest:
            progress.milestone("check-set:reading")
            full = restic.entries(tool, snapshot, lambda entry: needed.pop(entry.path, None))
            if sha256(manifest.result().encode()) != backup.manifest["sha256"]:
                needed[sets.MANIFEST] = sets.MANIFEST
    return {"missing": storing.missing(needed, root), "snapshot": full}


def finish(run_id: str, backup_id: int, stored: dict[str, Any]) -> dict[str, Any]:
    """Make the set count, as the last thing: only a backup that is still being made by this run becomes good."""
    run = Run.objects.filter(pk=uuid.UUID(run_id)).first()
    backup = _backup(backup_id)
    began = run.started_at if run is not None and run.started_at is not None else backup.made_at
    changed = Backup.objects.filter(pk=backup_id, run_id=uuid.UUID(run_id), state=BackupState.MAKING).update(
        state=BackupState.GOOD,
        snapshot=stored["snapshot"],
        seconds=(datetime.now(UTC) - began).total_seconds(),
        bytes=stored["bytes"],
        stored_bytes=stored["stored_bytes"],
        files=stored["files"],
    )
    if changed != 1 and not Backup.objects.filter(pk=backup_id, state=BackupState.GOOD, snapshot=stored["snapshot"]).exists():
        raise Failed(message(gettext_noop("The backup was given up by somebody else while it was made")))
    return {"backup_id": backup_id, **stored}


def clean_up(run_id: str) -> None:
    """At the end of every run: a set that did not become good counts as failed, and its half snapshot is removed where that can be done now."""
    half = Backup.objects.filter(run_id=uuid.UUID(run_id), state=BackupState.MAKING).select_related("repository").first()
    if half is None:
        return
    Backup.objects.filter(pk=half.pk, state=BackupState.MAKING).update(state=BackupState.FAILED)
    try:
        tool = repositories.opened(half.repository)
        storing.give_up(tool, run_id)
        storing.forget_half(tool, run_id)
    except (restic.ResticError, command.CommandError, WrongKey):
        # The next "forget" removes snapshots that no good backup stands for; a place that does not answer must not hide why the run failed.
        return


def _backup(backup_id: int) -> Backup:
    return Backup.objects.select_related("environment__system__organisation", "repository", "system").get(pk=backup_id)


def _held(repository: Repository) -> int | None:
    """What the data of a repository on this machine takes, in bytes; None for one elsewhere (restic 0.14 tells only sizes before compression)."""
    if not restic.is_folder(repository.location):
        return None
    data = Path(repository.location) / "data"
    return sum(pack.stat().st_size for folder in os.scandir(data) if folder.is_dir() for pack in os.scandir(folder)) if data.is_dir() else 0
