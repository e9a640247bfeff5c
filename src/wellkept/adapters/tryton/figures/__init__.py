"""The business figures of a Tryton: what must be the same before and after a backup, a restore or a change.

Every figure belongs to modules; a figure whose tables are not there is left out. All are read through one connection, in its snapshot, with
aggregates in SQL, so that a company with a million stock moves is read in seconds. SELECT rights are enough.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from wellkept.adapters.base import Connection
from wellkept.adapters.tryton import schema
from wellkept.adapters.tryton.figures import administration, books, documents, goods, master, people
from wellkept.adapters.tryton.figures.source import Reader, Source
from wellkept.planning.figures import Figure

READERS: Mapping[str, Reader] = {
    "trial_balance": books.trial_balance,
    "unbalanced_moves": books.unbalanced_moves,
    "postings": books.postings,
    "receivable": books.receivable,
    "payable": books.payable,
    "open_invoices": books.open_invoices,
    "reconciliations": books.reconciliations,
    "number_gaps": books.number_gaps,
    "taxes": books.taxes,
    "payments": books.payments,
    "statements": books.statements,
    "documents": documents.documents,
    "amounts": documents.amounts,
    "fulfilment": documents.fulfilment,
    "productions": documents.productions,
    "stock_quantity": goods.stock_quantity,
    "stock_value": goods.stock_value,
    "stock_planned": goods.stock_planned,
    "prices": goods.prices,
    "bills_of_material": goods.bills_of_material,
    "hours": people.hours,
    "attendance": people.attendance,
    "master_data": master.master_data,
    "parties": master.parties,
    "bank_accounts": master.bank_accounts,
    "attachments": master.attachments,
    "files": master.files,
    "users": people.users,
    "access_rights": people.access_rights,
    "scheduled_jobs": administration.scheduled_jobs,
    "triggers": administration.triggers,
    "sequences": administration.sequences,
    "strict_sequences": administration.strict_sequences,
}
NAMES: Sequence[str] = tuple(READERS)


def read(
    connection: Connection, files: Path | None, database: str, *, layout: Mapping[str, str] | None = None, thorough: bool = False
) -> Sequence[Figure]:
    """Every figure of the activated modules, in the order of NAMES.

    ``database`` is the name under which the file store keeps its files (on a copy: the name of the original, or the copy's own where the
    folder was renamed). Raises Refused when the role may not read a table.
    """
    source = _source(connection, files, database, layout or {}, thorough=thorough)
    found: list[Figure] = []
    for reader in READERS.values():
        found += reader(source)
    return found


def _source(connection: Connection, files: Path | None, database: str, layout: Mapping[str, str], *, thorough: bool) -> Source:
    tables = schema.tables(connection)
    bare = Source(connection, tables, {}, {}, files, database, layout, thorough)
    companies: dict[int, str] = {}
    if bare.has("company_company", "party_party"):
        companies = dict(bare.rows("SELECT c.id, p.name FROM company_company c JOIN party_party p ON p.id = c.party"))
    return Source(connection, tables, schema.titles(connection, tables), companies, files, database, layout, thorough)
