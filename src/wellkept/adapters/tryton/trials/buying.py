"""From the order to the supplier's invoice: goods are ordered, arrive, and are invoiced."""

from decimal import Decimal

from wellkept.adapters.tryton.trials import books, choose, invoicing, ordering, shipping
from wellkept.adapters.tryton.trials.client import Person
from wellkept.adapters.tryton.trials.flow import Flow

ROLES = ("buyer", "receiver", "accountant")
TABLES = ("purchase_purchase", "stock_shipment_in", "account_invoice")
EXPECTED = """
    SELECT m.id FROM stock_move m JOIN purchase_line l ON m.origin = 'purchase.line,' || l.id
    WHERE l.purchase = %s AND m.shipment IS NULL AND m.state = 'draft' ORDER BY m.id
"""


def run(flow: Flow) -> None:
    """Order, receipt, supplier's invoice."""
    connection = flow.connection
    goods = choose.bought(connection, flow.company)
    flow.chosen.update(supplier=goods.party_called, product=goods.product_called, warehouse=goods.warehouse.called)
    owed = books.party_balance(connection, flow.company, goods.party, "payable")
    with flow.step("order", "buyer") as buyer:
        order, amount = _order(flow, buyer, goods)
        moves = [number for (number,) in connection.execute(EXPECTED, [order]).fetchall()]
        flow.check("the order awaits one delivery", 1, len(moves))
    with flow.step("receive", "receiver") as receiver:
        _receive(flow, receiver, goods, moves)
    with flow.step("invoice", "accountant") as accountant:
        invoices = invoicing.of_order(flow, "purchase", order)
        flow.check("the order makes one invoice", 1, len(invoices))
        if invoices:
            today = books.value(connection, "SELECT CURRENT_DATE")
            accountant.call("account.invoice.write", [invoices[0]], {"reference": f"{ordering.MARK} {order}", "invoice_date": today})
            invoicing.post(flow, accountant, invoices[0], amount, "payable", owed)
        flow.check("the books balance", Decimal(0), books.difference(connection, flow.company))


def _order(flow: Flow, buyer: Person, goods: choose.Goods) -> tuple[int, Decimal]:
    form = buyer.form("purchase.purchase").enter(party=goods.party, description=ordering.MARK)
    if "warehouse" in form:
        form.enter(warehouse=goods.warehouse.record)
    price = ordering.enter_line(form, goods.product)
    order = form.save()
    read = buyer.read("purchase.purchase", order, "untaxed_amount", "tax_amount", "total_amount")
    flow.check("the order costs the price of its line", price, read["untaxed_amount"])
    flow.check("the total is the net amount with the tax", read["untaxed_amount"] + read["tax_amount"], read["total_amount"])
    buyer.press("purchase.purchase", "quote", order)
    ordering.check_numbered(flow, "purchase.purchase", order)
    buyer.press("purchase.purchase", "confirm", order)
    flow.settle()
    flow.check("the order is being processed", "processing", ordering.confirmed(flow, buyer, "purchase.purchase", order))
    return order, read["total_amount"]


def _receive(flow: Flow, receiver: Person, goods: choose.Goods, moves: list[int]) -> None:
    connection, place = flow.connection, goods.warehouse.storage
    before, entry = books.quantity(connection, flow.company, goods.product, place), books.newest(connection, "account_move")
    form = receiver.form("stock.shipment.in").enter(supplier=goods.party, warehouse=goods.warehouse.record, reference=ordering.MARK)
    form.enter(incoming_moves=moves)
    shipment = form.save()
    shipping.press_through(flow, receiver, "stock.shipment.in", shipment, {"draft": "receive", "received": "done"})
    flow.settle()
    flow.check("the shipment is done", "done", books.state(flow.connection, "stock.shipment.in", shipment))
    flow.check("the goods are in the warehouse", goods.amount, books.quantity(connection, flow.company, goods.product, place) - before)
    shipping.check_entries(flow, entry)
