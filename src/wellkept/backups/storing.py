"""Storing a set with the ERP's files as one snapshot of a repository, and seeing that everything needed is in it.

restic derives the repository's key for half a second of one processor before it does anything. In a folder of this machine it begins while the set
is still being dumped, and waits.
"""

import contextlib
from itertools import islice
from pathlib import Path

from wellkept.backups import sets
from wellkept.backups.models import Backup, BackupState
from wellkept.operations import progress, scratch
from wellkept.tools import restic

AHEAD = "storing"
MOST_MISSING = 5


def begin(tool: restic.Repository, backup: Backup, root: str | None) -> None:
    """Begin to store the set of this run, whose folder is there, before it is whole."""
    run_id = str(backup.run_id)
    paths, tags = _what(backup, root)
    group = restic.begin_backup(tool, paths, place=scratch.folder(run_id), tags=tags, parent=_parent(backup))
    scratch.keep(run_id, AHEAD, group)


def give_up(tool: restic.Repository, run_id: str) -> None:
    """End what was begun, if it is still there."""
    group = scratch.kept(run_id, AHEAD)
    if group is not None:
        restic.give_up(tool, group)


def stored(tool: restic.Repository, backup: Backup, root: str | None) -> tuple[restic.Summary, list[str]]:
    """Store the set; once more when a file could not be read: one that went away while it was being listed is not there the second time."""
    run_id = str(backup.run_id)
    group = scratch.kept(run_id, AHEAD)
    try:
        return _attempt(tool, backup, root, group)
    except restic.Incomplete:
        forget_half(tool, run_id)
        return _attempt(tool, backup, root, None)


def _attempt(tool: restic.Repository, backup: Backup, root: str | None, group: int | None) -> tuple[restic.Summary, list[str]]:
    folder = scratch.folder(str(backup.run_id))
    wanted = needed(folder, root)

    def seen(path: str) -> None:
        wanted.pop(path, None)

    if group is not None:
        done = restic.end_backup(tool, group, place=folder, on_progress=_report, on_item=seen)
    else:
        paths, tags = _what(backup, root)
        done = restic.backup(tool, paths, cwd=folder, tags=tags, parent=_parent(backup), on_progress=_report, on_item=seen)
    return done, missing(wanted, root)


def forget_half(tool: restic.Repository, run_id: str) -> None:
    """Remove whatever snapshot an interrupted attempt of this run left.

    While somebody else holds the repository it waits for the next forgetting; where nothing may be removed it stays, on no list.
    """
    left = restic.snapshots(tool, tags=[f"set={run_id}"])
    if left:
        restic.unlock(tool)
        with contextlib.suppress(restic.Locked, restic.KeepsAll):
            restic.forget(tool, [snapshot.id for snapshot in left])


def _what(backup: Backup, root: str | None) -> tuple[list[str], list[str]]:
    """The paths of a set, and the tags of its snapshot."""
    return [sets.FOLDER, *([root] if root else [])], [f"system={backup.system_id}", f"set={backup.run_id}"]


def _parent(backup: Backup) -> str | None:
    earlier = Backup.objects.filter(environment=backup.environment_id, repository=backup.repository_id, state=BackupState.GOOD)
    return earlier.order_by("-made_at").values_list("snapshot", flat=True).first()


def _report(done: restic.Progress) -> None:
    progress.report(fraction=done.fraction)


def needed(folder: Path, root: str | None) -> dict[str, str]:
    """What the snapshot must hold: each path in it with the row that needs it, or with the part of the set that it is."""
    staging = folder / sets.FOLDER
    parts = [path.relative_to(staging) for path in staging.rglob("*") if path.is_file()]
    of_set = {f"/{sets.FOLDER}/{part}": str(part) for part in parts}
    return of_set | {f"{root or ''}/{reference['path']}": reference["owner"] for reference in sets.references(staging)}


def missing(wanted: dict[str, str], root: str | None) -> list[str]:
    """The first names of what was not seen in the snapshot."""
    left = (name for path, name in wanted.items() if not (root and _linked(Path(path), Path(root))))
    return list(islice(left, MOST_MISSING))


def _linked(path: Path, root: Path) -> bool:
    """Whether a path leads through a link to a file that is itself in the folder, and therefore in the snapshot."""
    real = path.resolve()
    return real != path and real.is_relative_to(root) and real.is_file()
