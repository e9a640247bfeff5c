"""The slowest statements of a database by PostgreSQL's own account, where it keeps one (pg_stat_statements)."""

from dataclasses import dataclass
from typing import Any

import psycopg

CALLS = 5
LONGEST = 300
QUERY = """
    SELECT left(regexp_replace(query, '\\s+', ' ', 'g'), %s), calls, mean_exec_time FROM pg_stat_statements
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND calls >= %s ORDER BY mean_exec_time DESC LIMIT %s
"""


@dataclass(frozen=True)
class Statement:
    """A kind of statement: its beginning without its values, how often it ran, and its mean time in milliseconds."""

    text: str
    calls: int
    mean: float


def slowest(connection: psycopg.Connection[tuple[Any, ...]], most: int) -> list[Statement] | None:
    """The statements that take longest on average, of those that ran several times; None where there is no account, or we may not read it."""
    try:
        with connection.transaction():
            return [Statement(*row) for row in connection.execute(QUERY, [LONGEST, CALLS, most])]
    except (psycopg.errors.UndefinedTable, psycopg.errors.ObjectNotInPrerequisiteState, psycopg.errors.InsufficientPrivilege):
        return None
