"""Figures of the books: accounts, parties, invoices, numbers, taxes, payments."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from wellkept.adapters.tryton.figures.source import Source, Table, exact, money, needs
from wellkept.planning.figures import Figure

BALANCES = ("account_move_line", "account_account", "account_account_type", "party_party")
MOST_MOVES = 1000
MOST_NUMBERS = 20

# Two figures come from one pass over the lines.
LEDGER = """
    SELECT l.account, m.company, m.journal, m.period, m.state, count(*), sum(l.debit), sum(l.credit)
    FROM account_move_line l JOIN account_move m ON m.id = l.move GROUP BY l.account, m.company, m.journal, m.period, m.state
"""
MOVES = "SELECT company, journal, period, state, count(*), sum(date - DATE '2000-01-01') FROM account_move GROUP BY company, journal, period, state"
ACCOUNTS = "SELECT id, coalesce(code, ''), name, company FROM account_account"
JOURNALS = "SELECT id, name FROM account_journal"
PERIODS = "SELECT p.id, p.name, f.id, f.name FROM account_period p JOIN account_fiscalyear f ON f.id = p.fiscalyear"
UNBALANCED = """
    SELECT m.id, coalesce(m.number, m.{posted}, ''), l.difference
    FROM (SELECT move, sum(debit - credit) AS difference FROM account_move_line GROUP BY move HAVING sum(debit - credit) <> 0) l
    JOIN account_move m ON m.id = l.move ORDER BY m.id
"""
# The accounts are found first: joining them to every line would double the time.
BY_PARTY = """
    SELECT a.company, p.id, coalesce(p.code, ''), p.name, s.balance
    FROM (SELECT account, party, sum(debit - credit) AS balance FROM account_move_line
          WHERE account = ANY(ARRAY(SELECT a.id FROM account_account a JOIN account_account_type t ON t.id = a.type WHERE t.{kind}))
          GROUP BY account, party HAVING sum(debit - credit) <> 0) s
    JOIN account_account a ON a.id = s.account LEFT JOIN party_party p ON p.id = s.party
"""
OPEN_INVOICES = """
    WITH posted AS (SELECT id, number, party, move, account FROM account_invoice WHERE state = 'posted'), due AS (
        SELECT i.id, l.id AS line, l.debit - l.credit AS amount
        FROM posted i JOIN account_move_line l ON l.move = i.move AND l.account = i.account WHERE l.reconciliation IS NULL
        UNION
        SELECT i.id, l.id, l.debit - l.credit
        FROM posted i JOIN "account_invoice-account_move_line" r ON r.invoice = i.id JOIN account_move_line l ON l.id = r.line
        WHERE l.reconciliation IS NULL
    )
    SELECT i.id, coalesce(i.number, ''), p.name, sum(due.amount)
    FROM posted i JOIN due ON due.id = i.id JOIN party_party p ON p.id = i.party GROUP BY i.id, i.number, p.name
"""
RECONCILIATIONS = """
    SELECT a.company, a.id, coalesce(a.code, ''), a.name, count(l.reconciliation), count(DISTINCT l.reconciliation),
           coalesce(sum(l.debit - l.credit) FILTER (WHERE l.reconciliation IS NULL), 0)
    FROM account_move_line l JOIN account_account a ON a.id = l.account WHERE a.reconcile GROUP BY a.company, a.id, a.code, a.name
"""
# The digits at the end (the last 18: so many a bigint holds) are cut off with rtrim: regular expressions would take three times as long. OFFSET 0
# keeps the planner from doing it anew wherever the prefix is used.
NUMBERS = """
    SELECT series, prefix, right(CASE WHEN prefix = '' THEN number ELSE right(number, -length(prefix)) END, 18)::bigint AS n
    FROM (SELECT series, number, rtrim(number, '0123456789') AS prefix FROM ({source}) s OFFSET 0) cut WHERE prefix <> number
"""
RANGES = "SELECT series, prefix, count(*), min(n), max(n), count(DISTINCT n) FROM ({numbers}) x GROUP BY series, prefix"
GAPS = """
    SELECT n + 1 FROM (SELECT n, lead(n) OVER (ORDER BY n) AS next FROM ({numbers}) x WHERE series = %s AND prefix = %s) y
    WHERE next - n > 1 ORDER BY n LIMIT %s
"""
POSTED_MOVES = """
    SELECT p.fiscalyear AS series, m.{posted} AS number
    FROM account_move m JOIN account_period p ON p.id = m.period WHERE m.{posted} IS NOT NULL
"""
INVOICES = "SELECT type AS series, number FROM account_invoice WHERE number IS NOT NULL"
INVOICE_SERIES = {"out": "customer invoice", "in": "supplier invoice"}
TAXES = """
    SELECT x.id, x.name, t.type, count(*), sum(t.amount) FROM account_tax_line t JOIN account_tax x ON x.id = t.tax GROUP BY x.id, x.name, t.type
"""
PAYMENTS = """
    SELECT p.company, j.id, j.name, p.kind, p.state, count(*), sum(p.amount)
    FROM account_payment p JOIN account_payment_journal j ON j.id = p.journal GROUP BY p.company, j.id, j.name, p.kind, p.state
"""
STATEMENTS = """
    SELECT s.id, coalesce(s.name, ''), j.name, s.date, s.state, s.start_balance, s.end_balance, count(l.id), coalesce(sum(l.amount), 0)
    FROM account_statement s JOIN account_statement_journal j ON j.id = s.journal LEFT JOIN account_statement_line l ON l.statement = s.id
    GROUP BY s.id, j.name
"""


@needs("account_move_line", "account_period", "account_fiscalyear", "account_move", "account_account", "account_journal")
def ledger(source: Source) -> Sequence[Figure]:
    """Debit and credit of every account in every fiscal year; and the moves with their lines by journal, period and state."""
    periods = {number: rest for number, *rest in source.rows(PERIODS)}
    lines = list(source.rows(LEDGER))
    return _trial_balance(source, lines, periods), _postings(source, lines, periods)


def _trial_balance(source: Source, lines: Sequence[tuple[Any, ...]], periods: Mapping[int, Sequence[Any]]) -> Figure:
    accounts = {number: rest for number, *rest in source.rows(ACCOUNTS)}
    sums: dict[tuple[int, int], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    years = {year: name for _period, year, name in periods.values()}
    for account, _company, _journal, period, _state, _count, debit, credit in lines:
        total = sums[account, periods[period][1]]
        total[0] += debit
        total[1] += credit
    table = Table("trial_balance", "Trial balance")
    for (account, year), (debit, credit) in sums.items():
        code, name, company = accounts[account]
        label = f"account {code} {name}{source.of(company)}, {years[year]}".replace("  ", " ")
        table.put(f"{code}#{account}/{year}/debit", f"{label}, debit", money(debit))
        table.put(f"{code}#{account}/{year}/credit", f"{label}, credit", money(credit))
    return table.figure()


def _postings(source: Source, lines: Sequence[tuple[Any, ...]], periods: Mapping[int, Sequence[Any]]) -> Figure:
    journals = dict(source.rows(JOURNALS))
    sums: dict[tuple[int, int, int, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for _account, company, journal, period, state, count, debit, _credit in lines:
        total = sums[company, journal, period, state]
        total[0] += count
        total[1] += debit
    table = Table("postings", "Account moves by journal and period")
    for company, journal, period, state, moves, days in source.rows(MOVES):
        count, debit = sums[company, journal, period, state]
        key = f"{company}/{journal}/{period}/{state}"
        label = f"journal {journals[journal]}{source.of(company)}, {periods[period][0]}, {state}"
        table.put(f"{key}/moves", f"{label}, moves", exact(moves))
        table.put(f"{key}/dates", f"{label}, dates (days since 2000, summed)", exact(days))
        table.put(f"{key}/lines", f"{label}, lines", exact(count))
        table.put(f"{key}/debit", f"{label}, debit", money(debit))
    return table.figure()


def _posted_number(source: Source) -> str:
    """The column with the number that a move gets when it is posted: series after 7.0 have only one number."""
    return "post_number" if source.column("account_move", "post_number") else "number"


@needs("account_move_line", "account_move")
def unbalanced_moves(source: Source) -> Sequence[Figure]:
    """Moves whose debit is not their credit: how many, and each of the first thousand with what is missing."""
    table = Table("unbalanced_moves", "Debit equals credit in every move")
    rows = list(source.rows(UNBALANCED.format(posted=_posted_number(source))))
    table.put("count", "moves whose debit is not their credit", exact(len(rows)))
    for move, number, difference in rows[:MOST_MOVES]:
        table.put(f"move/{move}", f"account move {number or move}, debit minus credit", money(difference))
    return (table.figure(),)


@needs(*BALANCES)
def receivable(source: Source) -> Sequence[Figure]:
    """What each party owes us."""
    return _by_party(source, "receivable", "Receivable by party")


@needs(*BALANCES)
def payable(source: Source) -> Sequence[Figure]:
    """What we owe each party (negative: debit minus credit, as in the books)."""
    return _by_party(source, "payable", "Payable by party")


def _by_party(source: Source, kind: str, title: str) -> Sequence[Figure]:
    sums: dict[tuple[int, int | None], Decimal] = defaultdict(Decimal)
    names: dict[int | None, str] = {None: "no party"}
    for company, party, code, name, balance in source.rows(BY_PARTY.format(kind=kind)):
        sums[company, party] += balance
        names[party] = f"party {code} {name}".replace("  ", " ") if party else names[None]
    table = Table(kind, title)
    for (company, party), balance in sums.items():
        if balance:
            table.put(f"{company}/{party or 'none'}", f"{kind} of {names[party]}{source.of(company)}", money(balance))
    return (table.figure(),)


@needs("account_invoice", "account_invoice-account_move_line", "account_move_line", "party_party")
def open_invoices(source: Source) -> Sequence[Figure]:
    """Posted invoices that are not paid, each with the amount still open in the company's currency."""
    table = Table("open_invoices", "Open invoices")
    for invoice, number, party, amount in source.rows(OPEN_INVOICES):
        table.put(f"invoice/{invoice}", f"open amount of invoice {number or invoice} of {party}", money(amount))
    return (table.figure(),)


@needs("account_move_line", "account_move_reconciliation", "account_account")
def reconciliations(source: Source) -> Sequence[Figure]:
    """Per account that is reconciled: reconciled lines, reconciliations, and the balance of the lines that are not."""
    table = Table("reconciliations", "Reconciliation")
    for company, account, code, name, lines, groups, left in source.rows(RECONCILIATIONS):
        label = f"account {code} {name}{source.of(company)}".replace("  ", " ")
        table.put(f"{code}#{account}/lines", f"{label}, reconciled lines", exact(lines))
        table.put(f"{code}#{account}/groups", f"{label}, reconciliations", exact(groups))
        table.put(f"{code}#{account}/open", f"{label}, not reconciled", money(left))
    return (table.figure(),)


@needs("account_move", "account_period", "account_fiscalyear")
def number_gaps(source: Source) -> Sequence[Figure]:
    """Numbers that must follow each other without a gap: posted moves and invoices. How many, the last one, what is missing or used twice."""
    table = Table("number_gaps", "Gaps in numbers")
    years = {year: f"posted move, {name}" for _period, _name, year, name in source.rows(PERIODS)}
    _put_numbers(source, table, POSTED_MOVES.format(posted=_posted_number(source)), years)
    if source.has("account_invoice"):
        _put_numbers(source, table, INVOICES, INVOICE_SERIES)
    return (table.figure(),)


def _put_numbers(source: Source, table: Table, query: str, names: Mapping[Any, str]) -> None:
    numbers = NUMBERS.format(source=query)
    for series, prefix, count, first, last, different in source.rows(RANGES.format(numbers=numbers)):
        missing = last - first + 1 - different
        starts = source.rows(GAPS.format(numbers=numbers), [series, prefix, MOST_NUMBERS]) if missing else ()
        key, label = f"{names[series]}/{prefix}", f"{names[series]}{f' {prefix}' if prefix else ''}"
        table.put(f"{key}/count", f"{label}, numbers used", exact(count))
        table.put(f"{key}/first", f"{label}, first number", exact(first))
        table.put(f"{key}/last", f"{label}, last number", exact(last))
        shown = ", ".join(exact(start) for (start,) in starts)
        table.put(f"{key}/missing", f"{label}, missing numbers", f"{missing} (from {shown})" if missing else "0")
        table.put(f"{key}/twice", f"{label}, numbers used twice", exact(count - different))


@needs("account_tax_line", "account_tax")
def taxes(source: Source) -> Sequence[Figure]:
    """Tax lines of the moves: number and amount by tax and kind."""
    table = Table("taxes", "Taxes")
    for tax, name, kind, count, amount in source.rows(TAXES):
        table.put(f"{tax}/{kind}/count", f"tax {name}, {kind} lines", exact(count))
        table.put(f"{tax}/{kind}/amount", f"tax {name}, {kind} amount", money(amount))
    return (table.figure(),)


@needs("account_payment", "account_payment_journal")
def payments(source: Source) -> Sequence[Figure]:
    """Payments by journal, kind and state."""
    table = Table("payments", "Payments")
    for company, journal, name, kind, state, count, amount in source.rows(PAYMENTS):
        key, label = f"{company}/{journal}/{kind}/{state}", f"{kind} payments in {name}{source.of(company)}, {state}"
        table.put(f"{key}/count", f"{label}, number", exact(count))
        table.put(f"{key}/amount", f"{label}, amount", money(amount))
    return (table.figure(),)


@needs("account_statement", "account_statement_line")
def statements(source: Source) -> Sequence[Figure]:
    """Bank statements: balances, lines and their sum."""
    table = Table("statements", "Bank statements")
    for statement, name, journal, date, state, start, end, lines, total in source.rows(STATEMENTS):
        told = f"{state}: {money(start)} to {money(end)}, {lines} lines of {money(total)}"
        table.put(f"statement/{statement}", f"statement {name or statement} of {journal}, {date}", told)
    return (table.figure(),)
