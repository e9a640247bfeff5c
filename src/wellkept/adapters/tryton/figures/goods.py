"""Figures of the goods: stock, its value, what is planned, prices, and bills of material."""

from collections.abc import Sequence
from decimal import Decimal

from wellkept.adapters.tryton.figures.source import Source, Table, exact, money, needs
from wellkept.planning.figures import Figure

BUCKET = 1000
# A product's quantity is summed once per pair of locations and only then spread over the two: the million moves are read one time.
AT_LOCATIONS = """
    WITH pairs AS (
        SELECT company, product, from_location, to_location, sum(internal_quantity::numeric) AS quantity
        FROM stock_move WHERE state = 'done' GROUP BY company, product, from_location, to_location
    ), sides AS (
        SELECT company, product, to_location AS location, quantity FROM pairs
        UNION ALL SELECT company, product, from_location, -quantity FROM pairs
    ), stock AS (
        SELECT company, product, location, sum(quantity) AS quantity FROM sides GROUP BY company, product, location HAVING sum(quantity) <> 0
    )
"""
QUANTITY = (
    AT_LOCATIONS
    + """
    SELECT s.company, p.id, coalesce(p.code, ''), t.name, l.id, l.name, s.quantity
    FROM stock s JOIN stock_location l ON l.id = s.location JOIN product_product p ON p.id = s.product JOIN product_template t ON t.id = p.template
"""
)
VALUE = (
    AT_LOCATIONS
    + """
    SELECT s.company, p.id, coalesce(p.code, ''), t.name, sum(s.quantity), max(c.cost_price)
    FROM stock s JOIN stock_location l ON l.id = s.location JOIN product_product p ON p.id = s.product JOIN product_template t ON t.id = p.template
    LEFT JOIN product_cost_price c ON c.product = s.product AND c.company = s.company
    WHERE l.type = 'storage' GROUP BY s.company, p.id, p.code, t.name
"""
)
MOVES = """
    SELECT m.company, m.state, f.type, t.type, count(*), sum(m.internal_quantity::numeric),
           coalesce(sum(m.quantity::numeric * m.unit_price), 0), coalesce(sum(m.internal_quantity::numeric * m.cost_price), 0)
    FROM stock_move m JOIN stock_location f ON f.id = m.from_location JOIN stock_location t ON t.id = m.to_location
    GROUP BY m.company, m.state, f.type, t.type
"""
PRICES = "SELECT company, {link} / %d, count(*), coalesce(sum({value}), 0) FROM {table} GROUP BY 1, 2" % BUCKET  # noqa: UP031 - str.format fills the rest
BILLS = """
    SELECT b.id, b.name, b.active, coalesce(i.told, 'nothing'), coalesce(o.told, 'nothing')
    FROM production_bom b
    LEFT JOIN ({inputs}) i ON i.bom = b.id LEFT JOIN ({outputs}) o ON o.bom = b.id
"""
BILL_LINES = """
    SELECT x.bom, string_agg(x.quantity::numeric::text || ' × ' || coalesce(p.code || ' ', '') || t.name, ', ' ORDER BY p.id, x.id) AS told
    FROM {table} x JOIN product_product p ON p.id = x.product JOIN product_template t ON t.id = p.template GROUP BY x.bom
"""


@needs("stock_move", "stock_location", "product_product", "product_template")
def stock_quantity(source: Source) -> Sequence[Figure]:
    """What lies where: done moves in minus out, per product and location, in the product's own unit."""
    table = Table("stock_quantity", "Stock by product and location")
    for company, product, code, name, location, place, quantity in source.rows(QUANTITY):
        label = f"stock of {code} {name} at {place}{source.of(company)}".replace("  ", " ")
        table.put(f"{company}/{product}/{location}", label, exact(quantity))
    return (table.figure(),)


@needs("stock_move", "stock_location", "product_cost_price", "product_product", "product_template")
def stock_value(source: Source) -> Sequence[Figure]:
    """The value of what lies in storage: quantity times cost price, per product."""
    table = Table("stock_value", "Stock value by product")
    for company, product, code, name, quantity, cost in source.rows(VALUE):
        label = f"stock value of {code} {name}{source.of(company)}".replace("  ", " ")
        table.put(f"{company}/{product}", label, money(quantity * (cost or Decimal(0))))
    return (table.figure(),)


@needs("stock_move", "stock_location")
def stock_planned(source: Source) -> Sequence[Figure]:
    """Stock moves by state and direction: number, quantity, price and cost."""
    table = Table("stock_planned", "Stock moves by state and direction")
    for company, state, start, end, count, quantity, price, cost in source.rows(MOVES):
        key, label = f"{company}/{state}/{start}/{end}", f"stock moves{source.of(company)}, {state}, {start} to {end}"
        table.put(f"{key}/count", f"{label}, number", exact(count))
        table.put(f"{key}/quantity", f"{label}, quantity", exact(quantity))
        table.put(f"{key}/price", f"{label}, price", money(price))
        table.put(f"{key}/cost", f"{label}, cost", money(cost))
    return (table.figure(),)


def prices(source: Source) -> Sequence[Figure]:
    """Cost and list prices: number and sum, for each thousand products."""
    table = Table("prices", "Prices of products")
    for name, link, value in (("product_cost_price", "product", "cost_price"), ("product_list_price", "template", "list_price")):
        if not source.column(name, value):
            continue
        for company, bucket, count, total in source.rows(PRICES.format(table=name, link=link, value=value)):
            first, kind = (bucket or 0) * BUCKET, value.replace("_", " ")
            label = f"{kind}s of {link}s {first} to {first + BUCKET - 1}{source.of(company)}"
            table.put(f"{name}/{company}/{first}/count", f"{label}, number", exact(count))
            table.put(f"{name}/{company}/{first}/sum", f"{label}, sum", money(total))
    return (table.figure(),) if table.values else ()


@needs("production_bom", "production_bom_input", "production_bom_output", "product_product", "product_template")
def bills_of_material(source: Source) -> Sequence[Figure]:
    """What each bill of material takes and makes."""
    table = Table("bills_of_material", "Bills of material")
    inputs, outputs = (BILL_LINES.format(table=name) for name in ("production_bom_input", "production_bom_output"))
    for bill, name, active, taken, made in source.rows(BILLS.format(inputs=inputs, outputs=outputs)):
        table.put(f"bom/{bill}", f"bill of material {name}", f"{'' if active else 'inactive: '}{taken} → {made}")
    return (table.figure(),)
