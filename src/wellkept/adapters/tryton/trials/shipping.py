"""Goods that leave and goods that come: shipments pressed through their states, and what the stock says about it."""

from collections.abc import Sequence
from decimal import Decimal

from wellkept.adapters.base import Connection, Refused
from wellkept.adapters.tryton import schema
from wellkept.adapters.tryton.trials import books, choose
from wellkept.adapters.tryton.trials.client import Person
from wellkept.adapters.tryton.trials.flow import Flow
from wellkept.lib.text import gettext_noop

MOVES = """
    SELECT DISTINCT split_part(m.shipment, ',', 2)::int FROM stock_move m
    JOIN {line} l ON m.origin = %s || l.id WHERE l.{order} = %s AND m.shipment LIKE %s ORDER BY 1
"""
OUT = {"draft": "wait", "waiting": "assign_try", "assigned": "pick", "picked": "pack", "packed": "done", "shipped": "done"}
# Without a place of its own for what goes out there is nothing to pick.
OUT_AT_ONCE = OUT | {"waiting": "pack"}
OUT_AT_ONCE_SINCE_8 = OUT | {"assigned": "pack"}
ARRIVED = """
    SELECT coalesce(sum(internal_quantity), 0)::numeric FROM stock_move
    WHERE shipment = %s AND product = %s AND state = 'done' AND to_location IN (SELECT id FROM stock_location WHERE type = %s)
"""


def of_order(connection: Connection, model: str, order: str, record: int) -> Sequence[int]:
    """The shipments of an order (of the kind ``order``, "sale")."""
    query = MOVES.format(line=f"{order}_line", order=order)
    return [int(number) for (number,) in connection.execute(query, [f"{order}.line,", record, f"{model},%"]).fetchall()]


def deliver(flow: Flow, person: Person, shipment: int, goods: choose.Goods) -> None:
    """Assign, pick, pack and ship the goods of a customer's shipment; assert what became of the stock."""
    connection, place = flow.connection, goods.warehouse.storage
    before, entry = books.quantity(connection, flow.company, goods.product, place), books.newest(connection, "account_move")
    steps = OUT
    if goods.warehouse.storage == goods.warehouse.output:
        steps = OUT_AT_ONCE_SINCE_8 if person.renamed else OUT_AT_ONCE
    press_through(flow, person, "stock.shipment.out", shipment, steps)
    flow.settle()
    flow.check("the shipment is done", "done", books.state(flow.connection, "stock.shipment.out", shipment))
    left = before - books.quantity(connection, flow.company, goods.product, place)
    flow.check("the goods have left the warehouse", goods.amount, left)
    flow.check("the goods are with the customer", goods.amount, arrived(flow, "stock.shipment.out", shipment, goods.product, "customer"))
    check_entries(flow, entry)


def press_through(flow: Flow, person: Person, model: str, record: int, steps: dict[str, str]) -> None:
    """Press the button of each state until there is none. Raises Refused when a button changes nothing."""
    state = books.state(flow.connection, model, record)
    while state in steps:
        person.press(model, steps[state], record)
        after = books.state(flow.connection, model, record)
        if after == state:
            raise Refused(gettext_noop("{button} leaves {record} in the state {state}"), button=steps[state], record=f"{model} {record}", state=state)
        state = after


def arrived(flow: Flow, model: str, shipment: int, product: int, kind: str) -> Decimal:
    """How much of a product a shipment has brought to places of a kind."""
    return Decimal(books.value(flow.connection, ARRIVED, [f"{model},{shipment}", product, kind]))


def check_entries(flow: Flow, after: int) -> None:
    """Assert that every journal entry since an id balances, where the company keeps its books in the ERP."""
    if "account_move" in schema.tables(flow.connection):
        flow.check("the journal entries balance", 0, books.unbalanced(flow.connection, after))
