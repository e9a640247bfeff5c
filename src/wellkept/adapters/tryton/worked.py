"""When people worked in a Tryton: who wrote something in which hour, from the rows themselves and from Tryton's log. Nothing is written.

A row keeps who made it and who changed it last, so an hour of long ago shows fewer changes than there were; the log of what was pressed and deleted
keeps all of them. People who only read leave no trace.
"""

import datetime as dt
from collections.abc import Mapping

from psycopg import sql

from wellkept.adapters.base import Connection
from wellkept.adapters.tryton.schema import Tables, rows, tables

STAMPS = {"create_date": "create_uid", "write_date": "write_uid"}
LOG = "ir_model_log"
AUTOMATIC = {"ir_session", "ir_queue", "ir_cron_log", "ir_cache", "res_user_login_attempt", "ir_error"}
"""Written without anybody's wish, or by signing in alone."""
PEOPLE = "SELECT id FROM res_user WHERE login <> %(besides)s AND id > 0"
WROTE = "SELECT DISTINCT date_trunc('hour', {stamp}), {who} FROM {table} WHERE {stamp} >= %(since)s AND {who} = ANY(%(people)s)"


def by_hour(connection: Connection, since: dt.datetime, *, besides: str = "") -> Mapping[dt.datetime, int]:
    """How many people wrote something in each hour of UTC from ``since`` (aware) on; hours without anybody are left out.

    The user ``besides`` (a login) does not count. Reads each business table once. Raises Refused for a table that may not be read.
    """
    found = tables(connection)
    people = [number for (number,) in rows(connection, PEOPLE, {"besides": besides})]
    # Tryton keeps its moments in UTC without saying so.
    values = {"since": since.astimezone(dt.UTC).replace(tzinfo=None), "people": people}
    seen: dict[dt.datetime, set[int]] = {}
    for hour, person in (row for question in _questions(found) for row in rows(connection, question, values)):
        seen.setdefault(hour.replace(tzinfo=dt.UTC), set()).add(person)
    return {hour: len(persons) for hour, persons in sorted(seen.items())}


def _questions(found: Tables) -> list[sql.Composed]:
    made = []
    for table, columns in found.items():
        if table in AUTOMATIC or table.endswith("__history"):
            continue
        for stamp, who in {**STAMPS, **({"date": "user"} if table == LOG else {})}.items():
            if {stamp, who} <= columns.keys():
                names = {"stamp": sql.Identifier(stamp), "who": sql.Identifier(who), "table": sql.Identifier(table)}
                made.append(sql.SQL(WROTE).format(**names))
    return made
