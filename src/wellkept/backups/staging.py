"""Staging a set: the database in a snapshot, every figure read in the same snapshot, and the manifest that seals what is there."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.utils.translation import gettext_noop

from wellkept import __version__
from wellkept.adapters.base import Discovery, FileReference, Site, Storage
from wellkept.backups import checks, repositories, sets, storing
from wellkept.backups.failures import told
from wellkept.backups.models import Backup, BackupState, Repository
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
"""A dump that takes no longer, for the folder where the repository surely is, is made without asking whether its key opens it: asking (deriving a
key) takes half a second of a processor, and storing finds it out as well."""
SOON_SECONDS = 30.0
"""When the figures are read so soon, the dump ends soon, too, and the repository is opened meanwhile. In a longer one that would save nothing, and
others would be kept from tidying the repository up."""


@dataclass(frozen=True)
class Read:
    """What was read in the snapshot (the figures as JSON), and what was seen of the ERP and of the dump (each file's hash, all bytes) beside."""

    figures: str
    counts: dict[str, int]
    references: int
    at: str
    server_version: str
    seen: Discovery
    hashes: dict[str, str]
    bytes: int


def stage(run_id: str, backup_id: int) -> dict[str, Any]:
    """Dump the database and read the figures in one snapshot; write the manifest beside. Repeated, it starts from an empty folder.

    While a dump takes long, it is found out meanwhile that the repository answers to its key; when it does not, the dump is stopped.
    """
    backup = _backup(backup_id)
    tool = repositories.opened(backup.repository)
    known = _known(backup.repository)
    with told():
        storing.give_up(tool, run_id)
    folder = _fresh(run_id)
    with told(), provided(lambda: checks.repository_answers(backup.repository, tool), after=SHORT_DUMP_SECONDS if known else 0):
        site = connect.site(backup.environment)
        storage: Storage = connect.ability(backup.environment, "storage").storage(site)
        settings = _copy_settings(storage, folder)
        files = checks.readable_files(storage.files)
        root = str(files) if files else None
        read = _read_and_dump(backup.environment, site, storage, folder, soon=lambda: storing.begin(tool, backup, root) if known else None)
        manifest = _described(backup, site, read)
        manifest["settings"] = settings
        manifest["files"] = {"root": root, "layout": dict(storage.layout), "count": read.seen.files_count, "bytes": read.seen.files_bytes}
        manifest["references"] = {"count": read.references, "sha256": file_sha256(folder / sets.REFERENCES)}
        digest = sets.write(folder, manifest, read.figures)
    Backup.objects.filter(pk=backup_id, state=BackupState.MAKING).update(
        manifest=sets.brief(manifest, read.counts, digest),
        snapshot_at=read.at,
        version=read.seen.version_in_database or read.seen.version_on_disk or "",
    )
    progress.report(drivers={"bytes": read.bytes, "figures": read.counts["count"]})
    return {"figures": read.counts["count"], "references": read.references, "bytes": read.bytes}


def staged(run_id: str) -> Path:
    """The folder in which this run staged its set. Raises Failed after a takeover by another machine, which has no such folder."""
    folder = scratch.folder(run_id)
    if not (folder / sets.FOLDER / sets.MANIFEST).exists():
        raise Failed(message(gettext_noop("The machine that prepared this backup is gone with what it prepared; start the backup again")))
    return folder


def _backup(backup_id: int) -> Backup:
    return Backup.objects.select_related("environment__system__organisation", "repository", "system").get(pk=backup_id)


def _fresh(run_id: str) -> Path:
    folder = scratch.folder(run_id) / sets.FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    (folder / sets.SETTINGS).mkdir(parents=True)
    folder.chmod(0o700)
    return folder


def _known(repository: Repository) -> bool:
    """Whether the repository is surely in its folder of this machine."""
    return repository.config_sha256 != "" and repositories.config_sha256(repository) == repository.config_sha256


def _read_and_dump(environment: Environment, site: Site, storage: Storage, folder: Path, *, soon: Callable[[], object]) -> Read:
    """Dump and read in one snapshot; ``soon`` is called when the end of the dump is near."""
    server, began = _server(site), time.monotonic()
    with postgres.snapshot(server, site.database) as (connection, snapshot_id), command.stoppable(connection.cancel):
        at = datetime.now(UTC).isoformat()
        # One processor for the figures: the others dump, and serve the ERP's users. Compiling the queries costs more than it saves.
        connection.execute("SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off")
        ability = connect.ability(environment, "figures")
        # Sequences move on outside of snapshots: read after the dump has passed them, they would be ahead of it.
        counted = ability.counters(connection)
        target = folder / sets.DUMP
        version = postgres.server_version(connection)
        with aside(lambda: postgres.dump(server, site.database, target, version=version, snapshot_id=snapshot_id, jobs=_jobs(), sync=False)) as dump:
            figures = ability.read(connection, storage.files, site.database, layout=storage.layout, counted=counted)
            progress.report(note=message(gettext_noop("{count} figures read; the database is being dumped"), count=len(figures)))
            if time.monotonic() - began < SOON_SECONDS:
                soon()
            # The processor that read the figures is free while the rest is dumped.
            with aside(lambda: sets.growing_hashes(target, dump)) as hashed:
                keeper = connect.ability(environment, "storage")
                count = _write_references(keeper.references(connection, site.database, layout=storage.layout), folder / sets.REFERENCES)
                as_json = json.dumps(to_json(figures), ensure_ascii=False)
                seen: Discovery = connect.ability(environment, "inspect").discover(site)
            hashes = hashed.result()
        progress.milestone("dump:dumped")
        size = sum(path.stat().st_size for path in target.iterdir())
        counts = {"count": len(figures), "values": sum(len(figure.values) for figure in figures)}
        return Read(as_json, counts, count, at, connection.info.parameter_status("server_version") or "", seen, hashes, size)


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


def _described(backup: Backup, site: Site, read: Read) -> sets.Manifest:
    system = backup.system
    modules = [part for part in read.seen.components if part.kind == "module"]
    return {
        "format": sets.FORMAT,
        "wellkept": __version__,
        "run": str(backup.run_id),
        "system": {"id": system.pk, "name": system.name, "adapter": system.adapter, "organisation": backup.environment.system.organisation.slug},
        "environment": {"id": backup.environment_id, "kind": backup.environment.kind},
        "database": site.database,
        "database_bytes": read.seen.database_bytes,
        "versions": {"disk": read.seen.version_on_disk, "database": read.seen.version_in_database},
        "modules": {part.name: part.active or part.installed for part in modules},
        "snapshot_at": read.at,
        "postgresql": {"major": int(read.server_version.split(".")[0]), "version": read.server_version},
        "dump": {"hashes": read.hashes, "bytes": read.bytes},
    }
