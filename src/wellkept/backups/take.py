"""Taking a backup: the database in a snapshot, every figure read in the same snapshot, the files after it, all stored as one set and checked.

The files are read after the database: a file that a row of the snapshot needs was there before the snapshot, so it is found; one that came later is
in the set without a row, which harms nothing. That every needed file is in the stored snapshot is checked all the same.
"""

import contextlib
import contextvars
import json
import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from django.db import connections
from django.utils.translation import gettext_noop

from wellkept import __version__
from wellkept.adapters.base import Discovery, FileReference, Site, Storage
from wellkept.backups import checks, choose, repositories, sets
from wellkept.backups.failures import told
from wellkept.backups.models import Backup, BackupState, Repository
from wellkept.estate import connect
from wellkept.estate.models import Environment
from wellkept.lib.crypt import WrongKey
from wellkept.lib.hashing import file_sha256, sha256
from wellkept.lib.text import message
from wellkept.operations import progress, scratch
from wellkept.operations.errors import Failed
from wellkept.operations.models import Run
from wellkept.planning.figures import Figure, to_json
from wellkept.tools import command, postgres, restic

MOST_JOBS = 4
SHORT_DUMP_SECONDS = 5.0
"""A dump that takes no longer, for the folder where the repository surely is, is made without asking whether its key opens it: asking (deriving a
key) takes half a second of a processor, and storing finds it out as well."""
MOST_MISSING = 5
T = TypeVar("T")


@dataclass(frozen=True)
class Readings:
    """What was read in the snapshot, beside the dump."""

    figures: list[Figure]
    as_json: str
    references: int
    at: str
    server_version: str
    dump: dict[str, Any]


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


def stage(run_id: str, backup_id: int) -> dict[str, Any]:
    """Dump the database and read the figures in one snapshot; write the manifest beside. Repeated, it starts from an empty folder.

    While a dump takes long, it is found out meanwhile that the repository answers to its key; when it does not, the dump is stopped.
    """
    backup = _backup(backup_id)
    folder = _fresh(run_id)
    repository = backup.repository
    with told(), _answering(repository):
        site = connect.site(backup.environment)
        storage: Storage = connect.ability(backup.environment, "storage").storage(site)
        settings = _copy_settings(storage, folder)
        with aside(lambda: connect.ability(backup.environment, "inspect").discover(site)) as discovered:
            readings = _read_and_dump(backup.environment, site, storage, folder)
            seen: Discovery = discovered.result()
        manifest = _manifest(backup, site, readings, seen)
        manifest["settings"] = settings
        manifest["files"] = _files(storage, seen)
        manifest["references"] = {"count": readings.references, "sha256": file_sha256(folder / sets.REFERENCES)}
        manifest["dump"] = readings.dump
        digest = sets.write(folder, manifest, readings.as_json)
    Backup.objects.filter(pk=backup_id, state=BackupState.MAKING).update(
        manifest=sets.brief(manifest, readings.figures, digest),
        snapshot_at=readings.at,
        version=seen.version_in_database or seen.version_on_disk or "",
    )
    progress.report(drivers={"bytes": manifest["dump"]["bytes"], "figures": len(readings.figures)})
    return {"sha256": digest, "figures": len(readings.figures), "references": readings.references, "bytes": manifest["dump"]["bytes"]}


def store(run_id: str, backup_id: int) -> dict[str, Any]:
    """Put the staged set and the ERP's files into the repository as one snapshot; returns what it took.

    ``missing`` names the first rows and parts of the set whose file did not get into the snapshot.
    """
    backup = _backup(backup_id)
    folder = scratch.folder(run_id)
    staged(folder)
    root = backup.manifest["files"].get("root")
    with told():
        tool = repositories.opened(backup.repository)
        if (folder / "storing").exists() or Run.objects.filter(pk=uuid.UUID(run_id), takeovers__gt=0).exists():
            forget_half(tool, run_id)
        (folder / "storing").touch()
        progress.milestone("store:begun")
        before = _held(backup.repository)
        done, missing = _stored(tool, backup, folder, root)
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
    folder = scratch.folder(run_id)
    staged(folder)
    with told():
        if restic.is_folder(backup.repository.location):
            found = sorted(path.name for path in (Path(backup.repository.location) / "snapshots").glob(f"{snapshot}*"))
            return {"missing": [] if found else [sets.MANIFEST], "snapshot": found[0] if found else snapshot}
        tool = repositories.opened(backup.repository)
        root = backup.manifest["files"].get("root")
        needed = _needed(folder, root)
        with aside(lambda: restic.read_text(tool, snapshot, f"/{sets.FOLDER}/{sets.MANIFEST}")) as manifest:
            progress.milestone("check-set:reading")
            full = restic.entries(tool, snapshot, lambda entry: needed.pop(entry.path, None))
            if sha256(manifest.result().encode()) != backup.manifest["sha256"]:
                needed[sets.MANIFEST] = sets.MANIFEST
    return {"missing": _missing(needed, root), "snapshot": full}


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
        forget_half(repositories.opened(half.repository), run_id)
    except (restic.ResticError, command.CommandError, WrongKey):
        # The next "forget" removes snapshots that no good backup stands for; a place that does not answer must not hide why the run failed.
        return


def forget_half(tool: restic.Repository, run_id: str) -> None:
    """Remove whatever snapshot an interrupted attempt of this run left.

    While somebody else holds the repository it waits for the next forgetting; where nothing may be removed it stays, on no list.
    """
    left = restic.snapshots(tool, tags=[f"set={run_id}"])
    if left:
        restic.unlock(tool)
        with contextlib.suppress(restic.Locked, restic.KeepsAll):
            restic.forget(tool, [snapshot.id for snapshot in left])


def staged(folder: Path) -> None:
    """A run that was taken over by another machine does not find its staging folder there."""
    if not (folder / sets.FOLDER / sets.MANIFEST).exists():
        raise Failed(message(gettext_noop("The machine that prepared this backup is gone with what it prepared; start the backup again")))


def _backup(backup_id: int) -> Backup:
    return Backup.objects.select_related("environment__system__organisation", "repository", "system").get(pk=backup_id)


def _fresh(run_id: str) -> Path:
    folder = scratch.folder(run_id) / sets.FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    (folder / sets.SETTINGS).mkdir(parents=True)
    folder.chmod(0o700)
    return folder


@contextlib.contextmanager
def aside(work: Callable[[], T]) -> Iterator[Future[T]]:
    """Do some work in another thread meanwhile. It belongs to the same step: stopping the step stops it too, and the block waits for it."""

    def do() -> T:
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(contextvars.copy_context().run, do)


def _answering(repository: Repository) -> AbstractContextManager[None]:
    tool = repositories.opened(repository)
    known = repository.config_sha256 != "" and repositories.config_sha256(repository) == repository.config_sha256
    return provided(lambda: checks.repository_answers(repository, tool), after=SHORT_DUMP_SECONDS if known else 0)


@contextlib.contextmanager
def provided(check: Callable[[], object], *, after: float) -> Iterator[None]:
    """Have something checked beside a block that takes longer than ``after`` seconds.

    When it fails, what the block runs is stopped, and the block ends with the error of the check.
    """
    over = threading.Event()
    with command.scope() as work, aside(lambda: over.wait(after) or check()) as checked:
        checked.add_done_callback(lambda done: work.stop() if done.exception() is not None else None)
        try:
            yield
        except (command.CommandStopped, psycopg.errors.QueryCanceled):
            if checked.done():
                checked.result()
            raise
        finally:
            over.set()
        checked.result()


def _read_and_dump(environment: Environment, site: Site, storage: Storage, folder: Path) -> Readings:
    server = _server(site)
    with postgres.snapshot(server, site.database) as (connection, snapshot_id), command.stoppable(connection.cancel):
        at = datetime.now(UTC).isoformat()
        # One processor for the figures: the others dump, and serve the ERP's users. Compiling the queries costs more than it saves.
        connection.execute("SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off")
        ability = connect.ability(environment, "figures")
        # Sequences move on outside of snapshots: read after the dump has passed them, they would be ahead of it.
        counted = ability.counters(connection)
        target = folder / sets.DUMP
        version = postgres.server_version(connection)
        with aside(lambda: _dump(server, site.database, target, snapshot_id, version)) as dumped:
            figures = ability.read(connection, storage.files, site.database, layout=storage.layout, counted=counted)
            progress.report(note=message(gettext_noop("{count} figures read; the database is being dumped"), count=len(figures)))
            keeper = connect.ability(environment, "storage")
            count = _write_references(keeper.references(connection, site.database, layout=storage.layout), folder / sets.REFERENCES)
            as_json = json.dumps(to_json(figures), ensure_ascii=False)
            described = dumped.result()
        progress.milestone("dump:dumped")
        return Readings(list(figures), as_json, count, at, connection.info.parameter_status("server_version") or "", described)


def _jobs() -> int:
    """How many tables are dumped at once: a processor is left for the figures."""
    return max(1, min(MOST_JOBS, (os.cpu_count() or 1) - 1))


def _server(site: Site) -> postgres.Server:
    if site.server is None:
        raise Failed(message(gettext_noop("The database of this ERP cannot be reached from here: its server and a login for reading are not known")))
    return site.server


def _write_references(references: Iterable[FileReference], target: Path) -> int:
    count = 0
    with target.open("w") as file:
        for reference in references:
            file.write(json.dumps({"path": reference.path, "owner": reference.owner}, ensure_ascii=False) + "\n")
            count += 1
    return count


def _copy_settings(storage: Storage, folder: Path) -> list[dict[str, str]]:
    """Copy the ERP's settings files, numbered so that equal names do not meet."""
    copied = []
    for number, path in enumerate(storage.settings, start=1):
        target = folder / sets.SETTINGS / f"{number}-{path.name}"
        try:
            shutil.copyfile(path, target)
        except (PermissionError, FileNotFoundError) as error:
            text = gettext_noop("The ERP's settings file {path} cannot be read ({reason}); without it the backup would not be whole")
            raise Failed(message(text, path=str(path), reason=error.strerror or "")) from error
        target.chmod(0o600)
        copied.append({"name": target.name, "path": str(path), "sha256": file_sha256(target)})
    return copied


def _manifest(backup: Backup, site: Site, readings: Readings, seen: Discovery) -> sets.Manifest:
    system = backup.system
    modules = [part for part in seen.components if part.kind == "module"]
    return {
        "format": sets.FORMAT,
        "wellkept": __version__,
        "run": str(backup.run_id),
        "system": {"id": system.pk, "name": system.name, "adapter": system.adapter, "organisation": backup.environment.system.organisation.slug},
        "environment": {"id": backup.environment_id, "kind": backup.environment.kind},
        "database": site.database,
        "database_bytes": seen.database_bytes,
        "versions": {"disk": seen.version_on_disk, "database": seen.version_in_database},
        "modules": {part.name: part.active or part.installed for part in modules},
        "postgresql": {"major": int(readings.server_version.split(".")[0]), "version": readings.server_version},
        "snapshot_at": readings.at,
    }


def _files(storage: Storage, seen: Discovery) -> dict[str, Any]:
    root = checks.readable_files(storage.files)
    return {"root": str(root) if root else None, "layout": dict(storage.layout), "count": seen.files_count, "bytes": seen.files_bytes}


def _dump(server: postgres.Server, database: str, target: Path, snapshot_id: str, version: int) -> dict[str, Any]:
    """Dump, and hash the files of the dump while they grow; returns the hash of each and their bytes together."""
    over = threading.Event()
    with aside(lambda: sets.growing_hashes(target, over)) as hashed:
        try:
            postgres.dump(server, database, target, version=version, snapshot_id=snapshot_id, jobs=_jobs(), sync=False)
        finally:
            over.set()
        return {"hashes": hashed.result(), "bytes": sum(path.stat().st_size for path in target.iterdir())}


def _held(repository: Repository) -> int | None:
    """What the data of a repository on this machine takes, in bytes; None for one elsewhere (restic 0.14 tells only sizes before compression)."""
    if not restic.is_folder(repository.location):
        return None
    data = Path(repository.location) / "data"
    return sum(pack.stat().st_size for folder in os.scandir(data) if folder.is_dir() for pack in os.scandir(folder)) if data.is_dir() else 0


def _stored(tool: restic.Repository, backup: Backup, folder: Path, root: str | None) -> tuple[restic.Summary, list[str]]:
    """Store it; once more when a file could not be read: one that went away while it was being listed is not there the second time."""
    paths = [sets.FOLDER, *([root] if root else [])]
    tags = [f"system={backup.system_id}", f"set={backup.run_id}"]
    parent = _parent(backup)

    def attempt() -> tuple[restic.Summary, list[str]]:
        needed = _needed(folder, root)
        done = restic.backup(
            tool, paths, cwd=folder, tags=tags, parent=parent, on_progress=_report_storing, on_item=lambda path: needed.pop(path, None)
        )
        return done, _missing(needed, root)

    try:
        return attempt()
    except restic.Incomplete:
        forget_half(tool, str(backup.run_id))
        return attempt()


def _parent(backup: Backup) -> str | None:
    earlier = Backup.objects.filter(environment=backup.environment_id, repository=backup.repository_id, state=BackupState.GOOD)
    return earlier.order_by("-made_at").values_list("snapshot", flat=True).first()


def _report_storing(done: restic.Progress) -> None:
    progress.report(fraction=done.fraction)


def _needed(folder: Path, root: str | None) -> dict[str, str]:
    """What the snapshot must hold: each path in it with the row that needs it, or with the part of the set that it is."""
    staging = folder / sets.FOLDER
    parts = [path.relative_to(staging) for path in staging.rglob("*") if path.is_file()]
    needed = {f"/{sets.FOLDER}/{part}": str(part) for part in parts}
    return needed | {f"{root or ''}/{reference['path']}": reference["owner"] for reference in sets.references(staging)}


def _missing(needed: dict[str, str], root: str | None) -> list[str]:
    """The first names of what was not seen in the snapshot."""
    left = (name for path, name in needed.items() if not (root and _linked(Path(path), Path(root))))
    return list(islice(left, MOST_MISSING))


def _linked(path: Path, root: Path) -> bool:
    """Whether a path leads through a link to a file that is itself in the folder, and therefore in the snapshot."""
    real = path.resolve()
    return real != path and real.is_relative_to(root) and real.is_file()
