"""Documents before they are pressed through their workflow: the values of orders, productions and invoices."""

import datetime as dt
from decimal import Decimal

from ground import find_accounts
from session import find


def working_day(day, latest):
    """The same day, or the Friday before when it falls on a weekend; never after ``latest``."""
    back = max(day.weekday() - 4, 0)
    return min(day - dt.timedelta(days=back), latest)


def earlier(rnd, day):
    """A working day of the days before, most often the same one."""
    return working_day(day - dt.timedelta(days=max(0, rnd.randint(-4, 5))), day)


def read_world(session, customers, suppliers, products):
    """The ids and prices that every document needs, read once."""
    with session.work("admin"):
        Party, Product = session.get("party.party"), session.get("product.product")
        address = {party.id: party.addresses[0].id for party in Party.browse(customers + suppliers)}
        taxes = {tax.group.kind: tax.id for tax in session.get("account.tax").search([])}
        terms = [term.id for term in session.get("account.invoice.payment_term").search([], order=[("id", "ASC")])]
        facts = {
            p.id: (p.default_uom.id, p.list_price, p.cost_price) for p in Product.browse(products["bought"] + products["made"] + products["services"])
        }
        boms = {line.product.id: (line.bom.id, line.routing.id) for line in session.get("product.product-production.bom").search([])}
        hall = find(session.get("production.work.center"), ("parent", "=", None)).id
        warehouse = find(session.get("stock.location"), ("type", "=", "warehouse")).id
        cny = find(session.get("currency.currency"), ("code", "=", "CNY")).id
    return {
        "customers": customers,
        "suppliers": suppliers,
        "address": address,
        "taxes": taxes,
        "terms": terms,
        "facts": facts,
        "boms": boms,
        "hall": hall,
        "warehouse": warehouse,
        "currency": cny,
        **products,
    }


def _lines(rnd, world, ids, kind, largest):
    """Order lines of one to three different products."""
    lines = []
    for product in rnd.sample(ids, min(len(ids), rnd.randint(1, 3))):
        unit, price, cost = world["facts"][product]
        spread = Decimal(rnd.randint(95, 105)) / 100
        amount = ((price if kind == "sale" else cost) * spread).quantize(Decimal("0.01"))
        lines.append(
            {"product": product, "quantity": rnd.randint(1, largest), "unit": unit, "unit_price": amount, "taxes": [("add", [world["taxes"][kind]])]}
        )
    return lines


def purchase_values(rnd, world, day):
    """A purchase of some days before ``day`` or of the day itself."""
    party = rnd.choice(world["suppliers"])
    return {
        "party": party,
        "invoice_address": world["address"][party],
        "payment_term": rnd.choice(world["terms"]),
        "purchase_date": earlier(rnd, day),
        "delivery_date": day + dt.timedelta(days=rnd.randint(1, 10)),
        "invoice_method": rnd.choice(("shipment", "shipment", "order")),
        "reference": f"Q-{rnd.randint(10000, 99999)}",
        "lines": [("create", _lines(rnd, world, world["bought"], "purchase", 60))],
    }


def sale_values(rnd, world, day):
    """A sale of some days before ``day`` or of the day itself; one in five with work on site."""
    party = rnd.choice(world["customers"])
    goods = world["made"] * 3 + world["bought"]
    lines = {line["product"]: line for line in _lines(rnd, world, goods, "sale", 5)}
    if rnd.random() < 0.2:
        extra = _lines(rnd, world, world["services"][:1], "sale", 8)
        lines |= {line["product"]: line for line in extra}
    return {
        "party": party,
        "invoice_address": world["address"][party],
        "shipment_address": world["address"][party],
        "payment_term": rnd.choice(world["terms"]),
        "sale_date": earlier(rnd, day),
        "invoice_method": rnd.choice(("order", "shipment", "shipment")),
        "shipment_method": "order",
        "reference": f"PO {rnd.randint(1000, 99999)}",
        "lines": [("create", list(lines.values()))],
    }


def production_values(rnd, world, start, end):
    """A production order of one pump type."""
    product = rnd.choice(world["made"])
    bom, routing = world["boms"][product]
    return {
        "product": product,
        "bom": bom,
        "routing": routing,
        "work_center": world["hall"],
        "quantity": rnd.randint(2, 8),
        "unit": world["facts"][product][0],
        "planned_start_date": start,
        "planned_date": end,
    }


def invoice_values(session, rnd, world, day):
    """A customer invoice without an order."""
    accounts = find_accounts(session)
    party = rnd.choice(world["customers"])
    line = {
        "type": "line",
        "quantity": 1,
        "unit_price": Decimal(rnd.randint(100, 900)),
        "account": accounts["Main Revenue"].id,
        "description": "Spare parts by agreement",
        "company": session.company,
        "currency": world["currency"],
    }
    return {
        "type": "out",
        "party": party,
        "invoice_address": world["address"][party],
        "account": accounts["Main Receivable"].id,
        "journal": find(session.get("account.journal"), ("code", "=", "REV")).id,
        "payment_term": world["terms"][0],
        "invoice_date": day,
        "currency": world["currency"],
        "lines": [("create", [line])],
    }
