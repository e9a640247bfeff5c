"""From the production order to the finished goods: materials are used up, the work is done, the product lies in the warehouse."""

import datetime as dt
from decimal import Decimal

from wellkept.adapters.tryton import schema
from wellkept.adapters.tryton.trials import books, choose, ordering, shipping
from wellkept.adapters.tryton.trials.client import Form, Person
from wellkept.adapters.tryton.trials.flow import Flow

ROLES = ("planner", "worker")
TABLES = ("production", "production_bom", "stock_move")
MINUTES = dt.timedelta(minutes=15)
MATERIALS = "SELECT product, sum(internal_quantity)::numeric FROM stock_move WHERE production_input = %s GROUP BY product ORDER BY product"
WORKS = "SELECT id FROM production_work WHERE production = %s ORDER BY sequence NULLS FIRST, id"
COST = "SELECT sum(quantity * unit_price)::numeric FROM stock_move WHERE production_output = %s AND state = 'done'"


def run(flow: Flow) -> None:
    """Plan, start, work, finish."""
    connection = flow.connection
    made = choose.made(connection, flow.company)
    flow.chosen.update(product=made.product_called, bill_of_material=made.bom_called, warehouse=made.warehouse.called)
    with flow.step("plan", "planner") as planner:
        order = _plan(flow, planner, made)
    needed: dict[int, Decimal] = dict(connection.execute(MATERIALS, [order]).fetchall())
    before = {product: books.quantity(connection, flow.company, product, made.picking) for product in needed}
    entry = books.newest(connection, "account_move")
    with flow.step("start", "worker") as worker:
        worker.press("production", "run", order)
        flow.settle()
        flow.check("the production is running", "running", books.state(flow.connection, "production", order))
        for product, amount in needed.items():
            used = before[product] - books.quantity(connection, flow.company, product, made.picking)
            flow.check("the material has left the warehouse", amount, used)
    works = connection.execute(WORKS, [order]).fetchall() if "production_work" in schema.tables(connection) else []
    if works:
        with flow.step("work", "worker") as worker:
            for (work,) in works:
                _work(flow, worker, work)
    with flow.step("finish", "worker") as worker:
        _finish(flow, worker, made, order)
        shipping.check_entries(flow, entry)


def _plan(flow: Flow, planner: Person, made: choose.Made) -> int:
    form = planner.form("production").enter(warehouse=made.warehouse.record, product=made.product, quantity=1.0, bom=made.bom)
    for name, record in (("routing", made.routing), ("work_center", made.work_center)):
        if record is not None and name in form:
            form.enter(**{name: record})
    materials = [line for line in form.values.get("inputs") or [] if isinstance(line, Form)]
    flow.check("the bill of material is entered into the order", made.materials, len(materials))
    order = form.save()
    planner.press("production", "wait", order)
    ordering.check_numbered(flow, "production", order)
    planner.press("production", "assign_try", order)
    flow.settle()
    flow.check("the materials are assigned", "assigned", books.state(flow.connection, "production", order))
    return order


def _work(flow: Flow, worker: Person, work: int) -> None:
    cycle = worker.form("production.work.cycle").enter(work=work).save()
    worker.press("production.work.cycle", "run", cycle)
    worker.call("production.work.cycle.write", [cycle], {"duration": MINUTES})
    worker.press("production.work.cycle", "do", cycle)
    flow.check("the work is finished", "finished", books.state(flow.connection, "production.work", work))


def _finish(flow: Flow, worker: Person, made: choose.Made, order: int) -> None:
    connection = flow.connection
    before = books.quantity(connection, flow.company, made.product, made.output)
    worker.press("production", "done", order)
    flow.settle()
    flow.check("the production is done", "done", books.state(flow.connection, "production", order))
    flow.check("the product is in the warehouse", Decimal(1), books.quantity(connection, flow.company, made.product, made.output) - before)
    cost = worker.read("production", order, "cost")["cost"]
    flow.check("the product carries the cost of its production", round(cost, 2), round(Decimal(books.value(connection, COST, [order]) or 0), 2))
