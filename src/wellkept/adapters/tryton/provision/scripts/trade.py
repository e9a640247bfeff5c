"""A year of trade, period by period: purchases, production, sales, deliveries, invoices, money."""

import datetime as dt
from decimal import Decimal

import money
from ground import find_accounts, post_move
from orders import production_values, purchase_values, sale_values, working_day
from session import find, new

# How far into a period each step is taken. A document's own day may lie some days before the step that enters it.
STEPS = {"buy": 0.1, "run": 0.2, "receive": 0.3, "sell": 0.5, "deliver": 0.65, "invoice": 0.75, "pay": 0.85, "bank": 1.0}


def make_history(session, world, amounts):
    """Play the periods up to the base date; every step of a period has its own working day and its own user."""
    rnd = session.random("trade")
    periods = amounts["periods"]
    length = 7 * amounts["weeks"] / periods
    months = max(1, round(28 / length))
    for period in range(periods, 0, -1):
        days = {step: working_day(session.base - dt.timedelta(days=int(length * (period - part))), session.base) for step, part in STEPS.items()}
        buy(session, rnd, world, days["buy"], _part(amounts["purchases"], periods, period))
        _produce(session, rnd, world, days, _part(amounts["productions"], periods, period))
        receive(session, rnd, days["receive"])
        sell(session, rnd, world, days["sell"], _part(amounts["sales"], periods, period))
        _deliver(session, rnd, days["deliver"])
        post_invoices(session, rnd, days["invoice"])
        if period % months == 1 % months:
            money.pay_suppliers(session, rnd, days["pay"])
            money.make_statement(session, rnd, days["bank"])
            _monthly_entries(session, days["bank"])


def _part(total, periods, period):
    """How many of ``total`` fall into one period, spread so that the parts add up."""
    return total * period // periods - total * (period - 1) // periods


def buy(session, rnd, world, day, count):
    """Order; one in 25 is cancelled."""
    with session.work("buyer", day):
        Purchase = session.get("purchase.purchase")
        purchases = new(Purchase, [purchase_values(rnd, world, day) for _ in range(count)])
        cancelled = [p for p in purchases if rnd.random() < 0.04]
        going = [p for p in purchases if p not in cancelled]
        Purchase.cancel(cancelled)
        Purchase.quote(going)
        Purchase.confirm(going)


def receive(session, rnd, day):
    """Take in what was ordered."""
    with session.work("storekeeper", day):
        Shipment = session.get("stock.shipment.in")
        shipments = announce(session, rnd, day)
        Shipment.receive(shipments)
        Shipment.done([s for s in shipments if s.state == "received"])


def announce(session, rnd, day):
    """Supplier shipments for the open orders, one for each order; one order in ten is late."""
    warehouse = find(session.get("stock.location"), ("type", "=", "warehouse"))
    Move, Shipment = session.get("stock.move"), session.get("stock.shipment.in")
    waiting = {}
    for move in Move.search([("state", "=", "draft"), ("from_location.type", "=", "supplier"), ("shipment", "=", None)], order=[("id", "ASC")]):
        waiting.setdefault(move.origin.purchase, []).append(move.id)
    rows = [
        {
            "warehouse": warehouse.id,
            "warehouse_input": warehouse.input_location.id,
            "warehouse_storage": warehouse.storage_location.id,
            "supplier": order.party.id,
            "company": session.company,
            "reference": f"DN{rnd.randint(1000, 9999)}",
            "planned_date": day,
            "effective_date": day,
            "incoming_moves": [("add", moves)],
        }
        for order, moves in waiting.items()
        if rnd.random() < 0.9
    ]
    return new(Shipment, rows)


def _produce(session, rnd, world, days, count):
    Production = session.get("production")
    with session.work("planner", days["buy"]):
        productions = new(Production, [production_values(rnd, world, days["run"], days["receive"]) for _ in range(count)])
        Production.set_moves(productions)
        cancelled = [p for p in productions if rnd.random() < 0.04]
        Production.cancel(cancelled)
        going = [p for p in productions if p not in cancelled]
        Production.wait(going)
        Production.assign_try(going)
    with session.work("worker", days["run"]):
        Production.run(Production.search([("state", "=", "assigned")], order=[("id", "ASC")]))
    with session.work("worker2", days["receive"]):
        running = Production.search([("state", "=", "running")], order=[("id", "ASC")])
        finished = [p for p in running if rnd.random() < 0.92]
        clock_work(session, rnd, finished)
        Production.done(finished)


def clock_work(session, rnd, productions):
    """Clock the work of every operation, at the work centre and on the timesheets."""
    Cycle, Line = session.get("production.work.cycle"), session.get("timesheet.line")
    works = [work for production in productions for work in production.works]
    minutes = [rnd.randint(20, 180) for _ in works]
    cycles = new(Cycle, [{"work": work.id, "duration": dt.timedelta(minutes=spent)} for work, spent in zip(works, minutes, strict=True)])
    Cycle.run(cycles)
    Cycle.do(cycles)
    hands = [session.employees["worker"], session.employees["worker2"]]
    new(
        Line,
        [
            {
                "work": work.timesheet_works[0].id,
                "employee": rnd.choice(hands),
                "date": session.today,
                "duration": dt.timedelta(minutes=spent),
                "company": session.company,
            }
            for work, spent in zip(works, minutes, strict=True)
            if work.timesheet_works
        ],
    )


def sell(session, rnd, world, day, count):
    """Sell; one in twenty is cancelled, one in thirty stays a quotation."""
    with session.work(rnd.choice(("seller", "seller2")), day):
        Sale = session.get("sale.sale")
        sales = new(Sale, [sale_values(rnd, world, day) for _ in range(count)])
        cancelled = [s for s in sales if rnd.random() < 0.05]
        going = [s for s in sales if s not in cancelled]
        Sale.cancel(cancelled)
        Sale.quote(going)
        Sale.confirm([s for s in going if rnd.random() < 0.97])


def _deliver(session, rnd, day):
    with session.work("storekeeper", day):
        Shipment = session.get("stock.shipment.out")
        waiting = Shipment.search([("state", "in", ["waiting", "assigned"])], order=[("id", "ASC")])
        Shipment.assign_try([s for s in waiting if s.state == "waiting"])
        assigned = [s for s in waiting if s.state == "assigned" and rnd.random() < 0.95]
        Shipment.pick(assigned)
        Shipment.pack(assigned)
        Shipment.done(assigned)


def post_invoices(session, rnd, day):
    """Post the invoices that the orders and shipments have made; one in 25 waits."""
    with session.work("accountant", day):
        Invoice = session.get("account.invoice")
        drafts = [i for i in Invoice.search([("state", "=", "draft")], order=[("id", "ASC")]) if rnd.random() < 0.96]
        for invoice in drafts:
            invoice.invoice_date = day
            if invoice.type == "in":
                invoice.reference = f"S{invoice.party.id}-{rnd.randint(100000, 999999)}"
        Invoice.save(drafts)
        Invoice.post(drafts)


def _monthly_entries(session, day):
    with session.work("accountant", day):
        accounts = find_accounts(session)
        post_move(session, day, "Salaries", [("Salaries", Decimal(8600)), ("Bank", Decimal(-8600))], accounts)
        post_move(session, day, "Rent and energy", [("Rent and Energy", Decimal(2450)), ("Bank", Decimal(-2450))], accounts)
