"""What must hold before anything is written: places that answer, programs that fit, room on the disk, the right system."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.utils.translation import gettext_noop

from wellkept.adapters.base import Connection, Site
from wellkept.backups.failures import told
from wellkept.backups.models import Repository
from wellkept.estate import connect
from wellkept.estate.models import Environment
from wellkept.lib.text import message
from wellkept.operations.errors import Failed
from wellkept.tools import postgres, restic

RESERVE = 64 << 20
DUMP_FACTOR = 1.5
"""A dump in text may be larger than the tables that it comes from; indexes are not in it. Measured on a filled Tryton: 0.7 to 0.9."""
RESTORE_FACTOR = 1.2
TABLES_SIZE = """
    SELECT coalesce(sum(pg_table_size(c.oid)), 0) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


def before_take(environment: Environment, repository: Repository, staging: Path) -> dict[str, Any]:
    """Look at what a backup needs on this side; changes nothing. Returns facts: sizes in bytes, the major version of PostgreSQL.

    Whether the repository answers takes longer to find out: that is done beside the dump (staging.stage), or by storing.
    """
    with told():
        site = connect.site(environment)
        with database(site) as connection:
            version, tables, whole = postgres.server_version(connection), tables_size(connection), postgres.database_size(connection)
        postgres.binaries_for(version)
        files = readable_files(connect.ability(environment, "storage").storage(site).files)
    room(staging, int(tables * DUMP_FACTOR) + RESERVE)
    if restic.is_folder(repository.location):
        room(Path(repository.location), RESERVE)
    return {"postgresql": version, "tables_bytes": tables, "database_bytes": whole, "files": str(files) if files else None}


def repository_answers(repository: Repository, tool: restic.Repository) -> None:
    """The place answers, the key opens it, and it is the repository that was made there."""
    found = restic.identity(tool)
    if repository.restic_id and found != repository.restic_id:
        text = gettext_noop("At the place of {name} is another repository than the one that was made; nothing was changed")
        raise Failed(message(text, name=repository.name))


def database(site: Site) -> Connection:
    """A read-only connection to the site's database."""
    if site.server is None:
        raise Failed(message(gettext_noop("The database of this ERP cannot be reached from here: its server and a login for reading are not known")))
    return postgres.connect(site.server, site.database, readonly=True)


def tables_size(connection: Connection) -> int:
    """What the tables hold without their indexes, in bytes."""
    row = connection.execute(TABLES_SIZE).fetchone()
    return int(row[0]) if row else 0


def readable_files(files: Path | None) -> Path | None:
    """The file folder with its links resolved (a backup of a link would hold only the link); it must be readable."""
    if files is None:
        return None
    if not files.is_dir():
        raise Failed(message(gettext_noop("The ERP's file folder {path} is not there or not on this machine"), path=str(files)))
    if not os.access(files, os.R_OK | os.X_OK):
        raise Failed(message(gettext_noop("The ERP's file folder {path} may not be read by Wellkept: give its user the right to"), path=str(files)))
    return files.resolve()


def to_restore(stored: int, brief: Mapping[str, Any], *, with_database: bool = True) -> int:
    """How much room a restore needs, in bytes: the files and the dump of the set, and the database that is made of it."""
    database = int(brief.get("database_bytes") or brief["dump"]["bytes"] * 2) if with_database else 0
    return int((stored + database) * RESTORE_FACTOR) + RESERVE


def room(place: Path, needed: int) -> None:
    """Refuse before the first byte when a disk is too small. ``needed`` in bytes; a folder that is not there yet counts as its parent."""
    there = free(place)
    if there < needed:
        text = gettext_noop("The disk at {place} is too small: {needed} MB are needed, {free} MB are free; nothing was written")
        raise Failed(message(text, place=str(_existing(place)), needed=-(-needed // 1_000_000), free=there // 1_000_000))


def free(place: Path) -> int:
    """How much room the disk of a folder has, in bytes; one that is not there yet counts as its parent."""
    return shutil.disk_usage(_existing(place)).free


def _existing(place: Path) -> Path:
    while not place.exists():
        place = place.parent
    return place
