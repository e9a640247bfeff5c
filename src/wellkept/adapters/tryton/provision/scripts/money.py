"""Money: payments to suppliers through a payment group, and bank statements that settle invoices, in full and in part."""

from decimal import Decimal

from ground import find_accounts
from session import find, new


def pay_suppliers(session, rnd, day):
    """Pay most of the supplier invoices that are due, by bank transfer: one user submits, another approves and sends."""
    Payment = session.get("account.payment")
    with session.work("accountant2", day):
        due = [line for line in _payable_lines(session, ("maturity_date", "<=", day)) if rnd.random() < 0.6]
        payments = new(Payment, [_payment(session, line, day) for line in due])
        Payment.submit(payments)
        ids = [payment.id for payment in payments]
    with session.work("accountant", day):
        payments = Payment.browse(ids)
        Payment.approve(payments)
        send(session, payments)
        failed = [p for p in payments if rnd.random() < 0.04]
        with session.Transaction().set_context(clearing_date=day):
            Payment.succeed([p for p in payments if p not in failed])
        Payment.fail(failed)
        Journal = session.get("account.payment.journal")
        Journal.cron_post_clearing_moves(date=day + _journal(session).clearing_posting_delay)


def _payable_lines(session, *domain):
    Line = session.get("account.move.line")
    open_lines = [("account.type.payable", "=", True), ("reconciliation", "=", None), ("credit", ">", 0), ("payment_amount", ">", 0), *domain]
    return Line.search(open_lines, order=[("id", "ASC")])


def _journal(session):
    return find(session.get("account.payment.journal"), ("name", "=", "Bank transfer"))


def _payment(session, line, day):
    return {
        "company": session.company,
        "journal": _journal(session).id,
        "kind": "payable",
        "party": line.party.id,
        "line": line.id,
        "amount": line.payment_amount,
        "date": day,
    }


def send(session, payments):
    """Put approved payments into a group that goes to the bank; none is fine."""

    def group():
        (made,) = new(session.get("account.payment.group"), [{"company": session.company, "journal": _journal(session).id, "kind": "payable"}])
        return made

    session.get("account.payment").process(payments, group)


def leave_payments_open(session):
    """Payments of the base date that are draft, submitted, approved, on their way, and refused by the bank."""
    Payment = session.get("account.payment")
    with session.work("accountant", session.base):
        lines = _payable_lines(session)[:5]
        payments = new(Payment, [_payment(session, line, session.base) for line in lines])
        Payment.submit(payments[1:])
        Payment.approve(payments[2:])
        send(session, payments[3:])
        Payment.fail(payments[4:])


def pay_at_the_counter(session, invoice, amount):
    """A customer pays ``amount`` of an invoice in cash."""
    Invoice, Line, Move, Period = (session.get(name) for name in ("account.invoice", "account.move.line", "account.move", "account.period"))
    accounts = find_accounts(session)
    company = session.get("company.company")(session.company)
    (move,) = new(
        Move,
        [
            {
                "company": session.company,
                "journal": find(session.get("account.journal"), ("code", "=", "CASH")).id,
                "period": Period.find(company, date=session.today).id,
                "date": session.today,
                "description": f"Cash for {invoice.number}",
                "lines": [
                    (
                        "create",
                        [
                            {"account": accounts["Main Cash"].id, "debit": amount, "credit": Decimal(0)},
                            {"account": invoice.account.id, "party": invoice.party.id, "debit": Decimal(0), "credit": amount},
                        ],
                    )
                ],
            }
        ],
    )
    Move.post([move])
    (line,) = Line.search([("move", "=", move.id), ("account", "=", invoice.account.id)])
    Invoice.add_payment_lines({invoice: [line]})


def make_statement(session, rnd, day):
    """The posted bank statement of a month: customers pay in full or in part, sent groups are debited."""
    Statement = session.get("account.statement")
    with session.work("accountant", day):
        lines = [*_customers_pay(session, rnd, day), *_bank_debits(session, day), _bank_fee(session, day)]
        statement = _statement(session, f"Bank {day:%Y-%m}", day, lines)
        Statement.validate_statement([statement])
        Statement.post([statement])


def _statement(session, name, day, lines):
    Statement = session.get("account.statement")
    journal = find(session.get("account.statement.journal"), ("name", "=", "Bank"))
    before = Statement.search([("journal", "=", journal.id), ("state", "!=", "cancelled")], order=[("date", "DESC"), ("id", "DESC")], limit=1)
    start = before[0].end_balance if before else Decimal(0)
    end = start + sum((line["amount"] for line in lines), Decimal(0))
    values = {"name": name, "company": session.company, "journal": journal.id, "date": day, "start_balance": start, "end_balance": end}
    (statement,) = new(Statement, [{**values, "lines": [("create", lines)]}])
    return statement


def leave_statements_open(session, rnd):
    """A validated, a draft and a cancelled statement of the base date."""
    Statement = session.get("account.statement")
    with session.work("accountant", session.base):
        cancelled = _statement(session, "Bank, entered twice", session.base, [_bank_fee(session, session.base)])
        Statement.cancel([cancelled])
        Statement.validate_statement(
            [_statement(session, f"Bank {session.base} morning", session.base, _customers_pay(session, rnd, session.base)[:2])]
        )
        _statement(session, f"Bank {session.base} noon", session.base, [_bank_fee(session, session.base)])


def _customers_pay(session, rnd, day):
    receivable = find_accounts(session)["Main Receivable"].id
    invoices = session.get("account.invoice").search([("state", "=", "posted"), ("type", "=", "out")], order=[("id", "ASC")])
    lines = []
    for invoice in invoices:
        # Every seventh customer never pays: somebody has to get the reminders.
        if rnd.random() < 0.35 or invoice.party.id % 7 == 0 or invoice.amount_to_pay <= 0:
            continue
        share = Decimal(1) if rnd.random() < 0.85 else Decimal("0.4")
        amount = (invoice.amount_to_pay * share).quantize(Decimal("0.01"))
        lines.append(
            {
                "date": day,
                "party": invoice.party.id,
                "account": receivable,
                "amount": amount,
                "related_to": f"account.invoice,{invoice.id}",
                "description": f"Payment {invoice.number}",
                "number": str(len(lines) + 1),
            }
        )
    return lines


def _bank_debits(session, day):
    """The sent payment groups that the bank has carried out, each once."""
    transit = find_accounts(session)["Payments in Transit"].id
    booked = {line.related_to.id for line in session.get("account.statement.line").search([("related_to", "like", "account.payment.group,%")])}
    groups = session.get("account.payment.group").search([("journal.company", "=", session.company)], order=[("id", "ASC")])
    return [
        {
            "date": day,
            "account": transit,
            "amount": -group.payment_amount_succeeded,
            "related_to": f"account.payment.group,{group.id}",
            "description": f"Transfer {group.number}",
        }
        for group in groups
        if group.id not in booked and group.payment_amount_succeeded
    ]


def _bank_fee(session, day):
    return {"date": day, "account": find_accounts(session)["Main Expense"].id, "amount": Decimal("-35.00"), "description": "账户管理费 account fee"}
