"""What the ERP wrote because of a step, read back with SQL: goods, journal entries, balances, invoices. Amounts come as exact decimals."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from wellkept.adapters.base import Connection, Invalid
from wellkept.lib.text import gettext_noop

INSIDE = "WITH RECURSIVE inside AS (SELECT %(place)s::int AS id UNION SELECT l.id FROM stock_location l JOIN inside i ON l.parent = i.id)"
QUANTITY = (
    INSIDE
    + """
    SELECT coalesce(sum(CASE WHEN state = 'done' AND to_location IN (SELECT id FROM inside) THEN internal_quantity ELSE 0 END
                      - CASE WHEN state = ANY(%(gone)s) AND from_location IN (SELECT id FROM inside) THEN internal_quantity ELSE 0 END)::numeric, 0)
    FROM stock_move WHERE product = %(product)s AND company = %(company)s
"""
)
UNBALANCED = """
    SELECT count(*) FROM (SELECT l.move FROM account_move_line l JOIN account_move m ON m.id = l.move
                          WHERE l.move > %s GROUP BY l.move HAVING sum(l.debit) <> sum(l.credit)) x
"""
PARTY_BALANCE = """
    SELECT coalesce(sum(l.debit - l.credit), 0)
    FROM account_move_line l JOIN account_move m ON m.id = l.move JOIN account_account a ON a.id = l.account
         JOIN account_account_type t ON t.id = a.type
    WHERE l.party = %s AND a.company = %s AND t.{kind}
"""
TOTALS = (
    "SELECT coalesce(sum(l.debit), 0), coalesce(sum(l.credit), 0) FROM account_move_line l JOIN account_move m ON m.id = l.move WHERE m.company = %s"
)
INVOICE = """
    SELECT state, number, move, account, untaxed_amount_cache, tax_amount_cache, total_amount_cache FROM account_invoice WHERE id = %s
"""
LINES = """
    SELECT l.account, a.code, a.name, l.party, l.debit - l.credit, l.reconciliation
    FROM account_move_line l JOIN account_account a ON a.id = l.account WHERE l.move = %s ORDER BY l.id
"""


@dataclass(frozen=True)
class Line:
    """A line of a journal entry; ``amount`` is debit less credit."""

    account: int
    called: str
    party: int | None
    amount: Decimal
    reconciled: bool


@dataclass(frozen=True)
class Invoice:
    """An invoice as it stands in the database."""

    state: str
    number: str | None
    move: int | None
    account: int
    untaxed: Decimal
    tax: Decimal
    total: Decimal


def value(connection: Connection, query: str, parameters: Any = None) -> Any:
    """The first column of the first row, None without one."""
    row = connection.execute(query, parameters).fetchone()
    return row[0] if row else None


def state(connection: Connection, model: str, record: int) -> str:
    """The state of a document."""
    return str(value(connection, f"SELECT state FROM {model.replace('.', '_')} WHERE id = %s", [record]))


def quantity(connection: Connection, company: int, product: int, place: int) -> Decimal:
    """How much of a product is in a place and the places inside it, in the product's own unit."""
    return Decimal(value(connection, QUANTITY, {"place": place, "product": product, "company": company, "gone": ["done"]}))


def available(connection: Connection, company: int, product: int, place: int) -> Decimal:
    """The same without what is assigned to others already."""
    gone = ["done", "assigned"]
    return Decimal(value(connection, QUANTITY, {"place": place, "product": product, "company": company, "gone": gone}))


def newest(connection: Connection, table: str) -> int:
    """The highest id of a table, 0 where there is none; what a step makes comes after it, for nobody else works on a copy."""
    if value(connection, "SELECT to_regclass(%s)", [f'"{table}"']) is None:
        return 0
    return int(value(connection, f'SELECT coalesce(max(id), 0) FROM "{table}"'))


def unbalanced(connection: Connection, after: int) -> int:
    """How many journal entries after an id have debits that differ from their credits."""
    return int(value(connection, UNBALANCED, [after]))


def party_balance(connection: Connection, company: int, party: int, kind: str) -> Decimal:
    """What a party owes us (``receivable``), or the negative of what we owe it (``payable``)."""
    return Decimal(value(connection, PARTY_BALANCE.format(kind=kind), [party, company]))


def difference(connection: Connection, company: int) -> Decimal:
    """All debits less all credits of a company: nought in sound books."""
    row = connection.execute(TOTALS, [company]).fetchone()
    return Decimal(row[0] - row[1]) if row else Decimal(0)


def account_balance(connection: Connection, account: int) -> Decimal:
    """Debits less credits of an account."""
    return Decimal(value(connection, "SELECT coalesce(sum(debit - credit), 0) FROM account_move_line WHERE account = %s", [account]))


def invoice(connection: Connection, record: int) -> Invoice:
    """An invoice. Raises Invalid when it is gone."""
    row = connection.execute(INVOICE, [record]).fetchone()
    if row is None:
        raise Invalid(gettext_noop("there is no invoice {number}"), number=record)
    state, number, move, account, *amounts = row
    return Invoice(state, number, move, account, *(Decimal(amount or 0) for amount in amounts))


def lines(connection: Connection, move: int | None) -> Sequence[Line]:
    """The lines of a journal entry; none of one that is not there."""
    rows = connection.execute(LINES, [move]).fetchall()
    return [Line(account, f"{code or ''} {name}".strip(), party, amount, bool(done)) for account, code, name, party, amount, done in rows]
