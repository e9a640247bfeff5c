"""Figures of the books: accounts, parties, invoices, numbers, taxes, payments."""

from collections.abc import Sequence

from wellkept.adapters.tryton.figures.source import Source, Table, exact, money, needs
from wellkept.planning.figures import Figure

BALANCES = ("account_move_line", "account_account", "account_account_type", "party_party")
MOST_MOVES = 1000
MOST_NUMBERS = 20

TRIAL_BALANCE = """
    SELECT t.company, t.id, coalesce(t.code, ''), t.name, f.id, f.name, s.debit, s.credit
    FROM (SELECT l.account, p.fiscalyear, sum(l.debit) AS debit, sum(l.credit) AS credit
          FROM account_move_line l JOIN account_move m ON m.id = l.move JOIN account_period p ON p.id = m.period
          GROUP BY l.account, p.fiscalyear) s
    JOIN account_account t ON t.id = s.account JOIN account_fiscalyear f ON f.id = s.fiscalyear
"""
UNBALANCED = """
    SELECT m.id, coalesce(m.number, m.post_number, ''), l.difference
    FROM (SELECT move, sum(debit) - sum(credit) AS difference FROM account_move_line GROUP BY move HAVING sum(debit) <> sum(credit)) l
    JOIN account_move m ON m.id = l.move ORDER BY m.id
"""
POSTINGS = """
    SELECT m.company, j.id, j.name, to_char(m.date, 'YYYY-MM'), m.state, count(*), coalesce(sum(l.lines), 0), coalesce(sum(l.debit), 0)
    FROM account_move m JOIN account_journal j ON j.id = m.journal
    LEFT JOIN (SELECT move, count(*) AS lines, sum(debit) AS debit FROM account_move_line GROUP BY move) l ON l.move = m.id
    GROUP BY m.company, j.id, j.name, to_char(m.date, 'YYYY-MM'), m.state
"""
BY_PARTY = """
    SELECT s.company, p.id, coalesce(p.code, ''), p.name, s.balance
    FROM (SELECT a.company, l.party, sum(l.debit - l.credit) AS balance
          FROM account_move_line l JOIN account_account a ON a.id = l.account JOIN account_account_type t ON t.id = a.type
          WHERE t.{kind} GROUP BY a.company, l.party HAVING sum(l.debit - l.credit) <> 0) s
    LEFT JOIN party_party p ON p.id = s.party
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
GAPS = """
    WITH numbered AS (
        SELECT series, regexp_replace(number, '[0-9]+$', '') AS prefix, substring(number FROM '[0-9]+$')::numeric AS n FROM ({source}) s
        WHERE number ~ '[0-9]+$'
    ), steps AS (
        SELECT series, prefix, n, lead(n) OVER (PARTITION BY series, prefix ORDER BY n) AS next FROM numbered
    )
    SELECT series, prefix, count(*), min(n), max(n), coalesce(sum(next - n - 1) FILTER (WHERE next - n > 1), 0),
           count(*) FILTER (WHERE next = n),
           array_agg(n + 1 ORDER BY n) FILTER (WHERE next - n > 1)
    FROM steps GROUP BY series, prefix
"""
POSTED_MOVES = """
    SELECT 'posted move, ' || f.name AS series, m.post_number AS number
    FROM account_move m JOIN account_period p ON p.id = m.period JOIN account_fiscalyear f ON f.id = p.fiscalyear
    WHERE m.post_number IS NOT NULL
"""
INVOICES = """
    SELECT CASE type WHEN 'out' THEN 'customer invoice' ELSE 'supplier invoice' END AS series, number FROM account_invoice WHERE number IS NOT NULL
"""
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


@needs("account_move_line", "account_period", "account_fiscalyear", "account_move", "account_account")
def trial_balance(source: Source) -> Sequence[Figure]:
    """Debit and credit of every account in every fiscal year."""
    table = Table("trial_balance", "Trial balance")
    for company, account, code, name, year, year_name, debit, credit in source.rows(TRIAL_BALANCE):
        label = f"account {code} {name}{source.of(company)}, {year_name}".replace("  ", " ")
        table.put(f"{code}#{account}/{year}/debit", f"{label}, debit", money(debit))
        table.put(f"{code}#{account}/{year}/credit", f"{label}, credit", money(credit))
    return (table.figure(),)


@needs("account_move_line", "account_move")
def unbalanced_moves(source: Source) -> Sequence[Figure]:
    """Moves whose debit is not their credit: how many, and each of the first thousand with what is missing."""
    table = Table("unbalanced_moves", "Debit equals credit in every move")
    rows = list(source.rows(UNBALANCED))
    table.put("count", "moves whose debit is not their credit", exact(len(rows)))
    for move, number, difference in rows[:MOST_MOVES]:
        table.put(f"move/{move}", f"account move {number or move}, debit minus credit", money(difference))
    return (table.figure(),)


@needs("account_move_line", "account_journal", "account_move")
def postings(source: Source) -> Sequence[Figure]:
    """Moves, their lines and their debit by journal, month and state."""
    table = Table("postings", "Account moves by journal and month")
    for company, journal, name, month, state, moves, lines, debit in source.rows(POSTINGS):
        key, label = f"{company}/{journal}/{month}/{state}", f"journal {name}{source.of(company)}, {month}, {state}"
        table.put(f"{key}/moves", f"{label}, moves", exact(moves))
        table.put(f"{key}/lines", f"{label}, lines", exact(lines))
        table.put(f"{key}/debit", f"{label}, debit", money(debit))
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
    table = Table(kind, title)
    for company, party, code, name, balance in source.rows(BY_PARTY.format(kind=kind)):
        who = f"party {code} {name}".replace("  ", " ") if party else "no party"
        table.put(f"{company}/{party or 'none'}", f"{kind} of {who}{source.of(company)}", money(balance))
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
    queries = [POSTED_MOVES, *([INVOICES] if source.has("account_invoice") else [])]
    for series, prefix, count, first, last, missing, doubled, starts in source.rows(GAPS.format(source=" UNION ALL ".join(queries))):
        key, label = f"{series}/{prefix}", f"{series}{f' {prefix}' if prefix else ''}"
        table.put(f"{key}/count", f"{label}, numbers used", exact(count))
        table.put(f"{key}/first", f"{label}, first number", exact(first))
        table.put(f"{key}/last", f"{label}, last number", exact(last))
        shown = ", ".join(exact(start) for start in (starts or [])[:MOST_NUMBERS])
        table.put(f"{key}/missing", f"{label}, missing numbers", f"{missing} (from {shown})" if missing else "0")
        table.put(f"{key}/twice", f"{label}, numbers used twice", exact(doubled))
    return (table.figure(),)


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
