"""What the next series enforces: the data about it is complete, and what it names would really stop a migration."""

from pathlib import Path

import psycopg
import pytest

from tests.services.tryton import NEXT, SERIES
from wellkept.adapters.base import Connection, Refused, Site, Unsupported
from wellkept.adapters.conformance.bench import content
from wellkept.adapters.tryton import releases
from wellkept.adapters.tryton.releases import constraints
from wellkept.tools import postgres

COLUMNS = "SELECT table_name, column_name, is_nullable FROM information_schema.columns WHERE table_schema = 'public'"
CONSTRAINTS = """
    SELECT c.contype::text, t.relname, c.conname, pg_get_constraintdef(c.oid),
           ARRAY(SELECT a.attname::text FROM unnest(c.conkey) k JOIN pg_attribute a ON (a.attrelid, a.attnum) = (t.oid, k))
    FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
    WHERE c.connamespace = 'public'::regnamespace AND c.contype IN ('u', 'c', 'x', 'f')
"""
KINDS = {"u": "double", "x": "double", "c": "wrong", "f": "loose"}
# A note moves the names of models to another column, which is unique and filled as the old one was.
OTHERWISE = {("double", "ir_model", ("name",)), ("empty", "ir_model", ("name",))}
# Rules about expressions that hold columns which the migration adds and fills.
FILLED = {"stock_order_point", "product_category"}

DAMAGES = {
    ("company_company", "double"): "INSERT INTO company_company (party, currency) SELECT party, currency FROM company_company LIMIT 1",
    (
        "party_contact_mechanism",
        "empty",
    ): "UPDATE party_contact_mechanism SET value = NULL WHERE id IN (SELECT id FROM party_contact_mechanism LIMIT 2)",
    ("ir_translation", "loose"): "UPDATE ir_translation SET module = 'gone_long_ago' WHERE id IN (SELECT id FROM ir_translation LIMIT 7)",
    ("ir_ui_view_tree_width", "loose"): "INSERT INTO ir_ui_view_tree_width (model, field, \"user\", width) VALUES ('party.party', 'gone', 1, 80)",
    ("account_invoice_payment_term_line", "wrong"): "UPDATE account_invoice_payment_term_line SET type = 'percent', ratio = 0, divisor = 0",
}
COUNTS = {"company_company": 2, "party_contact_mechanism": 2, "ir_translation": 7, "ir_ui_view_tree_width": 1}


def connected(site: Site) -> Connection:
    return postgres.connect(site.server, site.database, autocommit=True)


def enforced(site: Site) -> tuple[set[tuple[str, str, tuple[str, ...]]], dict[tuple[str, str, tuple[str, ...]], str]]:
    """All columns, and each rule about them with its definition."""
    with connected(site) as connection:
        columns = {(table, column): nullable for table, column, nullable in connection.execute(COLUMNS)}
        found = {("empty", table, (column,)): "NOT NULL" for (table, column), nullable in columns.items() if nullable == "NO" and column != "id"}
        for kind, table, _, text, names in connection.execute(CONSTRAINTS):
            found[(KINDS[kind], table, tuple(sorted(names)))] = text
        return {("column", table, (column,)) for table, column in columns}, found


def test_every_new_rule_about_columns_that_are_there_is_described(small_company: Site, upgraded: Site) -> None:
    columns, old = enforced(small_company)
    _, new = enforced(upgraded)
    there = {rule for rule in new.keys() - old.keys() if all(("column", rule[1], (name,)) in columns for name in (*rule[2], "id"))}
    described = {(rule["kind"], rule["table"], tuple(sorted(rule["columns"]))) for rule in constraints.rules(SERIES, NEXT)}
    assert {rule for rule in there - OTHERWISE if rule[1] not in FILLED} == described


def test_an_ordinary_company_breaks_none_and_is_only_read(small_company: Site) -> None:
    before = content(small_company)
    with postgres.connect(small_company.server, small_company.database, readonly=True) as connection:
        assert releases.breaches(connection, SERIES, NEXT) == []
    assert content(small_company) == before


@pytest.mark.parametrize(("table", "kind"), DAMAGES, ids=[f"{table}-{kind}" for table, kind in DAMAGES])
def test_rows_that_break_a_rule_are_counted_and_the_rule_could_not_be_set(table: str, kind: str, own_company: Site, upgraded: Site) -> None:
    with connected(own_company) as connection:
        connection.execute(DAMAGES[table, kind].encode())
        (found,) = releases.breaches(connection, SERIES, NEXT)
        count = COUNTS.get(table) or connection.execute("SELECT count(*) FROM account_invoice_payment_term_line").fetchone()[0]
        assert (found.table, found.kind, found.rows, found.stops) == (table, kind, count, kind != "empty")
        assert 1 <= len(found.examples) <= 5
        assert found.title
        _, new = enforced(upgraded)
        rule = new[kind, table, tuple(sorted(found.columns))]
        add = f"ALTER COLUMN {found.columns[0]} SET NOT NULL" if kind == "empty" else f"ADD {rule}"
        if kind != "loose":
            with pytest.raises(psycopg.errors.IntegrityError):
                connection.execute(f"ALTER TABLE {table} {add}".encode())


def test_a_reference_to_nothing_could_not_be_set_once_the_names_have_moved(own_company: Site, upgraded: Site) -> None:
    with connected(own_company) as connection:
        connection.execute(DAMAGES["ir_translation", "loose"].encode())
        _, new = enforced(upgraded)
        with pytest.raises(psycopg.errors.ForeignKeyViolation, match="gone_long_ago"):
            connection.execute(f"ALTER TABLE ir_translation ADD {new['loose', 'ir_translation', ('module',)]}".encode())


def test_empty_texts_that_a_note_mends_break_nothing(own_company: Site) -> None:
    with connected(own_company) as connection:
        connection.execute("UPDATE ir_translation SET module = '' WHERE id IN (SELECT id FROM ir_translation LIMIT 3)")
        assert releases.breaches(connection, SERIES, NEXT) == []


def test_a_jump_that_nobody_described_and_a_table_that_may_not_be_read_are_refused(own_company: Site) -> None:
    with connected(own_company) as connection:
        with pytest.raises(Unsupported, match=r"what Tryton 7\.2 enforces and 7\.0 does not is not described"):
            releases.breaches(connection, SERIES, "7.2")
        connection.execute("CREATE ROLE reads_nothing")
        connection.execute("SET ROLE reads_nothing")
        with pytest.raises(Refused, match="GRANT SELECT"):
            releases.breaches(connection, SERIES, NEXT)
        connection.execute("RESET ROLE; DROP ROLE reads_nothing")


def test_each_described_jump_has_its_rules() -> None:
    folder = Path(constraints.__file__).parent
    assert {path.stem for path in folder.glob("*.toml")} == {f"{one}-{other}" for one, other in releases.JUMPS}
