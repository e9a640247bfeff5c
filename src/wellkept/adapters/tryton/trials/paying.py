"""How an invoice gets settled: by a bank statement, or by the ERP's own payment dialog, as the company does it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from wellkept.adapters.base import Refused
from wellkept.adapters.tryton import schema
from wellkept.adapters.tryton.trials import books
from wellkept.adapters.tryton.trials.client import Person
from wellkept.adapters.tryton.trials.flow import Flow, LeftOut
from wellkept.lib.text import gettext_noop

STATEMENT_JOURNALS = """
    SELECT j.id, j.name, j.account, j.validation FROM account_statement_journal j JOIN company_company c ON c.id = j.company
    WHERE j.active AND j.company = %s AND j.currency = c.currency
    ORDER BY (SELECT max(s.id) FROM account_statement s WHERE s.journal = j.id) DESC NULLS LAST, j.id LIMIT 1
"""
METHODS = "SELECT id, name, debit_account FROM account_invoice_payment_method WHERE active AND company = %s ORDER BY id LIMIT 1"
DIALOG = "wizard.account.invoice.pay"


@dataclass(frozen=True)
class Way:
    """How a customer pays: ``kind`` is statement or dialog, ``account`` where the money arrives."""

    kind: str
    role: str
    record: int
    called: str
    account: int
    validation: str = ""


def way(flow: Flow) -> Way:
    """The company's way: the statement journal that was used last, else its first payment method."""
    tables = schema.tables(flow.connection)
    if "account_statement_journal" in tables and "cashier" in flow.logins:
        row = flow.connection.execute(STATEMENT_JOURNALS, [flow.company]).fetchone()
        if row is not None:
            return Way("statement", "cashier", *row)
    row = flow.connection.execute(METHODS, [flow.company]).fetchone()
    if row is None:
        raise LeftOut(gettext_noop("nothing settles an invoice: there is neither a statement journal that somebody uses nor a payment method"))
    return Way("dialog", "accountant", *row)


def receive(flow: Flow, person: Person, way: Way, invoice: int) -> None:
    """Enter that an invoice was paid in full, and assert that the money arrived and settles it."""
    amount, before = books.invoice(flow.connection, invoice).total, books.account_balance(flow.connection, way.account)
    entry = books.newest(flow.connection, "account_move")
    if way.kind == "statement":
        _by_statement(flow, person, way, invoice, amount)
    else:
        _by_dialog(person, way, invoice, amount)
    flow.settle()
    flow.check("the money is on the account", before + amount, books.account_balance(flow.connection, way.account))
    flow.check("the journal entries balance", 0, books.unbalanced(flow.connection, entry))
    made = books.invoice(flow.connection, invoice)
    open_lines = [line for line in books.lines(flow.connection, made.move) if line.account == made.account and not line.reconciled]
    flow.check("the payment settles the invoice", 0, len(open_lines))


def _by_statement(flow: Flow, person: Person, way: Way, invoice: int, amount: Decimal) -> None:
    form = person.form("account.statement").enter(name="Wellkept trial", journal=way.record)
    line = form.line("lines", date=form.values["date"], amount=amount, related_to=f"account.invoice,{invoice}")
    if line.values.get("amount") != amount:
        line.enter(amount=amount)
    if way.validation == "balance":
        form.enter(end_balance=Decimal(form.values.get("start_balance") or 0) + amount)
    elif way.validation == "amount":
        form.enter(total_amount=amount)
    else:
        form.enter(number_of_lines=1)
    statement = form.save()
    person.press("account.statement", "validate_statement", statement)
    person.press("account.statement", "post", statement)
    flow.check("the statement is posted", "posted", books.value(flow.connection, "SELECT state FROM account_statement WHERE id = %s", [statement]))


def _by_dialog(person: Person, way: Way, invoice: int, amount: Decimal) -> None:
    context: dict[str, Any] = {"active_model": "account.invoice", "active_id": invoice, "active_ids": [invoice]}
    session, start, _end = person.session.call(f"{DIALOG}.create", context={**person.context, **context})
    try:
        asked = person.session.call(f"{DIALOG}.execute", session, {}, start, context={**person.context, **context})
        defaults = {name: value for name, value in asked["view"]["defaults"].items() if not name.endswith(".")}
        shown = dict.fromkeys(asked["view"]["fields_view"]["fields"]) | defaults | {"payment_method": way.record, "amount": amount}
        answer = person.session.call(f"{DIALOG}.execute", session, {start: shown}, "choice", context={**person.context, **context})
        if answer.get("view"):
            raise Refused(gettext_noop("the payment dialog asks back although the whole amount is paid"))
    finally:
        person.session.call(f"{DIALOG}.delete", session, context=dict(person.context))
