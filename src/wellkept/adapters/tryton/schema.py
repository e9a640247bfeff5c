"""What tables a Tryton database has: read from PostgreSQL's catalogue, so that only what is activated is asked for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg import errors

from wellkept.adapters.base import Connection, Refused

OWN_TABLES = ("ir_", "res_")
COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND pg_table_is_visible(c.oid) AND c.relnamespace <> 'pg_catalog'::regnamespace
      AND a.attnum > 0 AND NOT a.attisdropped
"""

Tables = dict[str, dict[str, str]]


def rows(connection: Connection, query: Any, parameters: Sequence[object] | Mapping[str, object] | None = None) -> Iterable[tuple[Any, ...]]:
    """The rows of a query. Raises Refused, with the statement that would allow it, when the role may not read a table."""
    try:
        return connection.execute(query, parameters).fetchall()
    except errors.InsufficientPrivilege as error:
        allow = f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{connection.info.user}"'
        raise Refused(f"{str(error).splitlines()[0]}; allow it with: {allow}; {allow.replace('TABLES', 'SEQUENCES')}") from error


def tables(connection: Connection) -> Tables:
    """Every table with its columns and their types."""
    found: Tables = {}
    for table, column, kind in connection.execute(COLUMNS):
        found.setdefault(table, {})[column] = kind
    return found


def documents(connection: Connection) -> Tables:
    """The business tables that have a state: orders, invoices, moves, productions and so on, of whatever modules are activated."""
    return with_column(tables(connection), "state")


def with_column(found: Tables, column: str) -> Tables:
    """The business tables (not Tryton's own administration, not histories) that have a column."""
    return {
        name: columns for name, columns in found.items() if column in columns and not name.startswith(OWN_TABLES) and not name.endswith("__history")
    }


def titles(connection: Connection, found: Tables) -> dict[str, str]:
    """What people call a table: the name of its model ("Sale" for sale_sale); series after 7.0 keep it in another column."""
    model, title = ("model", "name") if "model" in found.get("ir_model", {}) else ("name", "string")
    if not {model, title} <= found.get("ir_model", {}).keys():
        return {}
    return {name.replace(".", "_"): called for name, called in rows(connection, f"SELECT {model}, {title} FROM ir_model") if called}
