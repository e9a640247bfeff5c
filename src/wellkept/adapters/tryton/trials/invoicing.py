"""Invoices: posted by an accountant, and what the books say about each."""

from collections.abc import Sequence
from decimal import Decimal

from wellkept.adapters.tryton.trials import books, ordering
from wellkept.adapters.tryton.trials.client import Person
from wellkept.adapters.tryton.trials.flow import Flow

OF_ORDER = (
    "SELECT DISTINCT i.invoice FROM account_invoice_line i JOIN {line} l ON i.origin = %s || l.id WHERE l.{order} = %s AND i.invoice IS NOT NULL"
)
# What the newest posted invoice but those of trials used for the same product, and for the same tax.
USUAL_ACCOUNTS = """
    SELECT DISTINCT ON (mine.id) mine.account, theirs.account FROM account_invoice_line mine JOIN account_invoice o ON o.id = mine.invoice
    JOIN account_invoice_line theirs ON theirs.product = mine.product AND theirs.invoice <> mine.invoice
    JOIN account_invoice i ON i.id = theirs.invoice AND i.state IN ('posted', 'paid') AND i.type = o.type AND i.company = o.company
    WHERE mine.invoice = %s AND i.description IS DISTINCT FROM o.description ORDER BY mine.id, i.invoice_date DESC, i.id DESC
"""
USUAL_TAX_ACCOUNTS = """
    SELECT DISTINCT ON (mine.id) mine.account, theirs.account FROM account_invoice_tax mine JOIN account_invoice o ON o.id = mine.invoice
    JOIN account_invoice_tax theirs ON theirs.tax = mine.tax AND theirs.invoice <> mine.invoice
    JOIN account_invoice i ON i.id = theirs.invoice AND i.state IN ('posted', 'paid') AND i.type = o.type AND i.company = o.company
    WHERE mine.invoice = %s AND i.description IS DISTINCT FROM o.description ORDER BY mine.id, i.invoice_date DESC, i.id DESC
"""
BY_ACCOUNT = "SELECT account, sum(amount) FROM account_invoice_tax WHERE invoice = %s GROUP BY account"
ACCOUNT = "SELECT trim(concat(code, ' ', name)) FROM account_account WHERE id = %s"
SIGNS = {"receivable": 1, "payable": -1}


def of_order(flow: Flow, order: str, record: int) -> Sequence[int]:
    """The invoices of an order (of the kind ``order``, "sale")."""
    query = OF_ORDER.format(line=f"{order}_line", order=order)
    return [int(number) for (number,) in flow.connection.execute(query, [f"{order}.line,", record]).fetchall()]


def post(flow: Flow, person: Person, record: int, total: Decimal, kind: str, before: Decimal) -> None:
    """Post an invoice and assert what it did to the books. ``before`` is what the party owed (or, negative, what it was owed) until now."""
    entry = books.newest(flow.connection, "account_move")
    person.call("account.invoice.write", [record], {"description": ordering.MARK})
    person.press("account.invoice", "post", record)
    flow.settle()
    made = books.invoice(flow.connection, record)
    flow.check("the invoice is posted", "posted", made.state)
    flow.check("the invoice has a number", True, bool(made.number))
    flow.check("the invoice has the amount of the order", total, made.total)
    flow.check("the invoice has one journal entry", 1, books.value(flow.connection, POSTED, [made.move]))
    flow.check("the journal entries balance", 0, books.unbalanced(flow.connection, entry))
    _check_lines(flow, record, made, kind)
    owed = books.party_balance(flow.connection, flow.company, _party(flow, record), kind)
    flow.check("the party's account has moved by the total", before + SIGNS[kind] * made.total, owed)


POSTED = "SELECT count(*) FROM account_move WHERE id = %s AND state = 'posted'"


def _check_lines(flow: Flow, record: int, made: books.Invoice, kind: str) -> None:
    """The total on the party's account, the tax on that of the tax, and both accounts as they were used before."""
    lines, sign = books.lines(flow.connection, made.move), SIGNS[kind]
    flow.check("the total is on the party's account", sign * made.total, _sum(lines, made.account))
    for account, amount in flow.connection.execute(BY_ACCOUNT, [record]).fetchall():
        flow.check("the tax is on its account", -sign * amount, _sum(lines, account))
    net = sum((line.amount for line in lines), Decimal(0)) - _sum(lines, made.account) + sign * made.tax
    flow.check("the net amount is on the other accounts", -sign * made.untaxed, net)
    for name, query in (("the net amount goes where it went before", USUAL_ACCOUNTS), ("the tax goes where it went before", USUAL_TAX_ACCOUNTS)):
        for mine, theirs in flow.connection.execute(query, [record]).fetchall():
            flow.check(name, _called(flow, theirs), _called(flow, mine))


def _sum(lines: Sequence[books.Line], account: int) -> Decimal:
    return sum((line.amount for line in lines if line.account == account), Decimal(0))


def _party(flow: Flow, record: int) -> int:
    return int(books.value(flow.connection, "SELECT party FROM account_invoice WHERE id = %s", [record]))


def _called(flow: Flow, account: int) -> str:
    return str(books.value(flow.connection, ACCOUNT, [account]))
