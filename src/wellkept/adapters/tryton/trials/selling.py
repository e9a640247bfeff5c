"""From the quotation to the payment: a customer orders goods, gets them, gets the invoice and pays."""

from decimal import Decimal

from wellkept.adapters.tryton.trials import books, choose, invoicing, ordering, paying, shipping
from wellkept.adapters.tryton.trials.client import Person
from wellkept.adapters.tryton.trials.flow import Flow

ROLES = ("seller", "accountant")
TABLES = ("sale_sale", "stock_shipment_out", "account_invoice")


def run(flow: Flow) -> None:
    """Quotation, order, delivery, invoice, payment."""
    connection = flow.connection
    goods = choose.sold(connection, flow.company)
    if goods.stored:
        flow.needs_people(["storekeeper"])
    way = paying.way(flow)
    flow.chosen.update(customer=goods.party_called, product=goods.product_called, warehouse=goods.warehouse.called, payment=way.called)
    owed = books.party_balance(connection, flow.company, goods.party, "receivable")
    with flow.step("quote", "seller") as seller:
        order, amount = _quote(flow, seller, goods)
    with flow.step("order", "seller") as seller:
        seller.press("sale.sale", "confirm", order)
        flow.settle()
        state = ordering.confirmed(flow, seller, "sale.sale", order)
        flow.check("the order is being processed", "processing", state)
        if state == "processing" and seller.read("sale.sale", order, "shipment_method")["shipment_method"] == "manual":
            seller.press("sale.sale", "manual_shipment", order)
        shipments = shipping.of_order(connection, "stock.shipment.out", "sale", order)
        flow.check("the order makes a shipment of what is stored", int(goods.stored), len(shipments))
    for shipment in shipments:
        with flow.step("deliver", "storekeeper") as storekeeper:
            shipping.deliver(flow, storekeeper, shipment, goods)
    with flow.step("invoice", "accountant") as accountant:
        invoice = invoicing.of_order(flow, "sale", order)
        flow.check("the order makes one invoice", 1, len(invoice))
        if invoice:
            invoicing.post(flow, accountant, invoice[0], amount, "receivable", owed)
    with flow.step("pay", way.role) as cashier:
        paying.receive(flow, cashier, way, invoice[0])
        flow.settle()
        flow.check("the invoice is paid", "paid", books.invoice(connection, invoice[0]).state)
        flow.check("the customer owes what he owed before", owed, books.party_balance(connection, flow.company, goods.party, "receivable"))
        flow.check("the order is done", "done", books.state(connection, "sale.sale", order))
        flow.check("the books balance", Decimal(0), books.difference(connection, flow.company))


def _quote(flow: Flow, seller: Person, goods: choose.Goods) -> tuple[int, Decimal]:
    form = seller.form("sale.sale").enter(party=goods.party, description=ordering.MARK)
    if "warehouse" in form:
        form.enter(warehouse=goods.warehouse.record)
    price = ordering.enter_line(form, goods.product)
    order = form.save()
    read = seller.read("sale.sale", order, "untaxed_amount", "tax_amount", "total_amount")
    flow.check("the order costs the price of its line", price, read["untaxed_amount"])
    flow.check("the total is the net amount with the tax", read["untaxed_amount"] + read["tax_amount"], read["total_amount"])
    seller.press("sale.sale", "quote", order)
    ordering.check_numbered(flow, "sale.sale", order)
    flow.check("the order is a quotation", "quotation", books.state(flow.connection, "sale.sale", order))
    return order, read["total_amount"]
