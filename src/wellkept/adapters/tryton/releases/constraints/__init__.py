"""Data that the schema of the next series would refuse: its new rules as data (``<from>-<to>.toml``), asked of a database that is only read."""

import functools
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from psycopg import sql

from wellkept.adapters.base import Breach, Connection, Unsupported
from wellkept.adapters.tryton.schema import rows, tables, titles

FOLDER = Path(__file__).parent
EXAMPLES = 5
TARGETS = {
    "module": "SELECT 1 FROM ir_module r WHERE r.name = t.{0}",
    "model": "SELECT 1 FROM ir_model r WHERE r.model = t.{0}",
    "field": "SELECT 1 FROM ir_model_field r JOIN ir_model m ON m.id = r.model WHERE r.name = t.{0} AND m.model = t.{1}",
}
"""What a reference leads to, in a database of 7.0; ``{0}`` and ``{1}`` are its columns."""
BROKEN = "SELECT count(*) OVER (), t.id FROM {table} t WHERE {broken} ORDER BY t.id LIMIT {most}"


@functools.cache
def rules(current: str, target: str) -> Sequence[Mapping[str, Any]]:
    """The rules of a jump as they are in its data. Raises Unsupported for one that nobody has described."""
    file = FOLDER / f"{current}-{target}.toml"
    if not file.exists():
        raise Unsupported(f"what Tryton {target} enforces and {current} does not is not described here")
    data = tomllib.loads(file.read_text(encoding="utf-8"))
    return (*data["rules"], *({"kind": "wrong", **entry} for entry in data["wrong"]))


def breaches(connection: Connection, current: str, target: str) -> list[Breach]:
    """The rules of ``target`` that rows of the connected database break, those that stop the migration first.

    A rule about a table or a column that is not there breaks nothing. Raises Refused for a table that may not be read.
    """
    found = tables(connection)
    called = titles(connection, found)
    broken = []
    for rule in rules(current, target):
        if not set(rule["columns"]) <= found.get(rule["table"], {}).keys():
            continue
        query = sql.SQL(BROKEN).format(table=sql.Identifier(rule["table"]), broken=_broken(rule), most=sql.Literal(EXAMPLES))
        answer = list(rows(connection, query))
        if answer:
            title = called.get(rule["table"], rule["table"])
            ids = [number for _, number in answer]
            stops = rule["kind"] != "empty"
            broken.append(Breach(rule["table"], title, rule["kind"], rule["columns"], answer[0][0], ids, stops, rule.get("rule", "")))
    return sorted(broken, key=lambda one: not one.stops)


def _broken(rule: Mapping[str, Any]) -> sql.Composable:
    """The condition, about the row ``t``, that is true where a rule is broken. Columns that are NULL break only what has to be filled."""
    columns = [sql.Identifier(name) for name in rule["columns"]]
    if rule["kind"] == "empty":
        return sql.SQL("t.{} IS NULL").format(columns[0])
    if rule["kind"] == "wrong":
        return sql.SQL("NOT ({})").format(sql.SQL(rule["holds"]))
    if rule["kind"] == "double":
        same = sql.SQL(" AND ").join(sql.SQL("o.{0} = t.{0}").format(column) for column in columns)
        return sql.SQL("EXISTS (SELECT 1 FROM {} o WHERE {} AND o.id <> t.id)").format(sql.Identifier(rule["table"]), same)
    given_as = "t.{} <> ''" if rule.get("mended") else "t.{} IS NOT NULL"
    given = sql.SQL(" AND ").join(sql.SQL(given_as).format(column) for column in columns)
    return sql.SQL("{} AND NOT EXISTS ({})").format(given, sql.SQL(TARGETS[rule["to"]]).format(*columns))
