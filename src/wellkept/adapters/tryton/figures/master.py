"""Figures of master data and files: counts, fingerprints by blocks of a thousand records, attachments and whether their files are there."""

from collections import Counter
from collections.abc import Sequence

from psycopg import sql

from wellkept.adapters.tryton import schema, storage
from wellkept.adapters.tryton.figures.source import Source, Table, exact, needs
from wellkept.planning.figures import Figure

BUCKET = 1000
MOST_FILES = 1000
PARTY_PARTS = {
    "party_party": ("id", "names and codes", ("code", "name", "active", "replaced_by")),
    "party_identifier": ("party", "identifiers", ("type", "code", "active")),
    "party_address": ("party", "addresses", ("street", "postal_code", "city", "country", "active")),
    "party_contact_mechanism": ("party", "contacts", ("type", "value", "active")),
}
LATER_NAMES = {"street": "street_unstructured"}
"""Columns that series after 7.0 have under another name with the same content."""
FINGERPRINT = "SELECT {link} / {bucket}, count(*), md5(string_agg(ROW({columns})::text, ';' ORDER BY id)) FROM {table} GROUP BY 1"
BANK = """
    SELECT p.id, p.name, count(*), md5(string_agg(concat_ws(' ', n.type, n.number, n.active), ';' ORDER BY n.id))
    FROM bank_account_number n JOIN "bank_account-party_party" o ON o.account = n.account JOIN party_party p ON p.id = o.owner GROUP BY p.id, p.name
"""
ATTACHMENTS = """
    SELECT split_part(resource, ',', 1), CASE WHEN split_part(resource, ',', 2) ~ '^[0-9]+$' THEN split_part(resource, ',', 2)::bigint / {bucket} END,
           count(*), md5(string_agg(ROW(id, resource, name, type, file_id, link, md5(data))::text, ';' ORDER BY id))
    FROM ir_attachment GROUP BY 1, 2
"""


def master_data(source: Source) -> Sequence[Figure]:
    """Records of every business table that can be deactivated: active and inactive ones."""
    tables = schema.with_column(source.tables, "active")
    if not tables:
        return ()
    table = Table("master_data", "Master data")
    query = "SELECT {title}, count(*) FILTER (WHERE active), count(*) FILTER (WHERE active IS NOT TRUE) FROM {table}"
    parts = [sql.SQL(query).format(title=sql.Literal(name), table=sql.Identifier(name)) for name in sorted(tables)]
    for name, active, inactive in source.rows(sql.SQL(" UNION ALL ").join(parts)):
        table.put(f"{name}/active", f"{source.title(name)}, active", exact(active))
        table.put(f"{name}/inactive", f"{source.title(name)}, inactive", exact(inactive))
    return (table.figure(),)


def parties(source: Source) -> Sequence[Figure]:
    """Parties with their identifiers, addresses and contacts: number and fingerprint for each thousand parties."""
    table = Table("parties", "Parties")
    for name, (link, called, wanted) in PARTY_PARTS.items():
        named = [column if source.column(name, column) else LATER_NAMES.get(column, column) for column in wanted]
        columns = [column for column in named if source.column(name, column)]
        if not columns:
            continue
        query = sql.SQL(FINGERPRINT).format(
            link=sql.Identifier(link),
            bucket=sql.Literal(BUCKET),
            columns=sql.SQL(", ").join(map(sql.Identifier, ["id", link, *columns])),
            table=sql.Identifier(name),
        )
        for bucket, count, print_ in source.rows(query):
            first = (bucket or 0) * BUCKET
            table.put(f"{name}/{first:09d}", f"{called} of parties {first} to {first + BUCKET - 1}", f"{count} records, fingerprint {print_[:12]}")
    return (table.figure(),) if table.values else ()


@needs("bank_account_number", "bank_account-party_party", "party_party")
def bank_accounts(source: Source) -> Sequence[Figure]:
    """Bank account numbers by owner, as a fingerprint: the numbers themselves do not belong in a manifest."""
    table = Table("bank_accounts", "Bank accounts")
    for party, name, count, print_ in source.rows(BANK):
        table.put(f"party/{party}", f"bank accounts of {name}", f"{count} numbers, fingerprint {print_[:12]}")
    return (table.figure(),)


def attachments(source: Source) -> Sequence[Figure]:
    """Attachments by what they are attached to: number and fingerprint of owners, names and contents, for each thousand records."""
    if not source.column("ir_attachment", "file_id"):
        return ()
    table = Table("attachments", "Attachments")
    for resource, bucket, count, print_ in source.rows(ATTACHMENTS.format(bucket=BUCKET)):
        first = (bucket or 0) * BUCKET
        title = source.title((resource or "nothing").replace(".", "_"))
        table.put(
            f"{resource}/{first:09d}", f"attachments of {title} {first} to {first + BUCKET - 1}", f"{count} attachments, fingerprint {print_[:12]}"
        )
    return (table.figure(),)


def files(source: Source) -> Sequence[Figure]:
    """Files that rows of the database need: how many by table, and each of the first thousand that is missing or not what it should be."""
    table = Table("files", "Files of the database")
    counts: Counter[str] = Counter()
    bad = 0
    for owner, reference in storage.references_by_table(source.connection, source.database, source.layout):
        counts[owner] += 1
        wrong = storage.trouble(source.files, reference, thorough=source.thorough) if source.files is not None else None
        if wrong is not None:
            bad += 1
            if bad <= MOST_FILES:
                table.put(f"file/{reference.owner}", f"file of {reference.owner}", wrong)
    for owner, count in counts.items():
        table.put(f"count/{owner}", f"files needed by records of {source.title(owner)}", exact(count))
    if source.files is not None:
        table.put("bad", "files missing or damaged", exact(bad))
    return (table.figure(),)
