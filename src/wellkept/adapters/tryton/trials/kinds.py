"""What people call the kinds of record: in English and in the other languages that the ERP speaks."""

from collections.abc import Collection, Mapping

from wellkept.adapters.base import Connection
from wellkept.adapters.tryton import schema

TRANSLATED = """
    SELECT split_part(name, ',', 1), lang, value FROM ir_translation
    WHERE type = 'model' AND value <> '' AND split_part(name, ',', 1) = ANY(%s)
"""


def titles(connection: Connection, kinds: Collection[str]) -> Mapping[str, Mapping[str, str]]:
    """The names of kinds of record by language, as Tryton codes them (``en``, ``zh_CN``); a kind that it does not know is left out."""
    found = schema.tables(connection)
    english = schema.titles(connection, found)
    called = {kind: {"en": english[table]} for kind in kinds if (table := kind.replace(".", "_")) in english}
    if "ir_translation" in found:
        for kind, language, title in schema.rows(connection, TRANSLATED, [list(called)]):
            called[kind].setdefault(language, title)
    return called
