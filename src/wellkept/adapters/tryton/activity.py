"""Which modules of a Tryton are used: what was written into their tables and fields, and when last.

What came with a module (``ir_model_data`` lists it) and settings say nothing about use. Nothing is written.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from psycopg import sql

from wellkept.adapters.base import Connection, ModuleUse
from wellkept.adapters.tryton.inspect import BASE_MODULES
from wellkept.adapters.tryton.present import present
from wellkept.adapters.tryton.schema import Tables, rows, tables
from wellkept.adapters.tryton.worked import by_hour

__all__ = ["by_hour", "modules", "present"]
ACTIVE = "SELECT name FROM ir_module WHERE state IN ('activated', 'to upgrade', 'to remove') ORDER BY name"
MODELS = "SELECT {name}, module FROM ir_model WHERE module IS NOT NULL"
# A field belongs to the model that its number names in 7.0, and its name after it.
FIELDS = """
    SELECT m.{name}, f.name, f.module FROM ir_model_field f JOIN ir_model m ON f.model::text IN (m.id::text, m.{name})
    WHERE f.module IS NOT NULL AND f.module <> m.module
"""
LOG = "SELECT split_part(resource, ',', 1), max(create_date) FROM ir_model_log WHERE resource IS NOT NULL GROUP BY 1"
OWN = """
    FROM {table} t WHERE NOT EXISTS (SELECT 1 FROM ir_model_data d WHERE d.model = {model} AND d.db_id = t.id)
"""
STAMPS = {"id", "create_date", "write_date"}


def modules(connection: Connection) -> list[ModuleUse]:
    """The use of every active module, by name. Reads each table of a module once. Raises Refused for a table that may not be read."""
    found = tables(connection)
    name = sql.Identifier("model" if "model" in found["ir_model"] else "name")
    model_module = dict(rows(connection, sql.SQL(MODELS).format(name=name)))
    touched = dict(rows(connection, LOG)) if "ir_model_log" in found else {}
    counted = {model: _own_rows(connection, model, touched) for model in model_module if _counts(model, found)}
    added = _filled_fields(connection, rows(connection, sql.SQL(FIELDS).format(name=name)), found)
    active = [module for (module,) in rows(connection, ACTIVE)]
    return [_use(module, {model: counted[model] for model in counted if model_module[model] == module}, added.get(module)) for module in active]


def _use(module: str, own: Mapping[str, tuple[int, dt.datetime | None]], added: bool | None) -> ModuleUse:
    count = sum(number for number, _ in own.values())
    last = max((stamp for _, stamp in own.values() if stamp is not None), default=None)
    if module in BASE_MODULES or count or added:
        return ModuleUse(module, count, last, used=True)
    return ModuleUse(module, 0, last, used=False if own or added is not None else None)


def _counts(model: str, found: Tables) -> bool:
    """Whether rows of the model's table say that somebody works with it: settings are there from the first day."""
    return found.get(_table(model), {}).keys() >= STAMPS and "configuration" not in model


def _own_rows(connection: Connection, model: str, touched: Mapping[str, dt.datetime]) -> tuple[int, dt.datetime | None]:
    """How many rows were written, and when the newest was: greatest of the rows' own times and of the log's."""
    query = sql.SQL("SELECT count(*), max(coalesce(t.write_date, t.create_date))" + OWN)
    ((count, last),) = rows(connection, query.format(table=sql.Identifier(_table(model)), model=sql.Literal(model)))
    stamps = [stamp for stamp in (last, touched.get(model)) if stamp is not None and count]
    return count, max(stamps).replace(tzinfo=dt.UTC) if stamps else None


def _filled_fields(connection: Connection, fields: Iterable[tuple[str, str, str]], found: Tables) -> dict[str, bool]:
    """For each module that adds columns to other modules' tables: whether one of them holds anything but nothing, no and zero.

    A chart of accounts is filled from its templates, whatever is used of it, so models with templates say nothing.
    """
    wanted: dict[str, dict[str, list[str]]] = {}
    for model, field, module in fields:
        table = _table(model).removesuffix("_template")
        if _counts(model, found) and field in found[_table(model)] and (f"{table}_template" not in found or table not in found):
            wanted.setdefault(model, {}).setdefault(module, []).append(field)
    filled: dict[str, bool] = {}
    for model, by_module in wanted.items():
        asked = [_any_filled(columns) for columns in by_module.values()]
        query = sql.SQL("SELECT {}" + OWN).format(sql.SQL(", ").join(asked), table=sql.Identifier(_table(model)), model=sql.Literal(model))
        (answers,) = rows(connection, query)
        for module, answer in zip(by_module, answers, strict=True):
            filled[module] = filled.get(module, False) or bool(answer)
    return filled


def _any_filled(columns: list[str]) -> sql.Composable:
    one: list[Any] = [sql.SQL("coalesce(t.{}::text, '') NOT IN ('', 'false', '0', '[]', '{{}}')").format(sql.Identifier(name)) for name in columns]
    return sql.SQL("bool_or({})").format(sql.SQL(" OR ").join(one))


def _table(model: str) -> str:
    return model.replace(".", "_")
