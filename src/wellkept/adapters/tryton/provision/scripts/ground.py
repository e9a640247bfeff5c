"""The ground of the company: currency, company, chart of accounts, fiscal years, taxes, terms, banks, people, warehouse."""

import datetime as dt
from decimal import Decimal

from session import find, new

COMPANY_NAME = "和泰泵业 Harmony Pumps Co., Ltd."
COUNTRIES = (("China", "CN"), ("Germany", "DE"), ("United Kingdom", "GB"), ("United States", "US"), ("Hong Kong", "HK"))


def make_company(session, people, passwords):
    """Company, employees and users; passwords come from the caller and are stored by Tryton as hashes only."""
    with session.work():
        cny, _usd = _currencies(session)
        new(session.get("country.country"), [{"name": name, "code": code} for name, code in COUNTRIES])
        party, *staff = new(
            session.get("party.party"),
            [{"name": COMPANY_NAME, "addresses": [("create", [_company_address(session)])]}, *({"name": person["name"]} for person in people)],
        )
        (company,) = new(session.get("company.company"), [{"party": party.id, "currency": cny.id, "timezone": "Asia/Shanghai"}])
        session.company = company.id
        User = session.get("res.user")
        User.write([User(1)], {"companies": [("add", [company.id])], "company": company.id})
    with session.work():
        _users(session, people, passwords, staff)
        _schedule(session)


def _schedule(session):
    """Have Tryton's own jobs work for the company, the next time each of them is due after the base date's morning."""
    Cron = session.get("ir.cron")
    jobs = Cron.search([])
    Cron.write(jobs, {"companies": [("add", [session.company])]})
    morning = dt.datetime.combine(session.base, dt.time(9))
    for job in jobs:
        job.next_call = job.compute_next_call(morning)
    Cron.save(jobs)


def _currencies(session):
    Currency = session.get("currency.currency")
    first = session.base - dt.timedelta(days=400)
    rows = (("Yuan Renminbi", "CNY", "¥", "1"), ("US Dollar", "USD", "$", "0.14"))
    return new(
        Currency,
        [
            {
                "name": name,
                "code": code,
                "symbol": symbol,
                "digits": 2,
                "rounding": Decimal("0.01"),
                "rates": [("create", [{"date": first, "rate": Decimal(rate)}])],
            }
            for name, code, symbol, rate in rows
        ],
    )


def _company_address(session):
    china = find(session.get("country.country"), ("code", "=", "CN"))
    return {"street": "工业园区星湖街 218 号", "postal_code": "215000", "city": "苏州", "country": china.id}


def _users(session, people, passwords, staff):
    Employee, User, Group = session.get("company.employee"), session.get("res.user"), session.get("res.group")
    joined = session.base - dt.timedelta(days=900)
    groups = {group.name: group.id for group in Group.search([])}
    for number, (person, party) in enumerate(zip(people, staff, strict=True)):
        left = session.base - dt.timedelta(days=45) if person.get("left") else None
        (employee,) = new(
            Employee, [{"party": party.id, "company": session.company, "start_date": joined + dt.timedelta(days=number * 17), "end_date": left}]
        )
        values = {
            "name": person["name"],
            "login": person["login"],
            "email": f"{person['login']}@example.com",
            "companies": [("add", [session.company])],
            "company": session.company,
            "employees": [("add", [employee.id])],
            "employee": employee.id,
            "groups": [("add", [groups[name] for name in person["groups"]])],
        }
        if person["login"] in passwords:
            values["password"] = passwords[person["login"]]
        (user,) = new(User, [values])
        session.users[person["login"]] = user.id
        session.employees[person["login"]] = employee.id
    new(
        session.get("company.employee_cost_price"),
        [
            {"employee": employee, "date": joined, "cost_price": Decimal(60 + 5 * number)}
            for number, employee in enumerate(session.employees.values())
        ],
    )


def make_books(session):
    """Chart of accounts, fiscal years with periods and sequences, tax, payment terms, journals, dunning procedure."""
    with session.work("admin"):
        _chart(session)
    with session.work("admin"):
        first = session.base - dt.timedelta(days=380)
        last = session.base + dt.timedelta(days=60)
        for year in range(first.year, last.year + 1):
            _fiscal_year(session, year)
    with session.work("admin"):
        accounts = find_accounts(session)
        _taxes(session, accounts)
        _terms(session)
        _banking(session, accounts)
        new(
            session.get("account.dunning.procedure"),
            [{"name": "Reminders", "levels": [("create", [{"sequence": i, "overdue": dt.timedelta(days=d)} for i, d in enumerate((10, 30, 60))])]}],
        )


def _chart(session):
    Wizard = session.get("account.create_chart", type="wizard")
    session_id, _, _ = Wizard.create()
    wizard = Wizard(session_id)
    wizard.account.company = session.company
    wizard.account.account_template = session.xml("account", "account_template_root_en")
    wizard.transition_create_account()
    accounts = find_accounts(session)
    wizard.properties.company = session.company
    wizard.properties.account_receivable = accounts["Main Receivable"]
    wizard.properties.account_payable = accounts["Main Payable"]
    wizard.transition_create_properties()
    Wizard.delete(session_id)
    _numbered_accounts(session, accounts)


def _numbered_accounts(session, accounts):
    """Give the chart the numbers a Chinese company knows, and the accounts that the template lacks."""
    Account = session.get("account.account")
    codes = {
        "Main Cash": "1001",
        "Main Receivable": "1122",
        "Stock": "1405",
        "Main Payable": "2202",
        "Main Tax": "2221",
        "Main Revenue": "6001",
        "Main Expense": "6601",
        "Stock Expense": "6401",
    }
    for name, code in codes.items():
        accounts[name].code = code
    Account.save([accounts[name] for name in codes])
    copies = (
        ("1002", "Bank", "Main Cash"),
        ("1012", "Payments in Transit", "Main Cash"),
        ("6602", "Salaries", "Main Expense"),
        ("6603", "Rent and Energy", "Main Expense"),
        ("6402", "Stock Out Expense", "Stock Expense"),
        ("4001", "Capital", None),
    )
    for code, name, like in copies:
        source = accounts[like or "Main Payable"]
        values = {"name": name, "code": code, "template": None}
        if like is None:
            values |= {"type": _equity_type(session), "reconcile": False, "party_required": False}
        if code == "1012":
            values["reconcile"] = True
        Account.copy([source], values)


def _equity_type(session):
    Type = session.get("account.account.type")
    return Type.search([("name", "ilike", "%Equity%"), ("company", "=", session.company)], order=[("id", "DESC")], limit=1)[0].id


def find_accounts(session):
    """The accounts of the company by name."""
    Account = session.get("account.account")
    return {account.name: account for account in Account.search([("company", "=", session.company)])}


def _fiscal_year(session, year):
    FiscalYear, Sequence, Strict = session.get("account.fiscalyear"), session.get("ir.sequence"), session.get("ir.sequence.strict")
    moves = find(session.get("ir.sequence.type"), ("name", "=", "Account Move")).id
    invoices = find(session.get("ir.sequence.type"), ("name", "=", "Invoice")).id
    (posted,) = new(
        Sequence, [{"name": f"Posted moves {year}", "sequence_type": moves, "company": session.company, "prefix": f"{year}-", "padding": 6}]
    )
    kinds = (
        ("out_invoice_sequence", "INV"),
        ("out_credit_note_sequence", "CRN"),
        ("in_invoice_sequence", "BILL"),
        ("in_credit_note_sequence", "SCR"),
    )
    strict = new(
        Strict,
        [
            {"name": f"{prefix} {year}", "sequence_type": invoices, "company": session.company, "prefix": f"{prefix}{year}-", "padding": 5}
            for _, prefix in kinds
        ],
    )
    years = new(
        FiscalYear,
        [
            {
                "name": str(year),
                "start_date": dt.date(year, 1, 1),
                "end_date": dt.date(year, 12, 31),
                "company": session.company,
                "post_move_sequence": posted.id,
                "account_stock_method": "continental",
                "invoice_sequences": [
                    ("create", [{field: sequence.id for (field, _), sequence in zip(kinds, strict, strict=True)} | {"company": session.company}])
                ],
            }
        ],
    )
    FiscalYear.create_period(years)


def _taxes(session, accounts):
    Tax, Group = session.get("account.tax"), session.get("account.tax.group")
    groups = new(
        Group, [{"name": "VAT on sales", "code": "VAT-S", "kind": "sale"}, {"name": "VAT on purchases", "code": "VAT-P", "kind": "purchase"}]
    )
    new(
        Tax,
        [
            {
                "name": group.name + " 13%",
                "description": "VAT 13%",
                "type": "percentage",
                "rate": Decimal("0.13"),
                "group": group.id,
                "company": session.company,
                "invoice_account": accounts["Main Tax"].id,
                "credit_note_account": accounts["Main Tax"].id,
            }
            for group in groups
        ],
    )


def _terms(session):
    new(
        session.get("account.invoice.payment_term"),
        [
            {"name": "30 days net", "lines": [("create", [{"type": "remainder", "relativedeltas": [("create", [{"days": 30}])]}])]},
            {"name": "At once", "lines": [("create", [{"type": "remainder", "relativedeltas": [("create", [{"days": 0}])]}])]},
            {
                "name": "25% at once, rest in 60 days",
                "lines": [
                    (
                        "create",
                        [
                            {
                                "sequence": 1,
                                "type": "percent_on_total",
                                "ratio": Decimal("0.25"),
                                "divisor": Decimal(4),
                                "relativedeltas": [("create", [{"days": 0}])],
                            },
                            {"sequence": 2, "type": "remainder", "relativedeltas": [("create", [{"days": 60}])]},
                        ],
                    )
                ],
            },
        ],
    )


def _banking(session, accounts):
    Journal = session.get("account.journal")
    statement = find(Journal, ("type", "=", "statement"))
    (bank_party,) = new(session.get("party.party"), [{"name": "中国银行 苏州分行"}])
    (bank,) = new(session.get("bank"), [{"party": bank_party.id}])
    company_party = session.get("company.company")(session.company).party.id
    new(
        session.get("bank.account"),
        [{"bank": bank.id, "owners": [("add", [company_party])], "numbers": [("create", [{"type": "other", "number": "6217 0001 2345 6789"}])]}],
    )
    new(
        session.get("account.statement.journal"),
        [{"name": "Bank", "journal": statement.id, "account": accounts["Bank"].id, "company": session.company, "validation": "balance"}],
    )
    new(
        session.get("account.payment.journal"),
        [
            {
                "name": "Bank transfer",
                "company": session.company,
                "process_method": "manual",
                "clearing_account": accounts["Payments in Transit"].id,
                "clearing_journal": find(Journal, ("code", "=", "CASH")).id,
                "clearing_posting_delay": dt.timedelta(days=1),
            }
        ],
    )


def open_books(session, first_day):
    """The opening entry: capital paid into the bank."""
    accounts = find_accounts(session)
    post_move(session, first_day, "Capital paid in", [("Bank", Decimal(8000000)), ("Capital", Decimal(-8000000))], accounts)


def post_move(session, day, text, amounts, accounts):
    """A posted entry of the general journal; positive amounts are debits."""
    Move, Journal, Period = session.get("account.move"), session.get("account.journal"), session.get("account.period")
    company = session.get("company.company")(session.company)
    lines = [{"account": accounts[name].id, "debit": max(amount, Decimal(0)), "credit": max(-amount, Decimal(0))} for name, amount in amounts]
    (move,) = new(
        Move,
        [
            {
                "company": session.company,
                "journal": find(Journal, ("code", "=", "MISC")).id,
                "period": Period.find(company, date=day).id,
                "date": day,
                "description": text,
                "lines": [("create", lines)],
            }
        ],
    )
    Move.post([move])
