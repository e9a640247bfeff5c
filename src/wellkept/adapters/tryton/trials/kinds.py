"""What people call the kinds of record: in English and in the other languages that the ERP speaks."""

from collections.abc import Collection, Mapping

from wellkept.adapters.base import Connection
from wellkept.adapters.tryton import schema

TRANSLATED = """
    SELECT replace(split_part(name, ',', 1), '.', '_'), lang, value FROM ir_translation
    WHERE type = 'model' AND value <> '' AND replace(split_part(name, ',', 1), '.', '_') = ANY(%s)
"""


def titles(connection: Connection, kinds: Collection[str]) -> Mapping[str, Mapping[str, str]]:
    """What kinds of record, or their tables, are called by language, as Tryton codes it (``en``, ``zh_CN``); unknown ones are left out."""
    found = schema.tables(connection)
    english = schema.titles(connection, found)
    tables = {table: kind for kind in kinds if (table := kind.replace(".", "_")) in english}
    called = {kind: {"en": english[table]} for table, kind in tables.items()}
    if "ir_translation" in found:
        for table, language, title in schema.rows(connection, TRANSLATED, [list(tables)]):
            called[tables[table]].setdefault(language, title)
    return called
