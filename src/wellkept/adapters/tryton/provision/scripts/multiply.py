"""Make a company large by SQL. Every such row says so where people can see it: "SYNTHETIC" in the name, code, description or place.

The moves go in and out in pairs of the same product and quantity, and each entry of the ledger balances, so the books agree as before.
"""

from ground import find_accounts
from session import find

LABEL = "SYNTHETIC 合成"
PAID_SHARE = 3
"""Two in three of the synthetic receivables are paid."""


def multiply(session, parties, moves):
    """Add ``parties`` parties with address and mail, ``moves`` done stock moves, and an entry (some paid) for each party."""
    with session.work("admin") as transaction, transaction.connection.cursor() as cursor:
        first = _parties(cursor, parties)
        _moves(session, cursor, moves)
        _entries(session, cursor, first, parties)
    with session.work("admin"):
        _number(session)


def _parties(cursor, count):
    cursor.execute("SELECT MAX(id) + 1 FROM party_party")
    (first,) = cursor.fetchone()
    cursor.execute(
        "INSERT INTO party_party (id, active, code, name, create_date, create_uid) "
        "SELECT %s + n, true, 'SYN' || lpad(n::text, 7, '0'), %s || ' ' || lpad(n::text, 7, '0'), LOCALTIMESTAMP, 1 FROM generate_series(0, %s) n",
        (first, LABEL, count - 1),
    )
    cursor.execute("SELECT setval(pg_get_serial_sequence('party_party', 'id'), %s)", (first + count,))
    cursor.execute(
        "INSERT INTO party_address (active, party, street, city, postal_code, country, create_date, create_uid) "
        "SELECT true, party.id, 'SYNTHETIC ' || party.id, 'City ' || party.id %% 500, (10000 + party.id %% 90000)::text, country.id, LOCALTIMESTAMP, 1 "
        "FROM party_party party JOIN country_country country ON country.code = 'CN' WHERE party.id >= %s",
        (first,),
    )
    cursor.execute(
        "INSERT INTO party_contact_mechanism (active, party, type, value, value_compact, create_date, create_uid) "
        "SELECT true, id, 'email', 'synthetic' || id || '@example.com', 'synthetic' || id || '@example.com', LOCALTIMESTAMP, 1 "
        "FROM party_party WHERE id >= %s",
        (first,),
    )
    return first


def _moves(session, cursor, count):
    """Half of them into a shelf of their own, half out of it again on the day after."""
    Location = session.get("stock.location")
    storage = find(Location, ("code", "=", "STO")).id
    lost = find(Location, ("type", "=", "lost_found")).id
    (shelf,) = Location.create([{"name": LABEL, "code": "SYNTHETIC", "type": "storage", "parent": storage}])
    cursor.execute(
        "WITH goods AS (SELECT product.id, template.default_uom, row_number() OVER (ORDER BY product.id) - 1 AS place, count(*) OVER () AS many "
        "FROM product_product product JOIN product_template template ON template.id = product.template WHERE template.type = 'goods') "
        "INSERT INTO stock_move (company, product, unit, quantity, internal_quantity, from_location, to_location, effective_date, planned_date, "
        "cost_price, state, unit_price_updated, create_date, create_uid) "
        "SELECT %(company)s, goods.id, goods.default_uom, 1 + pair %% 40, 1 + pair %% 40, "
        "CASE side WHEN 0 THEN %(lost)s ELSE %(shelf)s END, CASE side WHEN 0 THEN %(shelf)s ELSE %(lost)s END, day + side, day + side, "
        "1 + pair %% 100, 'done', false, day + side + interval '1 minute' * (pair %% 540), 1 "
        "FROM generate_series(0, %(pairs)s - 1) pair "
        "CROSS JOIN LATERAL (SELECT %(base)s::date - 2 - (pair %% 360)::integer AS day) days "
        "CROSS JOIN (VALUES (0), (1)) sides (side) JOIN goods ON goods.place = pair %% goods.many",
        {"company": session.company, "lost": lost, "shelf": shelf.id, "pairs": count // 2, "base": session.base},
    )


def _entries(session, cursor, first, count):
    """A receivable for each party, and its payment for two of three; the second column of ``sides`` is the part of the entry."""
    accounts = find_accounts(session)
    journals = {code: find(session.get("account.journal"), ("code", "=", code)).id for code in ("REV", "CASH")}
    books = (
        ("REV", "SYNTHETIC sale", 0, accounts["Main Receivable"].id, accounts["Main Revenue"].id, "true"),
        ("CASH", "SYNTHETIC payment", 7, accounts["Bank"].id, accounts["Main Receivable"].id, f"party.id %% {PAID_SHARE} <> 0"),
    )
    for code, text, later, debit, credit, chosen in books:
        values = {
            "company": session.company,
            "journal": journals[code],
            "text": text,
            "base": session.base,
            "later": later,
            "first": first,
            "last": first + count,
        }
        cursor.execute(
            "INSERT INTO account_move (company, journal, period, date, post_date, number, description, state, create_date, create_uid) "
            "SELECT %(company)s, %(journal)s, period.id, day, day, 'SYN' || left(%(text)s, 11) || party.id, %(text)s || ' ' || party.id, 'posted', day, 1 "
            "FROM party_party party CROSS JOIN LATERAL (SELECT %(base)s::date - 8 - party.id %% 340 + %(later)s AS day) days "
            "JOIN account_period period ON day BETWEEN period.start_date AND period.end_date AND period.type = 'standard' "
            f"WHERE party.id >= %(first)s AND party.id < %(last)s AND {chosen}",
            values,
        )
        cursor.execute(
            "WITH entry AS (SELECT id, date, replace(description, %(text)s || ' ', '')::integer AS party FROM account_move WHERE description LIKE %(text)s || ' %%') "
            "INSERT INTO account_move_line (move, account, party, debit, credit, maturity_date, description, state, analytic_state, create_date, create_uid) "
            "SELECT entry.id, side.account, CASE WHEN side.account = %(receivable)s THEN entry.party END, "
            "CASE side.part WHEN 0 THEN amount ELSE 0 END, CASE side.part WHEN 1 THEN amount ELSE 0 END, "
            "CASE WHEN side.account = %(receivable)s THEN entry.date + 30 END, %(text)s, 'valid', 'valid', entry.date, 1 "
            "FROM entry CROSS JOIN LATERAL (SELECT (100 + entry.party %% 900)::numeric + 0.37 AS amount) amounts "
            "CROSS JOIN (VALUES (0, %(debit)s), (1, %(credit)s)) side (part, account)",
            {"text": text, "debit": debit, "credit": credit, "receivable": accounts["Main Receivable"].id},
        )


def _number(session):
    """Number the new entries after the last posted one of their year, without a gap, and let Tryton's sequence go on after them."""
    Sequence = session.get("ir.sequence")
    cursor = session.Transaction().connection.cursor()
    for year in session.get("account.fiscalyear").search([("company", "=", session.company)]):
        sequence = Sequence(year.post_move_sequence.id)
        next_number = sequence.number_next
        cursor.execute(
            "UPDATE account_move AS move SET post_number = %(prefix)s || lpad((%(next)s + ranked.place)::text, %(padding)s, '0') "
            "FROM (SELECT move.id, row_number() OVER (ORDER BY move.date, move.id) - 1 AS place FROM account_move move "
            "JOIN account_period period ON period.id = move.period WHERE period.fiscalyear = %(year)s AND move.state = 'posted' AND move.post_number IS NULL) ranked "
            "WHERE ranked.id = move.id",
            {"prefix": sequence.prefix, "next": next_number, "padding": sequence.padding, "year": year.id},
        )
        sequence.number_next = next_number + cursor.rowcount
        sequence.save()
    cursor.close()
