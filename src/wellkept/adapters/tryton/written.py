"""What people and programs wrote into a Tryton within the last seconds: by the times and users that it keeps with every row.

What Tryton keeps for itself (sessions, its queue, its own log) is no work, and passwords and keys are left out of the rows. Times are compared with
the clock of the database, which wrote them. Nothing is written. Rows that were changed with SQL, past Tryton, are not seen.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from psycopg import errors, sql

from wellkept.adapters.base import Connection, FileReference, Invalid, Refused, WrittenKind
from wellkept.adapters.tryton import schema, storage
from wellkept.adapters.tryton.trials.kinds import titles as translated
from wellkept.lib.text import gettext_noop

JOURNAL = "ir_model_log"
NO_WORK = re.compile(
    r"ir_(session.*|cache|queue|cron.*|error|model.*|module.*|ui_.*|message|translation|configuration)|res_user_(login_attempt|device|warning)"
)
SECRET = re.compile(r"password|secret|token|(^|_)key$")
STAMPS = {"create_date", "create_uid", "write_date", "write_uid"}
SINCE = "(now() AT TIME ZONE 'UTC' - make_interval(secs => %(seconds)s))"
COUNTED = f"""
    SELECT t.create_date >= {SINCE}, coalesce(u.login, '?'), count(*)
    FROM {{table}} t LEFT JOIN res_user u ON u.id = coalesce(t.write_uid, t.create_uid)
    WHERE greatest(t.create_date, t.write_date) >= {SINCE} GROUP BY 1, 2
"""
DELETED = f"""
    SELECT split_part(l.resource, ',', 1), coalesce(u.login, '?'), count(*)
    FROM ir_model_log l LEFT JOIN res_user u ON u.id = l."user" WHERE l.event = 'delete' AND l.create_date >= {SINCE} GROUP BY 1, 2
"""
ROWS = f"SELECT {{columns}} FROM {{table}} WHERE greatest(create_date, write_date) >= {SINCE} ORDER BY id"
BATCH = 2000


def kinds(connection: Connection, seconds: float) -> list[WrittenKind]:
    """The tables with rows that were made, changed or deleted in the last ``seconds``, by name; reads each table once."""
    found = schema.tables(connection)
    # What only links two kinds has no name that people use ("Sale Line - Account Tax").
    titles = {table: title for table, title in schema.titles(connection, found).items() if " - " not in title}
    gone: dict[str, dict[str, int]] = {}
    if JOURNAL in found:
        for model, login, count in _asked(connection, DELETED, seconds):
            gone.setdefault(model.replace(".", "_"), {})[login] = count
    counted = (_kind(connection, name, titles.get(name, name), gone.get(name, {}), seconds) for name in _working_tables(found))
    written = [kind for kind in counted if kind.created or kind.changed or kind.deleted]
    words = translated(connection, [kind.table for kind in written if kind.title != kind.table])
    return [replace(kind, called=words.get(kind.table, {})) for kind in written]


def rows(connection: Connection, table: str, seconds: float) -> Iterator[tuple[Any, ...]]:
    """First the names of a table's columns, then its rows of that time as they are now, streamed; ``JOURNAL`` may be asked for, too."""
    found = schema.tables(connection)
    if table != JOURNAL and table not in _working_tables(found):
        raise Invalid(gettext_noop("nobody works in the table {table}"), table=table)
    columns = sorted((name for name in found[table] if not SECRET.search(name)), key=lambda name: (name != "id", name))
    query = sql.SQL(ROWS).format(columns=sql.SQL(", ").join(map(sql.Identifier, columns)), table=sql.Identifier(table))
    yield tuple(columns)
    with connection.cursor(name="wellkept_rows") as cursor:
        cursor.itersize = BATCH
        yield from cursor.execute(query, {"seconds": seconds})


def files(connection: Connection, database: str, seconds: float, *, layout: Mapping[str, str] | None = None) -> list[FileReference]:
    """The files in the store that rows of that time need, each once."""
    found, made = schema.tables(connection), {}
    for table, column in storage.file_columns(connection):
        if table not in _working_tables(found):
            continue
        wanted = sql.SQL(f"SELECT id, {{column}} FROM {{table}} WHERE {{column}} > '' AND greatest(create_date, write_date) >= {SINCE}")
        for number, file_id in _asked(connection, wanted.format(column=sql.Identifier(column), table=sql.Identifier(table)), seconds):
            path = storage.path_of(file_id, (layout or {}).get(table, database))
            made[path] = FileReference(path, f"{storage.spoken(table)} {number}")
    return list(made.values())


def _kind(connection: Connection, table: str, title: str, gone: Mapping[str, int], seconds: float) -> WrittenKind:
    count = {True: 0, False: 0}
    people = dict(gone)
    for created, login, number in _asked(connection, sql.SQL(COUNTED).format(table=sql.Identifier(table)), seconds):
        count[bool(created)] += number
        people[login] = people.get(login, 0) + number
    return WrittenKind(table, title, count[True], count[False], sum(gone.values()), people)


def _working_tables(found: schema.Tables) -> list[str]:
    return sorted(
        name for name, columns in found.items() if columns.keys() >= STAMPS and not NO_WORK.fullmatch(name) and not name.endswith("__history")
    )


def _asked(connection: Connection, query: str | sql.Composed, seconds: float) -> list[tuple[Any, ...]]:
    try:
        return connection.execute(query, {"seconds": seconds}).fetchall()
    except errors.InsufficientPrivilege as error:
        raise Refused(gettext_noop("PostgreSQL said: “{words}”"), words=str(error).splitlines()[0]) from error
