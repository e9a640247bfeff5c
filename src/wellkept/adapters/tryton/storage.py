"""What belongs in a backup of a Tryton: its file store and its settings.

Tryton keeps the content of a binary field either in the table or, when the field has a companion column for a file id, in the file store:
``<path>/<prefix>/<id[0:2]>/<id[2:4]>/<id>``, where the id is the MD5 of the content (with ``-1`` and so on for a collision) and the prefix is the
name of the database unless the configuration names one.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from pathlib import Path, PurePosixPath

from psycopg import sql

from wellkept.adapters.base import Conflicting, Connection, FileReference, Invalid, Site, Storage
from wellkept.adapters.tryton import config, schema
from wellkept.lib import links
from wellkept.lib.text import gettext_noop
from wellkept.tools import postgres

FILE_ID = re.compile(r"[0-9a-f]{32}(-\d+)?")
NAME_COLUMNS = ("name", "number", "resource")
BATCH = 10_000
BLOCK = 1 << 20


def storage(site: Site) -> Storage:
    """The file folder, the settings files and the layout of the file store. Reads the site's configuration when it has one."""
    if site.config is None:
        return Storage(site.files, ())
    parser = config.load(site.config)
    named = [parser.get("password", "passlib", fallback=""), parser.get("logging", "config", fallback="")]
    settings = [site.config, *(Path(name) for name in named if name and Path(name).is_file())]
    custom = parser.get("database", "class", fallback="")
    if custom:
        raise Invalid(gettext_noop("the files are kept by {place}, not in a folder: they need a backup of their own"), place=custom)
    return Storage(site.files or folder(parser), settings, config.layout(parser))


def share_files(site: Site, copy: str) -> None:
    """Let a copy of the database find the site's files: its own folder of the store becomes a link to the site's.

    The name of a file is the hash of its content, so whatever writes there only adds. Raises Conflicting when the copy has files of its own.
    """
    own = _own_folder(site, copy)
    if own.exists() and not own.is_symlink():
        raise Conflicting(gettext_noop("{path} holds files already"), path=str(own))
    # Tryton makes the folder with the first file, and stumbles over a link to one that is not there.
    postgres.owned_folder(own.with_name(site.database), site.os_user or postgres.service_user())
    links.point(own, own.with_name(site.database))


def unshare_files(site: Site, copy: str) -> None:
    """End that; where nothing is shared, that is fine."""
    own = _own_folder(site, copy)
    if own.is_symlink():
        own.unlink()


def _own_folder(site: Site, database: str) -> Path:
    if site.files is None:
        raise Invalid(gettext_noop("where the files of {database} are is not known"), database=site.database)
    if database in {"", ".", "..", site.database} or "/" in database:
        raise Invalid(gettext_noop("“{name}” cannot be the name of a copy of {database}"), name=database, database=site.database)
    return site.files / database


def folder(parser: ConfigParser) -> Path | None:
    """The file store's folder as the configuration names it; None when it leaves it to the home of the user who runs Tryton."""
    named = parser.get("database", "path", fallback="")
    return Path(named) if named else None


def file_columns(connection: Connection) -> list[tuple[str, str]]:
    """Every (table, column) that holds ids of the file store: text columns that stand next to a binary column and are named after it."""
    tables = schema.tables(connection)
    found = []
    for table, columns in sorted(tables.items()):
        for name, kind in sorted(columns.items()):
            if kind != "bytea":
                continue
            companions = [c for c in (f"{name}_id", "file_id") if columns.get(c, "").startswith("character varying")]
            found += [(table, companion) for companion in companions]
    return sorted(set(found))


def references(connection: Connection, database: str, *, layout: Mapping[str, str] | None = None) -> Iterator[FileReference]:
    """Every file that a row of the database needs, one reference per row, read in batches through the connection's transaction."""
    return (reference for _, reference in references_by_table(connection, database, layout or {}))


def references_by_table(connection: Connection, database: str, layout: Mapping[str, str]) -> Iterator[tuple[str, FileReference]]:
    """The references, each with the table that needs it."""
    tables = schema.tables(connection)
    for table, column in file_columns(connection):
        prefix = layout.get(table, database)
        label = next((c for c in NAME_COLUMNS if c in tables[table]), "id")
        query = sql.SQL("SELECT id, {label}::text AS label, {column} FROM {table} WHERE {column} > '' AND id > %s ORDER BY id LIMIT %s").format(
            label=sql.Identifier(label), column=sql.Identifier(column), table=sql.Identifier(table)
        )
        last = -1
        while rows := list(schema.rows(connection, query, [last, BATCH])):
            last = rows[-1][0]
            for number, name, file_id in rows:
                words = [spoken(table), str(number), *([name] if name and label != "id" else [])]
                yield table, FileReference(path_of(file_id, prefix), " ".join(words))


def path_of(file_id: str, prefix: str) -> str:
    """Where the file store keeps a file, relative to its folder. Raises Invalid for an id or a prefix that would leave the folder."""
    path = PurePosixPath(prefix, file_id[0:2], file_id[2:4], file_id)
    if path.is_absolute() or ".." in path.parts or "/" in file_id or not file_id:
        raise Invalid(gettext_noop("the file id “{id}” does not name a file of the store"), id=file_id)
    return str(path)


def trouble(files: Path, reference: FileReference, *, thorough: bool) -> str | None:
    """What is wrong with a referenced file ("missing", "unreadable", "content differs"), or None.

    The content is read only when ``thorough``: a file's name is the hash of its content.
    """
    path = files / reference.path
    try:
        if not path.is_file():
            return "missing"
        if not thorough or not FILE_ID.fullmatch(path.name):
            return None
        return None if _md5(path) == path.name.split("-")[0] else "content differs"
    except PermissionError:
        return "unreadable"


def newest_document(connection: Connection) -> str | None:
    """When the newest business document was made or changed, as an ISO time in UTC; None in an ERP without documents.

    Business documents are the tables with a state outside of Tryton's own administration.
    """
    tables = {name: columns for name, columns in schema.documents(connection).items() if {"create_date", "write_date"} <= columns.keys()}
    if not tables:
        return None
    parts = [sql.SQL("SELECT greatest(max(create_date), max(write_date)) AS at FROM {}").format(sql.Identifier(name)) for name in sorted(tables)]
    query = sql.SQL('SELECT to_char(max(at), \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\') FROM ({}) AS times').format(sql.SQL(" UNION ALL ").join(parts))
    ((newest,),) = schema.rows(connection, query)
    return str(newest) if newest is not None else None


def spoken(table: str) -> str:
    """A table in words: ir_attachment → attachment."""
    return table.removeprefix("ir_").replace("_", " ")


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
