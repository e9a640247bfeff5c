"""What lies on the desks on the last day: at least one document in every state of its workflow, whatever the size of the company."""

from decimal import Decimal

import money
from orders import invoice_values, production_values, purchase_values, sale_values
from session import find, new
from trade import announce, clock_work


def leave_open(session, world):
    """Leave documents of the base date in each of their states."""
    rnd = session.random("desk")
    _purchases(session, rnd, world)
    _productions(session, rnd, world)
    _sales(session, rnd, world)
    _invoices(session, rnd, world)
    money.leave_payments_open(session)
    money.leave_statements_open(session, rnd)
    with session.work("planner", session.base):
        session.get("purchase.request").generate_requests()
        session.get("production").generate_requests()
    with session.work("storekeeper", session.base):
        _internal_shipments(session, rnd, world)
    with session.work("accountant", session.base):
        session.get("account.dunning").generate_dunnings(date=session.base)
    with session.work("admin", session.base):
        # What Tryton's nightly jobs would change is done now, so that the books stand still when its scheduler starts.
        session.get("product.product").recompute_cost_price_from_moves()
        session.get("production").set_cost_from_moves()


def _today(session, values):
    """The same document, of the base date itself."""
    return {name: session.base if name in {"sale_date", "purchase_date"} else value for name, value in values.items()}


def _purchases(session, rnd, world):
    Purchase, Shipment = session.get("purchase.purchase"), session.get("stock.shipment.in")
    with session.work("buyer", session.base):
        purchases = new(Purchase, [_today(session, purchase_values(rnd, world, session.base)) for _ in range(7)])
        Purchase.cancel(purchases[1:2])
        Purchase.quote(purchases[2:])
        Purchase.confirm(purchases[3:])
    with session.work("storekeeper", session.base):
        shipments = announce(session, rnd, session.base)
        Shipment.cancel(shipments[:1])
        Shipment.receive(shipments[2:])
        Shipment.done(shipments[3:])


def _productions(session, rnd, world):
    """Draft, cancelled, waiting, assigned, running with work under way, running with the work done."""
    Production, Cycle = session.get("production"), session.get("production.work.cycle")
    with session.work("planner", session.base):
        productions = new(Production, [production_values(rnd, world, session.base, session.base) for _ in range(6)])
        Production.set_moves(productions)
        Production.cancel(productions[1:2])
        Production.wait(productions[2:])
        Production.assign_force(productions[3:])
    with session.work("worker", session.base):
        running = Production.browse([p.id for p in productions[4:]])
        Production.run(running)
        cycles = new(Cycle, [{"work": running[0].works[0].id}])
        Cycle.run(cycles)
        clock_work(session, rnd, running[1:])


def _sales(session, rnd, world):
    """Draft, cancelled, quotation, and orders whose shipment waits, is assigned, picked, packed or cancelled."""
    Sale, Shipment = session.get("sale.sale"), session.get("stock.shipment.out")
    with session.work("seller", session.base):
        sales = new(Sale, [_today(session, sale_values(rnd, world, session.base)) for _ in range(8)])
        Sale.cancel(sales[1:2])
        Sale.quote(sales[2:])
        Sale.confirm(sales[3:])
        ids = [sale.id for sale in sales[4:]]
    with session.work("storekeeper", session.base):
        shipments = [shipment for sale in Sale.browse(ids) for shipment in sale.shipments]
        Shipment.cancel(shipments[3:4])
        Shipment.assign_force(shipments[:3])
        Shipment.pick(shipments[1:3])
        Shipment.pack(shipments[2:3])


def _invoices(session, rnd, world):
    """Draft, validated, cancelled, posted, and one that was paid in part."""
    Invoice = session.get("account.invoice")
    with session.work("accountant", session.base):
        invoices = new(Invoice, [invoice_values(session, rnd, world, session.base) for _ in range(5)])
        Invoice.validate_invoice(invoices[1:2])
        Invoice.cancel(invoices[2:3])
        Invoice.post(invoices[3:])
        ids = [invoice.id for invoice in invoices[4:]]
    with session.work("accountant", session.base):
        for invoice in Invoice.browse(ids):
            money.pay_at_the_counter(session, invoice, (invoice.amount_to_pay * Decimal("0.4")).quantize(Decimal("0.01")))


def _internal_shipments(session, rnd, world):
    Location, Shipment = session.get("stock.location"), session.get("stock.shipment.internal")
    storage, shelf = find(Location, ("code", "=", "STO")).id, find(Location, ("code", "=", "STO-A")).id
    rows = []
    for _ in range(4):
        product = rnd.choice(world["bought"])
        move = {
            "product": product,
            "quantity": rnd.randint(1, 20),
            "unit": world["facts"][product][0],
            "from_location": storage,
            "to_location": shelf,
            "company": session.company,
        }
        rows.append(
            {
                "from_location": storage,
                "to_location": shelf,
                "company": session.company,
                "planned_date": session.base,
                "planned_start_date": session.base,
                "moves": [("create", [move])],
            }
        )
    shipments = new(Shipment, rows)
    Shipment.wait(shipments[1:])
    Shipment.assign_try(shipments[2:])
    Shipment.done([s for s in shipments[3:] if s.state == "assigned"])
