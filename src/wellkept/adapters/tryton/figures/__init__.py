"""The business figures of a Tryton: what must be the same before and after a backup, a restore or a change.

Every figure belongs to modules; a figure whose tables are not there is left out. All are read through one connection, in its snapshot, with
aggregates in SQL, so that a company with a million stock moves is read in seconds. SELECT rights are enough.
"""

import decimal
from collections.abc import Mapping, Sequence
from pathlib import Path

from wellkept.adapters.base import Connection
from wellkept.adapters.tryton import schema
from wellkept.adapters.tryton.figures import administration, books, documents, goods, master, people
from wellkept.adapters.tryton.figures.source import Reader, Source
from wellkept.adapters.tryton.figures.words import LABELS as LABELS
from wellkept.planning.figures import Figure

EXACT_DIGITS = 100
READERS: Sequence[Reader] = (
    books.ledger,
    books.unbalanced_moves,
    books.receivable,
    books.payable,
    books.open_invoices,
    books.reconciliations,
    books.number_gaps,
    books.taxes,
    books.payments,
    books.statements,
    documents.documents,
    documents.amounts,
    documents.fulfilment,
    documents.productions,
    goods.stock,
    goods.prices,
    goods.bills_of_material,
    people.hours,
    people.attendance,
    master.master_data,
    master.parties,
    master.bank_accounts,
    master.attachments,
    master.files,
    people.users,
    people.access_rights,
    administration.scheduled_jobs,
    administration.triggers,
    administration.sequences,
    administration.strict_sequences,
)
NAMES: Sequence[str] = (
    "trial_balance",
    "postings",
    "unbalanced_moves",
    "receivable",
    "payable",
    "open_invoices",
    "reconciliations",
    "number_gaps",
    "taxes",
    "payments",
    "statements",
    "documents",
    "amounts",
    "fulfilment",
    "productions",
    "stock_quantity",
    "stock_value",
    "stock_moves",
    "prices",
    "bills_of_material",
    "hours",
    "attendance",
    "master_data",
    "parties",
    "bank_accounts",
    "attachments",
    "files",
    "users",
    "access_rights",
    "scheduled_jobs",
    "triggers",
    "sequences",
    "strict_sequences",
)
RIGHTS: Sequence[str] = ("users", "access_rights")


def counters(connection: Connection) -> Sequence[Figure]:
    """The figures that do not obey a snapshot: PostgreSQL moves sequences on outside of transactions.

    Read them before a dump starts and pass them to ``read``; then what is in the dump can be higher, but never lower.
    """
    return administration.sequences(_source(connection, None, "", {}, thorough=False))


def read(
    connection: Connection,
    files: Path | None,
    database: str,
    *,
    layout: Mapping[str, str] | None = None,
    thorough: bool = False,
    counted: Sequence[Figure] | None = None,
) -> Sequence[Figure]:
    """Every figure of the activated modules, in the order of NAMES.

    ``database`` is the name under which the file store keeps its files (on a copy: the name of the original, or the copy's own where the
    folder was renamed). ``counted`` is what ``counters`` read before. Raises Refused when the role may not read a table.
    """
    source = _source(connection, files, database, layout or {}, thorough=thorough)
    found: list[Figure] = []
    with decimal.localcontext(prec=EXACT_DIGITS):
        for reader in READERS:
            found += counted if counted is not None and reader is administration.sequences else reader(source)
    return found


def _source(connection: Connection, files: Path | None, database: str, layout: Mapping[str, str], *, thorough: bool) -> Source:
    tables = schema.tables(connection)
    bare = Source(connection, tables, {}, {}, files, database, layout, thorough)
    companies: dict[int, str] = {}
    if bare.has("company_company", "party_party"):
        companies = dict(bare.rows("SELECT c.id, p.name FROM company_company c JOIN party_party p ON p.id = c.party"))
    return Source(connection, tables, schema.titles(connection, tables), companies, files, database, layout, thorough)
