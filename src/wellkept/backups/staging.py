"""Staging a set: the database in a snapshot, every figure read in the same snapshot, then the manifest that seals what is there.

Sealing needs the snapshot no more, so it is done while the repository is being opened to store the set.
"""

import json
import os
import shutil
import threading
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.utils.translation import gettext_noop

from wellkept import __version__
from wellkept.adapters.base import Discovery, FileReference, Site, Storage
from wellkept.backups import checks, repositories, sets
from wellkept.backups.failures import told
from wellkept.backups.models import Backup, Repository
from wellkept.estate import connect
from wellkept.estate.models import Environment
from wellkept.lib.hashing import file_sha256
from wellkept.lib.text import message
from wellkept.operations import progress, scratch
from wellkept.operations.beside import aside, provided
from wellkept.operations.errors import Failed
from wellkept.planning.figures import to_json
from wellkept.tools import command, postgres

MOST_JOBS = 4
SHORT_DUMP_SECONDS = 5.0
"""A dump that takes no longer leaves work for the time in which the repository is opened, where a processor is free: hashing it, and, for the
folder where the repository surely is, finding out whether its key opens it."""
READING, FIGURES = "reading.json", "figures.json"


@dataclass(frozen=True)
class Read:
    """What was read in the snapshot, beside the dump: the figures as JSON, how many there are with how many values, and of how many files."""

    figures: str
    counts: dict[str, int]
    references: int
    at: str
    server_version: str
    dump: dict[str, Any]


def stage(run_id: str, backup_id: int) -> dict[str, Any]:
    """Dump the database and read the figures in one snapshot. Repeated, it starts from an empty folder.

    While a dump takes long, it is found out meanwhile that the repository answers to its key; when it does not, the dump is stopped.
    """
    backup = _backup(backup_id)
    place, folder = scratch.folder(run_id), _fresh(run_id)
    with told(), _answering(backup.repository):
        site = connect.site(backup.environment)
        storage: Storage = connect.ability(backup.environment, "storage").storage(site)
        settings = _copy_settings(storage, folder)
        read = _read_and_dump(backup.environment, site, storage, folder)
        root = checks.readable_files(storage.files)
        reading = {
            "snapshot_at": read.at,
            "postgresql": {"major": int(read.server_version.split(".")[0]), "version": read.server_version},
            "figures": read.counts,
            "settings": settings,
            "files": {"root": str(root) if root else None, "layout": dict(storage.layout)},
            "references": {"count": read.references, "sha256": file_sha256(folder / sets.REFERENCES)},
            "dump": read.dump,
        }
        (place / FIGURES).write_text(read.figures)
        (place / READING).write_text(json.dumps(reading))
    progress.report(drivers={"bytes": read.dump["bytes"], "figures": read.counts["count"]})
    return {"figures": read.counts["count"], "references": read.references, "bytes": read.dump["bytes"]}


def reading(run_id: str) -> dict[str, Any]:
    """What was read when this run staged its set. Raises Failed after a takeover by another machine, which has no such folder."""
    place = scratch.folder(run_id)
    if not ((place / READING).exists() and (place / sets.FOLDER).is_dir()):
        raise Failed(message(gettext_noop("The machine that prepared this backup is gone with what it prepared; start the backup again")))
    return dict(json.loads((place / READING).read_text()))


def seal(backup: Backup, site: Site) -> dict[str, Any]:
    """Write the manifest of the staged set, and return what it says of the set as fields of the backup. It asks nothing of our own database."""
    place = scratch.folder(str(backup.run_id))
    folder = place / sets.FOLDER
    with told():
        known = reading(str(backup.run_id))
        with aside(lambda: connect.ability(backup.environment, "inspect").discover(site)) as discovered:
            hashes = known["dump"]["hashes"] or sets.hashes(folder / sets.DUMP)
            seen: Discovery = discovered.result()
        manifest = {
            **_described(backup, site, seen),
            **{name: known[name] for name in ("snapshot_at", "postgresql", "settings", "references")},
            "files": {**known["files"], "count": seen.files_count, "bytes": seen.files_bytes},
            "dump": {"hashes": hashes, "bytes": known["dump"]["bytes"]},
        }
        digest = sets.write(folder, manifest, (place / FIGURES).read_text())
    return {
        "manifest": sets.brief(manifest, known["figures"], digest),
        "snapshot_at": known["snapshot_at"],
        "version": seen.version_in_database or seen.version_on_disk or "",
    }


def _backup(backup_id: int) -> Backup:
    return Backup.objects.select_related("environment__system__organisation", "repository", "system").get(pk=backup_id)


def _fresh(run_id: str) -> Path:
    place = scratch.folder(run_id)
    (place / READING).unlink(missing_ok=True)
    folder = place / sets.FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    (folder / sets.SETTINGS).mkdir(parents=True)
    folder.chmod(0o700)
    return folder


def _answering(repository: Repository) -> AbstractContextManager[None]:
    tool = repositories.opened(repository)
    known = repository.config_sha256 != "" and repositories.config_sha256(repository) == repository.config_sha256
    return provided(lambda: checks.repository_answers(repository, tool), after=SHORT_DUMP_SECONDS if known else 0)


def _read_and_dump(environment: Environment, site: Site, storage: Storage, folder: Path) -> Read:
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
        counts = {"count": len(figures), "values": sum(len(figure.values) for figure in figures)}
        return Read(as_json, counts, count, at, connection.info.parameter_status("server_version") or "", described)


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


def _described(backup: Backup, site: Site, seen: Discovery) -> sets.Manifest:
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
    }


def _dump(server: postgres.Server, database: str, target: Path, snapshot_id: str, version: int) -> dict[str, Any]:
    """Dump, and hash the files of a long dump while they grow; returns the hash of each (None after a short dump) and their bytes together."""
    over = threading.Event()
    with aside(lambda: None if over.wait(SHORT_DUMP_SECONDS) else sets.growing_hashes(target, over)) as hashed:
        try:
            postgres.dump(server, database, target, version=version, snapshot_id=snapshot_id, jobs=_jobs(), sync=False)
        finally:
            over.set()
        return {"hashes": hashed.result(), "bytes": sum(path.stat().st_size for path in target.iterdir())}
