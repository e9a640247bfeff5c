"""What orders of every kind have in common: a line is entered, a number is given, the confirmation is followed by the processing."""

from decimal import Decimal

from wellkept.adapters.tryton.trials import books
from wellkept.adapters.tryton.trials.client import Form, Person
from wellkept.adapters.tryton.trials.flow import Flow

MARK = "Wellkept trial"
QUANTITY = 1.0


def enter_line(form: Form, product: int) -> Decimal:
    """Enter a line of one piece of a product, and return what it costs; where the ERP proposes no price, it costs 1."""
    line = form.line("lines", product=product, quantity=QUANTITY)
    if line.values.get("unit_price") is None:
        line.enter(unit_price=Decimal(1))
    return Decimal(line.values["unit_price"]) * Decimal(str(QUANTITY))


def confirmed(flow: Flow, person: Person, model: str, order: int) -> str:
    """The state after the confirmation; where the company lets some time pass before an order is processed, its button is pressed."""
    if books.state(flow.connection, model, order) == "confirmed":
        person.press(model, "process", order)
        flow.settle()
    return books.state(flow.connection, model, order)


def check_numbered(flow: Flow, model: str, record: int) -> None:
    """Assert that a document has a number that no other one of its company has."""
    table = model.replace(".", "_")
    number = books.value(flow.connection, f"SELECT number FROM {table} WHERE id = %s", [record])
    alike = books.value(flow.connection, f"SELECT count(*) FROM {table} WHERE number = %s AND company = %s", [number, flow.company])
    flow.check("the document has a number of its own", 1, alike)
