"""Damages that a backup, a restore or an upgrade could do to a company, each to one row that a seed chooses.

A damage is SQL for one transaction (which the test rolls back) or a change of one file. Foreign keys do not hold it back: damage does not ask.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True)
class Damage:
    """``choose`` selects the candidates (their first column is put in for ``%(id)s``), ``statements`` harm the chosen one.

    ``figures`` are the figures of which at least one has to show it. ``undo`` is for what PostgreSQL does not roll back.
    """

    name: str
    choose: str
    statements: Sequence[str]
    figures: Sequence[str]
    undo: str = ""


@dataclass(frozen=True)
class FileDamage:
    """A change of one file of the file store."""

    name: str
    harm: Callable[[Path], None]
    figures: Sequence[str] = field(default=("files",))


POSTED = "SELECT l.id FROM account_move_line l JOIN account_move m ON m.id = l.move WHERE m.state = 'posted' AND l.debit + l.credit > 1"
DONE = "SELECT id FROM stock_move WHERE state = 'done'"

DAMAGES = (
    Damage("a move line is deleted", POSTED, ["DELETE FROM account_move_line WHERE id = %(id)s"], ["trial_balance", "unbalanced_moves"]),
    Damage(
        "a debit is one cent higher",
        POSTED + " AND l.debit > 0",
        ["UPDATE account_move_line SET debit = debit + 0.01 WHERE id = %(id)s"],
        ["trial_balance", "unbalanced_moves"],
    ),
    Damage(
        "debit and credit are swapped",
        POSTED,
        ["UPDATE account_move_line SET debit = credit, credit = debit WHERE id = %(id)s"],
        ["unbalanced_moves"],
    ),
    Damage(
        "the party of a receivable is another",
        "SELECT l.id FROM account_move_line l JOIN account_account a ON a.id = l.account JOIN account_account_type t ON t.id = a.type"
        " WHERE t.receivable AND l.party IS NOT NULL",
        ["UPDATE account_move_line SET party = (SELECT id FROM party_party WHERE id <> party ORDER BY id LIMIT 1) WHERE id = %(id)s"],
        ["receivable"],
    ),
    Damage(
        "the party of a payable is lost",
        "SELECT l.id FROM account_move_line l JOIN account_account a ON a.id = l.account JOIN account_account_type t ON t.id = a.type"
        " WHERE t.payable AND l.party IS NOT NULL",
        ["UPDATE account_move_line SET party = NULL WHERE id = %(id)s"],
        ["payable"],
    ),
    Damage(
        "a line stands in another account",
        POSTED,
        ["UPDATE account_move_line SET account = (SELECT max(id) FROM account_account WHERE type IS NOT NULL AND id <> account) WHERE id = %(id)s"],
        ["trial_balance"],
    ),
    Damage(
        "a move has the date of another month",
        "SELECT id FROM account_move WHERE state = 'posted'",
        ["UPDATE account_move SET date = date - 45 WHERE id = %(id)s"],
        ["postings"],
    ),
    Damage(
        "a posted move is gone with its lines",
        "SELECT id FROM account_move WHERE post_number IS NOT NULL",
        ["DELETE FROM account_move_line WHERE move = %(id)s", "DELETE FROM account_move WHERE id = %(id)s"],
        ["number_gaps", "postings"],
    ),
    Damage(
        "a number is used twice",
        "SELECT m.id FROM account_move m WHERE post_number IS NOT NULL",
        [
            """UPDATE account_move SET post_number = (SELECT o.post_number FROM account_move o WHERE o.post_number <> account_move.post_number
               AND o.period = account_move.period ORDER BY o.id LIMIT 1) WHERE id = %(id)s"""
        ],
        ["number_gaps"],
    ),
    Damage(
        "a reconciliation is lost",
        "SELECT id FROM account_move_line WHERE reconciliation IS NOT NULL",
        ["UPDATE account_move_line SET reconciliation = NULL WHERE id = %(id)s"],
        ["reconciliations"],
    ),
    Damage(
        "a tax line is one cent lower",
        "SELECT id FROM account_tax_line WHERE amount <> 0",
        ["UPDATE account_tax_line SET amount = amount - 0.01 WHERE id = %(id)s"],
        ["taxes"],
    ),
    Damage(
        "an unpaid invoice counts as paid",
        "SELECT id FROM account_invoice WHERE state = 'posted'",
        ["UPDATE account_invoice SET state = 'paid' WHERE id = %(id)s"],
        ["open_invoices", "documents"],
    ),
    Damage(
        "an invoice line costs one cent more",
        "SELECT id FROM account_invoice_line WHERE type = 'line' AND quantity <> 0",
        ["UPDATE account_invoice_line SET unit_price = unit_price + 0.01 WHERE id = %(id)s"],
        ["amounts"],
    ),
    Damage(
        "the tax of an invoice is lost",
        "SELECT id FROM account_invoice_tax WHERE amount <> 0",
        ["DELETE FROM account_invoice_tax WHERE id = %(id)s"],
        ["amounts"],
    ),
    Damage(
        "an invoice loses its number",
        "SELECT id FROM account_invoice WHERE number IS NOT NULL",
        ["UPDATE account_invoice SET number = NULL WHERE id = %(id)s"],
        ["number_gaps"],
    ),
    Damage(
        "a stock quantity is shifted by one",
        DONE,
        ["UPDATE stock_move SET quantity = quantity + 1, internal_quantity = internal_quantity + 1 WHERE id = %(id)s"],
        ["stock_quantity"],
    ),
    Damage(
        "a stock move is there twice",
        DONE,
        [
            "CREATE TEMPORARY TABLE twice ON COMMIT DROP AS SELECT * FROM stock_move WHERE id = %(id)s",
            "UPDATE twice SET id = (SELECT max(id) + 1 FROM stock_move)",
            "INSERT INTO stock_move SELECT * FROM twice",
        ],
        ["stock_quantity", "documents"],
    ),
    Damage(
        "goods went to another place",
        DONE,
        [
            """UPDATE stock_move SET to_location = (SELECT min(id) FROM stock_location
               WHERE type = 'storage' AND id NOT IN (to_location, from_location)) WHERE id = %(id)s"""
        ],
        ["stock_quantity"],
    ),
    Damage("a done stock move is a draft again", DONE, ["UPDATE stock_move SET state = 'draft' WHERE id = %(id)s"], ["stock_quantity", "documents"]),
    Damage(
        "a cost price is one cent higher",
        "SELECT id FROM product_cost_price WHERE cost_price > 0",
        ["UPDATE product_cost_price SET cost_price = cost_price + 0.01 WHERE id = %(id)s"],
        ["prices"],
    ),
    Damage(
        "a list price is lost",
        "SELECT id FROM product_list_price WHERE list_price > 0",
        ["UPDATE product_list_price SET list_price = NULL WHERE id = %(id)s"],
        ["prices"],
    ),
    Damage(
        "a production is undone",
        "SELECT id FROM production WHERE state = 'done'",
        ["UPDATE production SET state = 'running' WHERE id = %(id)s"],
        ["productions"],
    ),
    Damage(
        "a production made one more",
        "SELECT id FROM production WHERE state = 'done'",
        ["UPDATE production SET quantity = quantity + 1 WHERE id = %(id)s"],
        ["productions"],
    ),
    Damage(
        "a work cycle took half the time",
        "SELECT id FROM production_work_cycle WHERE duration > interval '0'",
        ["UPDATE production_work_cycle SET duration = duration / 2 WHERE id = %(id)s"],
        ["productions"],
    ),
    Damage(
        "a timesheet line is halved",
        "SELECT id FROM timesheet_line WHERE duration > interval '0'",
        ["UPDATE timesheet_line SET duration = duration / 2 WHERE id = %(id)s"],
        ["hours"],
    ),
    Damage(
        "hours belong to another employee",
        "SELECT id FROM timesheet_line WHERE duration > interval '0'",
        ["UPDATE timesheet_line SET employee = (SELECT min(id) FROM company_employee WHERE id <> employee) WHERE id = %(id)s"],
        ["hours"],
    ),
    Damage(
        "somebody never came", "SELECT id FROM attendance_line WHERE type = 'in'", ["DELETE FROM attendance_line WHERE id = %(id)s"], ["attendance"]
    ),
    Damage(
        "a sale is cancelled",
        "SELECT id FROM sale_sale WHERE state IN ('processing', 'done')",
        ["UPDATE sale_sale SET state = 'cancelled' WHERE id = %(id)s"],
        ["documents"],
    ),
    Damage("a sale line is lost", "SELECT id FROM sale_line WHERE quantity > 0", ["DELETE FROM sale_line WHERE id = %(id)s"], ["amounts"]),
    Damage(
        "a sale counts as shipped",
        "SELECT id FROM sale_sale WHERE shipment_state <> 'sent'",
        ["UPDATE sale_sale SET shipment_state = 'sent' WHERE id = %(id)s"],
        ["fulfilment"],
    ),
    Damage(
        "a purchase line costs one cent less",
        "SELECT id FROM purchase_line WHERE quantity > 0 AND unit_price > 1",
        ["UPDATE purchase_line SET unit_price = unit_price - 0.01 WHERE id = %(id)s"],
        ["amounts"],
    ),
    Damage(
        "a purchase is in another currency",
        "SELECT id FROM purchase_purchase",
        ["UPDATE purchase_purchase SET currency = (SELECT min(id) FROM currency_currency WHERE id <> currency) WHERE id = %(id)s"],
        ["amounts"],
    ),
    Damage(
        "a shipment was never sent",
        "SELECT id FROM stock_shipment_out WHERE state = 'done'",
        ["UPDATE stock_shipment_out SET state = 'waiting' WHERE id = %(id)s"],
        ["documents"],
    ),
    Damage(
        "a payment failed",
        "SELECT id FROM account_payment WHERE state = 'succeeded'",
        ["UPDATE account_payment SET state = 'failed' WHERE id = %(id)s"],
        ["payments"],
    ),
    Damage(
        "a payment is one cent higher",
        "SELECT id FROM account_payment",
        ["UPDATE account_payment SET amount = amount + 0.01 WHERE id = %(id)s"],
        ["payments"],
    ),
    Damage(
        "a bank statement line is negated",
        "SELECT id FROM account_statement_line WHERE amount <> 0",
        ["UPDATE account_statement_line SET amount = -amount WHERE id = %(id)s"],
        ["statements"],
    ),
    Damage(
        "a user is deactivated",
        "SELECT id FROM res_user WHERE active",
        ["UPDATE res_user SET active = false WHERE id = %(id)s"],
        ["users"],
    ),
    Damage("a user loses a group", 'SELECT id FROM "res_user-res_group"', ['DELETE FROM "res_user-res_group" WHERE id = %(id)s'], ["users"]),
    Damage(
        "a group may write more",
        "SELECT id FROM ir_model_access WHERE perm_write IS NOT TRUE",
        ["UPDATE ir_model_access SET perm_write = true WHERE id = %(id)s"],
        ["access_rights"],
    ),
    Damage(
        "a scheduled job is off",
        "SELECT id FROM ir_cron WHERE active",
        ["UPDATE ir_cron SET active = false WHERE id = %(id)s"],
        ["scheduled_jobs"],
    ),
    Damage(
        "a sequence without gaps is set back",
        "SELECT id FROM ir_sequence_strict WHERE number_next_internal > 1",
        ["UPDATE ir_sequence_strict SET number_next_internal = number_next_internal - 1 WHERE id = %(id)s"],
        ["strict_sequences"],
    ),
    Damage(
        "a counter is set back",
        "SELECT split_part(sequencename, '_', 3)::int FROM pg_sequences WHERE sequencename ~ '^ir_sequence_[0-9]+$' AND last_value > 1",
        [
            "CREATE TEMPORARY TABLE counted ON COMMIT DROP AS SELECT last_value AS n FROM pg_sequences WHERE sequencename = 'ir_sequence_%(id)s'",
            "SELECT setval('ir_sequence_%(id)s', (SELECT n - 1 FROM counted))",
        ],
        ["sequences"],
        undo="SELECT setval('ir_sequence_%(id)s', (SELECT last_value + 1 FROM ir_sequence_%(id)s))",
    ),
    Damage("a party is renamed", "SELECT id FROM party_party", ["UPDATE party_party SET name = name || ' ' WHERE id = %(id)s"], ["parties"]),
    Damage(
        "a party is deactivated",
        "SELECT id FROM party_party WHERE active",
        ["UPDATE party_party SET active = false WHERE id = %(id)s"],
        ["master_data"],
    ),
    Damage(
        "a contact is another",
        "SELECT id FROM party_contact_mechanism",
        ["UPDATE party_contact_mechanism SET value = value || 'x' WHERE id = %(id)s"],
        ["parties"],
    ),
    Damage("an address is lost", "SELECT id FROM party_address", ["DELETE FROM party_address WHERE id = %(id)s"], ["parties"]),
    Damage(
        "a bank account number is another",
        "SELECT id FROM bank_account_number",
        ["UPDATE bank_account_number SET number = number || '0' WHERE id = %(id)s"],
        ["bank_accounts"],
    ),
    Damage(
        "a bill of material takes one more",
        "SELECT id FROM production_bom_input",
        ["UPDATE production_bom_input SET quantity = quantity + 1 WHERE id = %(id)s"],
        ["bills_of_material"],
    ),
    Damage("an attachment is lost", "SELECT id FROM ir_attachment", ["DELETE FROM ir_attachment WHERE id = %(id)s"], ["attachments"]),
    Damage(
        "an attachment hangs on another record",
        "SELECT id FROM ir_attachment",
        ["UPDATE ir_attachment SET resource = 'party.party,1000001' WHERE id = %(id)s"],
        ["attachments"],
    ),
    Damage(
        "a quality inspection failed",
        "SELECT id FROM quality_inspection WHERE state = 'passed'",
        ["UPDATE quality_inspection SET state = 'failed' WHERE id = %(id)s"],
        ["documents"],
    ),
)


def delete(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


FILE_DAMAGES = (
    FileDamage("a file is missing", delete),
    FileDamage("a file is cut off", truncate),
    FileDamage("a bit of a file is flipped", flip_a_bit),
)


def apply(connection: Connection, damage: Damage, chance: random.Random) -> int | None:
    """Do the damage in the open transaction to a row that ``chance`` picks; returns its id, None where there is nothing to damage."""
    candidates = [row[0] for row in connection.execute(f"SELECT * FROM ({damage.choose}) c ORDER BY 1")]
    if not candidates:
        return None
    chosen = chance.choice(candidates)
    connection.execute("SET LOCAL session_replication_role = replica")
    for statement in damage.statements:
        connection.execute(statement % {"id": int(chosen)})
    return int(chosen)
