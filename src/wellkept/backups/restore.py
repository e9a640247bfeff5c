"""Restoring a set for real: into an empty folder and a new database, never over anything that exists.

Until the restore is complete a marker in the folder says which run owns what is in it: a run that fails takes exactly that away again.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_noop

from wellkept.adapters.base import Site
from wellkept.backups import checks, repositories, sets, verify
from wellkept.backups.failures import told
from wellkept.backups.models import Backup
from wellkept.estate import connect
from wellkept.estate.models import Environment, Organisation
from wellkept.lib.text import message
from wellkept.lib.urls import parse_postgresql_url
from wellkept.operations import progress, queries
from wellkept.operations.errors import Failed
from wellkept.planning import figures
from wellkept.planning.forecast import Forecast, Phase, remaining
from wellkept.tools import command, postgres

MARKER = ".wellkept-restore.json"
JOBS = 2
LOCAL = ("/", "127.0.0.1", "localhost", "::1")
Wish = Mapping[str, Any]
FILES, DATABASE = ("check", "files", "finish"), ("database", "figures")
LIKE = {"check": "open", "files": "restore", "database": "database", "figures": "figures", "finish": "certificate"}
"""Which step of a drill does what a step of a restore does: drills teach how long a restore takes before there was one."""


def places(organisation: Organisation) -> list[Path]:
    """The folders of an organisation below which its backups may be restored from a page; WELLKEPT_RESTORE_FOLDERS says where they are."""
    return [Path(place) / organisation.slug for place in settings.RESTORE_FOLDERS]


def expected(backup: Backup, *, database: bool) -> Forecast | None:
    """How long a restore should take, in seconds, from earlier restores and drills of the same environment; None where nobody knows yet."""
    names = (*FILES, *DATABASE) if database else FILES
    phases = queries.expected_phases("backups.restore", [(name, "") for name in names], backup.environment_id, backup.organisation_id)
    drills = queries.expected_phases("backups.drill", [(LIKE[name], "") for name in names], backup.environment_id, backup.organisation_id)
    known = [own if own["p50"] is not None else drill for own, drill in zip(phases, drills, strict=True)]
    return remaining([Phase(Forecast(phase["p50"], phase["p90"]) if phase["p50"] is not None else None) for phase in known])


def plan(backup_id: int, folder: str, database: str = "", server: str = "", environment_id: int | None = None) -> dict[str, Any]:
    """What a restore would do, in plain data, after every check; nothing is written. Raises Failed with the reason when it must not be done.

    The database goes to the server of the address ``server``, or to that of an environment: the backup's own one, unless another is named.
    """
    backup = verify.verifiable(backup_id)
    target = Path(folder)
    _check_folder(target)
    needed = checks.to_restore(backup.bytes or 0, backup.manifest, with_database=False)
    checks.room(target, needed)
    with told():
        checks.repository_answers(backup.repository, repositories.opened(backup.repository))
    planned = {
        "backup": backup.pk,
        "system": backup.system.name,
        "moment": str(backup.snapshot_at),
        "folder": str(target),
        "needed_bytes": needed,
        "free_bytes": checks.free(target),
        "database": database or None,
        "server": None,
    }
    if database:
        found = _server(backup, server, environment_id)
        _check_database(backup, found, database)
        planned["server"] = f"{found.user}@{found.host}:{found.port}"
    return planned


def check(run_id: str, wish: Wish) -> dict[str, Any]:
    """Check all of it again and mark the folder as ours. A folder that this run marked before is fine."""
    folder = Path(wish["folder"])
    if not _owned(folder, run_id):
        plan(wish["backup_id"], wish["folder"], wish["database"], wish["server"], wish.get("environment_id"))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / MARKER).write_text(json.dumps({"run": run_id, "database": ""}))
    return {}


def files(run_id: str, wish: Wish) -> dict[str, Any]:
    """Restore the snapshot into the folder and compare every hash. Repeated, it starts from an empty folder."""
    folder = _ours(run_id, wish)
    _empty(folder)
    backup = verify.verifiable(wish["backup_id"])
    with told():
        count = verify.restored_and_hashed(repositories.opened(backup.repository), backup, folder)
    progress.report(drivers={"bytes": backup.bytes or 0})
    return {"hashes": count}


def into_database(run_id: str, wish: Wish) -> dict[str, Any]:
    """Make the database and restore the dump into it. Repeated, the one that this run made is dropped first."""
    folder = _ours(run_id, wish)
    backup = verify.verifiable(wish["backup_id"])
    server, name = _server(backup, wish["server"], wish.get("environment_id")), wish["database"]
    with told():
        if json.loads((folder / MARKER).read_text())["database"] == name:
            postgres.drop_database(server, name)
        else:
            _check_database(backup, server, name)
            (folder / MARKER).write_text(json.dumps({"run": run_id, "database": name}))
        postgres.create_database(server, name)
        postgres.restore(server, name, folder / sets.FOLDER / sets.DUMP, jobs=JOBS)
    return {}


def compare(wish: Wish) -> dict[str, Any]:
    """Read every figure of what was restored: they must equal the manifest's."""
    backup = verify.verifiable(wish["backup_id"])
    folder = Path(wish["folder"])
    manifest = sets.load(folder, backup.manifest.get("sha256"))
    with (
        told(),
        postgres.connect(_server(backup, wish["server"], wish.get("environment_id")), wish["database"], readonly=True) as connection,
        command.stoppable(connection.cancel),
    ):
        ability = connect.ability(backup.environment, "figures")
        root = sets.files_root(folder, manifest)
        after = ability.read(connection, root, manifest["database"], layout=manifest["files"]["layout"], thorough=True)
    found = figures.compare(sets.figures(manifest), after)
    if found:
        text = gettext_noop("The restored books differ from those of the backup in {count} places: {first}")
        raise Failed(message(text, count=len(found), first=figures.sentences(found, ability.LABELS, most=1)[0]))
    return {"figures": len(manifest["figures"])}


def complete(run_id: str, wish: Wish) -> dict[str, Any]:
    """Let go of the folder: from here on it belongs to whoever asked for it."""
    folder = Path(wish["folder"])
    if _owned(folder, run_id):
        (folder / MARKER).unlink()
    return {}


def clean_up(run_id: str, wish: Wish) -> None:
    """At the end of every run: what is still marked as this run's was not completed, and is taken away."""
    folder = Path(wish["folder"])
    if not _owned(folder, run_id):
        return
    made = json.loads((folder / MARKER).read_text())["database"]
    if made:
        backup = Backup.objects.select_related("environment__system", "system").get(pk=wish["backup_id"])
        postgres.drop_database(_server(backup, wish["server"], wish.get("environment_id")), made)
    _empty(folder)
    (folder / MARKER).unlink()


def _check_folder(target: Path) -> None:
    if not target.is_absolute():
        raise Failed(message(gettext_noop("{folder} must be an absolute path"), folder=str(target)))
    try:
        empty = not target.exists() or (target.is_dir() and not any(target.iterdir()))
    except OSError as error:
        raise Failed(
            message(gettext_noop("{folder} cannot be used: {reason}; nothing was restored"), folder=str(target), reason=error.strerror or "")
        ) from error
    if not empty:
        raise Failed(message(gettext_noop("{folder} is not an empty folder; nothing was restored"), folder=str(target)))
    for environment in Environment.objects.select_related("system"):
        for name in ("files", "state"):
            used = environment.settings.get(name)
            if used and _overlap(target.resolve(), Path(used).resolve()):
                text = gettext_noop("{folder} is in use by {environment}; a backup is never restored over an environment")
                raise Failed(message(text, folder=str(target), environment=str(environment)))


def _check_database(backup: Backup, server: postgres.Server, name: str) -> None:
    running = _environment_of(backup, server, name)
    if running is not None:
        text = gettext_noop("{database} is the database of {environment}; a backup is never restored over an environment")
        raise Failed(message(text, database=name, environment=str(running)))
    with told():
        if postgres.database_exists(server, name):
            raise Failed(message(gettext_noop("The database {database} exists; nothing was restored"), database=name))
        with postgres.administration(server) as connection:
            version = postgres.server_version(connection)
            able = connection.execute("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
            data = connection.execute("SELECT setting FROM pg_settings WHERE name = 'data_directory'").fetchone()
    if able is None or not able[0]:
        text = gettext_noop("The role {user} may not make a database there: give it the right (ALTER ROLE … CREATEDB), or restore without a database")
        raise Failed(message(text, user=server.user))
    made = int(backup.manifest["postgresql"]["major"])
    if version < made:
        text = gettext_noop("The backup was made on PostgreSQL {made}; a server of version {version} cannot take it")
        raise Failed(message(text, made=made, version=version))
    if data is not None and data[0] and server.host.startswith(LOCAL) and Path(data[0]).exists():
        checks.room(Path(data[0]), checks.to_restore(0, backup.manifest))


def _environment_of(backup: Backup, server: postgres.Server, name: str) -> Environment | None:
    rows = Environment.objects.select_related("system").filter(system__organisation=backup.organisation_id, settings__database=name)
    for environment in rows:
        theirs = environment.settings
        if (theirs.get("host"), int(theirs.get("port") or 5432)) == (server.host, server.port):
            return environment
    return None


def _server(backup: Backup, url: str, environment_id: int | None) -> postgres.Server:
    """The server to restore into: the named one (its password from the user's .pgpass), or that of an environment."""
    if url:
        try:
            parts = parse_postgresql_url(url)
        except ValueError as error:
            raise Failed(str(error)) from error
        if parts["PASSWORD"]:
            raise Failed(message(gettext_noop("A password does not belong in the address of a server: put it into the file .pgpass")))
        return postgres.Server(str(parts["HOST"] or "/var/run/postgresql"), int(str(parts["PORT"] or 5432)), str(parts["USER"] or "postgres"))
    environment = backup.environment
    if environment_id is not None:
        environment = Environment.objects.select_related("system__organisation").get(pk=environment_id, system__organisation=backup.organisation_id)
    with told():
        site: Site = connect.site(environment)
    if site.server is None:
        raise Failed(message(gettext_noop("The database of this ERP cannot be reached from here: its server and a login for reading are not known")))
    return site.server


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def _owned(folder: Path, run_id: str) -> bool:
    marker = folder / MARKER
    return marker.is_file() and json.loads(marker.read_text()).get("run") == run_id


def _ours(run_id: str, wish: Wish) -> Path:
    folder = Path(wish["folder"])
    if not _owned(folder, run_id):
        raise Failed(message(gettext_noop("{folder} is not on this machine any more; start the restore again"), folder=str(folder)))
    return folder


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name == MARKER:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
