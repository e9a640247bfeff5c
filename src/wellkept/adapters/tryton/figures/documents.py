"""Figures of the documents: how many in which state, their amounts, and what was produced."""

from collections.abc import Sequence

from psycopg import sql

from wellkept.adapters.tryton import schema
from wellkept.adapters.tryton.figures.source import Source, Table, exact, money, needs
from wellkept.planning.figures import Figure

SORTS = ("type", "kind")
COUNTED = {"stock_move", "account_move"}
"""Tables of many rows whose states stand in a figure of their own, which reads them anyway."""
ORDERS = {"sale_sale": ("sale_line", "sale"), "purchase_purchase": ("purchase_line", "purchase")}
PRICED = "coalesce(sum(l.quantity::numeric * l.unit_price) FILTER (WHERE l.type = 'line'), 0)"
ORDER_AMOUNTS = """
    SELECT d.company, '', d.state, c.code, count(DISTINCT d.id), count(l.id), {priced}, 0
    FROM {document} d JOIN currency_currency c ON c.id = d.currency LEFT JOIN {line} l ON l.{link} = d.id GROUP BY d.company, d.state, c.code
"""
INVOICE_AMOUNTS = """
    SELECT d.company, d.type, d.state, c.code, count(*), coalesce(sum(l.lines), 0), coalesce(sum(l.amount), 0), coalesce(sum(t.amount), 0)
    FROM account_invoice d JOIN currency_currency c ON c.id = d.currency
    LEFT JOIN (SELECT l.invoice, count(*) AS lines, {priced} AS amount FROM account_invoice_line l GROUP BY l.invoice) l ON l.invoice = d.id
    LEFT JOIN (SELECT invoice, sum(amount) AS amount FROM account_invoice_tax GROUP BY invoice) t ON t.invoice = d.id
    GROUP BY d.company, d.type, d.state, c.code
"""
PRODUCED = """
    SELECT d.company, p.id, coalesce(p.code, ''), t.name, d.state, count(*), coalesce(sum(d.quantity::numeric), 0)
    FROM production d LEFT JOIN product_product p ON p.id = d.product LEFT JOIN product_template t ON t.id = p.template
    GROUP BY d.company, p.id, p.code, t.name, d.state
"""
CYCLES = """
    SELECT c.id, c.name, y.state, count(*), coalesce(round(extract(epoch FROM sum(y.duration)) / 3600, 4), 0), coalesce(sum(y.cost), 0)
    FROM production_work_cycle y JOIN production_work w ON w.id = y.work JOIN production_work_center c ON c.id = w.work_center
    GROUP BY c.id, c.name, y.state
"""


def documents(source: Source) -> Sequence[Figure]:
    """Documents by state (and type), of every business table that has a state."""
    tables = {name: columns for name, columns in schema.with_column(source.tables, "state").items() if name not in COUNTED}
    if not tables:
        return ()
    table = Table("documents", "Documents by state")
    parts = []
    for name, columns in sorted(tables.items()):
        sort = next((sql.Identifier(column) for column in SORTS if column in columns), sql.SQL("NULL"))
        parts.append(
            sql.SQL("SELECT {title}, {sort}::text, state::text, count(*) FROM {name} GROUP BY 2, 3").format(
                title=sql.Literal(name), sort=sort, name=sql.Identifier(name)
            )
        )
    for name, sort, state, count in source.rows(sql.SQL(" UNION ALL ").join(parts)):
        words = ", ".join(str(word) for word in (source.title(name), sort, state) if word)
        table.put(f"{name}/{sort or ''}/{state or ''}", words, exact(count))
    return (table.figure(),)


def amounts(source: Source) -> Sequence[Figure]:
    """Orders and invoices by state and currency: lines, what their lines come to, and the taxes of invoices."""
    table = Table("amounts", "Amounts of orders and invoices")
    for name, (line, link) in ORDERS.items():
        if source.has(name, line):
            _put_amounts(source, table, name, ORDER_AMOUNTS.format(document=name, line=line, link=link, priced=PRICED))
    if source.has("account_invoice", "account_invoice_line", "account_invoice_tax"):
        _put_amounts(source, table, "account_invoice", INVOICE_AMOUNTS.format(priced=PRICED))
    return (table.figure(),) if table.values else ()


def _put_amounts(source: Source, table: Table, name: str, query: str) -> None:
    for company, sort, state, currency, count, lines, amount, tax in source.rows(query):
        key = f"{name}/{company}/{sort}/{state}/{currency}"
        label = ", ".join(word for word in (f"{source.title(name)}{source.of(company)}", sort, state) if word)
        table.put(f"{key}/count", f"{label}, {currency}, documents", exact(count))
        table.put(f"{key}/lines", f"{label}, {currency}, lines", exact(lines))
        table.put(f"{key}/amount", f"{label}, amount of lines in {currency}", money(amount))
        if sort:
            table.put(f"{key}/tax", f"{label}, tax in {currency}", money(tax))


def fulfilment(source: Source) -> Sequence[Figure]:
    """How far orders are shipped and invoiced."""
    table = Table("fulfilment", "Orders shipped and invoiced")
    for name in ORDERS:
        for column in ("shipment_state", "invoice_state"):
            if source.column(name, column):
                for state, value, count in source.rows(f"SELECT state, {column}, count(*) FROM {name} GROUP BY 1, 2"):
                    label = f"{source.title(name)} {state}, {column.replace('_state', '')} {value}"
                    table.put(f"{name}/{state}/{column}/{value}", label, exact(count))
    return (table.figure(),) if table.values else ()


@needs("production", "product_product", "product_template")
def productions(source: Source) -> Sequence[Figure]:
    """Productions by product and state, and the work done at each work centre in hours and cost."""
    table = Table("productions", "Production and work")
    for company, product, code, name, state, count, quantity in source.rows(PRODUCED):
        label = f"production of {code} {name or 'no product'}{source.of(company)}, {state}".replace("  ", " ")
        table.put(f"{company}/{product}/{state}/count", f"{label}, number", exact(count))
        table.put(f"{company}/{product}/{state}/quantity", f"{label}, quantity", exact(quantity))
    if source.has("production_work_cycle", "production_work_center"):
        for center, name, state, count, hours, cost in source.rows(CYCLES):
            label = f"work centre {name}, {state}"
            table.put(f"work/{center}/{state}/cycles", f"{label}, cycles", exact(count))
            table.put(f"work/{center}/{state}/hours", f"{label}, hours", exact(hours))
            table.put(f"work/{center}/{state}/cost", f"{label}, cost", money(cost))
    return (table.figure(),)
