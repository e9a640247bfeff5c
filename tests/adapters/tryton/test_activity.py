"""Which modules a company uses, on real companies of both series."""

import datetime as dt

import pytest
from psycopg import sql

from wellkept.adapters.base import ModuleUse, Site
from wellkept.adapters.tryton import activity
from wellkept.tools import postgres

UNUSED = {"account_asset", "inbound_email", "notification_email", "sale_supply", "stock_forecast", "stock_lot", "user_role"}
SILENT = {"marketing", "stock_supply_production"}


def uses(site: Site) -> dict[str, ModuleUse]:
    with postgres.connect(site.server, site.database, readonly=True) as connection:
        return {use.module: use for use in activity.modules(connection)}


@pytest.mark.parametrize("company", ["small_company", "upgraded"])
def test_what_a_company_uses_is_told_from_its_data(company: str, request: pytest.FixtureRequest) -> None:
    found = uses(request.getfixturevalue(company))
    assert {name for name, use in found.items() if use.used is False} == UNUSED
    assert {name for name, use in found.items() if use.used is None} == SILENT
    assert all(use.rows == 0 and use.last is None for use in found.values() if not use.used)
    # Those have no rows of their own: their fields in other modules' tables tell.
    assert {name for name, use in found.items() if use.used and not use.rows} == {
        "account_payment_clearing",
        "account_stock_continental",
        "company_work_time",
        "production_work_timesheet",
    }


def test_rows_are_counted_and_dated_as_they_are_written(own_company: Site) -> None:
    was = uses(own_company)
    moment = dt.datetime(2031, 5, 6, 7, 8, 9)  # noqa: DTZ001 - Tryton's columns are without a zone
    with postgres.connect(own_company.server, own_company.database) as connection:
        connection.execute("DELETE FROM attendance_line")
        numbers = "FROM product_product p, generate_series(1, 3) n GROUP BY n"
        lots = f"INSERT INTO stock_lot (number, product, create_date) SELECT n::text, min(p.id), %s {numbers}"
        connection.execute(lots, [moment])
        connection.execute("UPDATE product_template SET supply_on_sale = 'always' WHERE id = (SELECT min(id) FROM product_template)")
    now = uses(own_company)
    assert (now["stock_lot"].rows, now["stock_lot"].last, now["stock_lot"].used) == (3, moment.replace(tzinfo=dt.UTC), True)
    assert (now["sale_supply"].rows, now["sale_supply"].used) == (0, True)
    assert was["attendance"].used
    assert (now["attendance"].rows, now["attendance"].last, now["attendance"].used) == (0, None, False)
    assert {name for name in now if now[name] != was[name]} == {"attendance", "stock_lot", "sale_supply"}


def test_what_came_with_a_module_is_no_use(own_company: Site) -> None:
    row = "INSERT INTO stock_lot (number, product) VALUES ('shipped', (SELECT min(id) FROM product_product)) RETURNING id"
    known = "INSERT INTO ir_model_data (fs_id, module, model, db_id) VALUES ('made_up', 'stock_lot', 'stock.lot', {})"
    with postgres.connect(own_company.server, own_company.database) as connection:
        (number,) = connection.execute(row).fetchone() or (0,)
        connection.execute(sql.SQL(known).format(sql.Literal(number)))
    assert uses(own_company)["stock_lot"].used is False
