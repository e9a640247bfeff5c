"""With what a flow is tried: the newest records that the company itself used for it, whatever they are called."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from wellkept.adapters.base import Connection
from wellkept.adapters.tryton import schema
from wellkept.adapters.tryton.trials import books
from wellkept.adapters.tryton.trials.flow import LeftOut
from wellkept.lib.text import gettext_noop

COMPANY = """
    SELECT c.id FROM company_company c
    ORDER BY (SELECT count(*) FROM "res_user-company_company" u WHERE u.company = c.id) DESC, c.id LIMIT 1
"""
# DISTINCT ON keeps the newest use of each product by each party.
TRADED = """
    SELECT o.party, y.name, l.product, t.name, coalesce(o.warehouse, 0), round((u.factor / d.factor)::numeric, 6) FROM {line} l
    JOIN {order} o ON o.id = l.{link} JOIN party_party y ON y.id = o.party
    JOIN product_product p ON p.id = l.product JOIN product_template t ON t.id = p.template
    JOIN product_uom d ON d.id = t.default_uom JOIN product_uom u ON u.id = coalesce(t.{unit}, t.default_uom)
    WHERE o.state IN ('processing', 'done') AND o.company = %s AND l.type = 'line' AND l.quantity > 0
      AND t.type = '{kind}' AND p.active AND t.active AND t.{trait} AND y.active AND {no_lot}
    ORDER BY o.id DESC, l.id LIMIT 500
"""
WAREHOUSE = """
    SELECT w.id, w.name, w.storage_location, w.output_location, w.input_location FROM stock_location w
    WHERE w.type = 'warehouse' AND (w.id = %s OR w.active) ORDER BY (w.id = %s) DESC, w.id LIMIT 1
"""
# The newest productions that were finished, with what was made from which bill of material where.
PRODUCED = """
    SELECT DISTINCT ON (p.product, p.bom) p.product, t.name, p.bom, b.name, p.warehouse, {routing}, {work_center},
           (SELECT count(*) FROM production_bom_input i WHERE i.bom = p.bom), p.id
    FROM production p JOIN product_product v ON v.id = p.product JOIN product_template t ON t.id = v.template JOIN production_bom b ON b.id = p.bom
    WHERE p.state = 'done' AND p.company = %s AND v.active AND t.active AND b.active ORDER BY p.product, p.bom, p.id DESC
"""
# What each piece needs, in the unit of the material itself.
NEEDED = """
    SELECT i.product, i.quantity * u.factor / d.factor / coalesce(nullif(o.quantity, 0), 1) FROM production_bom_input i
    JOIN production_bom_output o ON o.bom = i.bom AND o.product = %s
    JOIN product_product p ON p.id = i.product JOIN product_template t ON t.id = p.template
    JOIN product_uom u ON u.id = i.{unit} JOIN product_uom d ON d.id = t.default_uom WHERE i.bom = %s AND t.type = 'goods'
"""
WORKED_ON = """
    SELECT w.id, w.name, w.origin FROM timesheet_line l JOIN timesheet_work w ON w.id = l.work
    WHERE w.company = %s AND coalesce(w.timesheet_start_date, CURRENT_DATE) <= CURRENT_DATE
      AND coalesce(w.timesheet_end_date, CURRENT_DATE) >= CURRENT_DATE ORDER BY (w.origin LIKE 'production%%'), l.id DESC LIMIT 1
"""


@dataclass(frozen=True)
class Warehouse:
    """A warehouse and its places."""

    record: int
    called: str
    storage: int
    output: int
    input: int


@dataclass(frozen=True)
class Goods:
    """What is traded with whom, and through which warehouse; ``amount`` is one of the unit it is traded in, in the product's own unit.

    What is not ``stored`` is a service, which nobody has to deliver.
    """

    party: int
    party_called: str
    product: int
    product_called: str
    warehouse: Warehouse
    amount: Decimal
    stored: bool = True


@dataclass(frozen=True)
class Made:
    """What is made, of what, where; ``materials`` counts the lines of the bill of material."""

    product: int
    product_called: str
    bom: int
    bom_called: str
    warehouse: Warehouse
    routing: int | None
    work_center: int | None
    materials: int
    picking: int
    output: int


def company(connection: Connection) -> int:
    """The company that most users work in."""
    found = books.value(connection, COMPANY)
    if found is None:
        raise LeftOut(gettext_noop("there is no company"))
    return int(found)


def needs(connection: Connection, *tables: str) -> None:
    """Leave a flow out where one of its tables is missing, that is: where a module is not activated."""
    missing = [table for table in tables if table not in schema.tables(connection)]
    if missing:
        raise LeftOut(gettext_noop("a module is not activated: there is no table {table}"), table=missing[0])


def sold(connection: Connection, of: int) -> Goods:
    """Goods that were sold of late and that are in stock, and who bought them; where there are none, a service that was sold of late."""
    names = {"line": "sale_line", "order": "sale_sale", "link": "sale", "trait": "salable", "unit": "sale_uom"}
    rows = _traded(connection, of, kind="goods", **names)
    for party, party_called, product, product_called, place, amount in rows:
        house = warehouse(connection, place)
        if books.available(connection, of, product, house.storage) >= amount:
            return Goods(party, party_called, product, product_called, house, amount)
    for party, party_called, product, product_called, place, amount in _traded(connection, of, kind="service", **names)[:1]:
        return Goods(party, party_called, product, product_called, warehouse(connection, place), amount, stored=False)
    if rows:
        raise LeftOut(gettext_noop("no goods that were ever sold are in stock"))
    raise LeftOut(gettext_noop("no goods were ever sold to a party that is still active"))


def bought(connection: Connection, of: int) -> Goods:
    """Goods that were bought of late, and of whom."""
    rows = _traded(
        connection, of, line="purchase_line", order="purchase_purchase", link="purchase", kind="goods", trait="purchasable", unit="purchase_uom"
    )
    if not rows:
        raise LeftOut(gettext_noop("no goods were ever bought of a party that is still active"))
    party, party_called, product, product_called, place, amount = rows[0]
    return Goods(party, party_called, product, product_called, warehouse(connection, place), amount)


def _traded(connection: Connection, of: int, **names: str) -> list[tuple[Any, ...]]:
    lots = "lot_required" in schema.tables(connection)["product_template"]
    no_lot = "coalesce(t.lot_required::text, '[]') IN ('[]', 'null', '')" if lots else "true"
    return connection.execute(TRADED.format(no_lot=no_lot, **names), [of]).fetchall()


def warehouse(connection: Connection, wanted: int) -> Warehouse:
    """The wanted warehouse, or the first one where it is gone."""
    row = connection.execute(WAREHOUSE, [wanted, wanted]).fetchone()
    if row is None:
        raise LeftOut(gettext_noop("there is no warehouse"))
    return Warehouse(*row)


def made(connection: Connection, of: int) -> Made:
    """What was made of late and whose materials are in stock."""
    columns = schema.tables(connection)["production"]
    names = {name: f"p.{name}" if name in columns else "NULL::int" for name in ("routing", "work_center")}
    rows = sorted(connection.execute(PRODUCED.format(**names), [of]).fetchall(), key=lambda row: -row[-1])
    for product, called, bom, bom_called, place, routing, center, materials, _newest in rows:
        house = warehouse(connection, place)
        picking, output = _production_places(connection, house)
        needed = connection.execute(NEEDED.format(unit="unit"), [product, bom]).fetchall()
        if all(books.available(connection, of, material, picking) >= amount for material, amount in needed):
            return Made(product, called, bom, bom_called, house, routing, center, materials, picking, output)
    if rows:
        raise LeftOut(gettext_noop("the materials of nothing that was ever made are in stock"))
    raise LeftOut(gettext_noop("nothing was ever made"))


def _production_places(connection: Connection, house: Warehouse) -> tuple[int, int]:
    query = "SELECT coalesce(production_picking_location, %s), coalesce(production_output_location, %s) FROM stock_location WHERE id = %s"
    row = connection.execute(query, [house.storage, house.storage, house.record]).fetchone()
    return (row[0], row[1]) if row else (house.storage, house.storage)


def worked_on(connection: Connection, of: int) -> tuple[int, str]:
    """The work on which time was entered last and that takes more; a work that a document has made is named by the document."""
    row = connection.execute(WORKED_ON, [of]).fetchone()
    if row is None:
        raise LeftOut(gettext_noop("there is no work that takes time today"))
    number, called, origin = row
    return int(number), str(called or origin or number)
