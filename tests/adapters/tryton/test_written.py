"""What was written is called in the ERP's own words, by language."""

from wellkept.adapters.base import Site
from wellkept.adapters.tryton import written
from wellkept.tools import postgres

EVER = 10.0**9
SPOKEN = """
    INSERT INTO ir_translation (name, lang, type, src, value, module, fuzzy, res_id)
    VALUES ('party.party,string', 'zh_CN', 'model', 'Party', '业务伙伴', 'party', false, -1)
"""


def test_kinds_are_called_as_the_erp_calls_them_and_links_have_no_name(upgraded: Site) -> None:
    with postgres.connect(upgraded.server, upgraded.database) as connection:
        connection.execute(SPOKEN)
        found = {kind.table: kind for kind in written.kinds(connection, EVER)}
        connection.rollback()
    assert (found["party_party"].title, found["party_party"].called) == ("Party", {"en": "Party", "zh_CN": "业务伙伴"})
    links = {kind.table for kind in found.values() if kind.title == kind.table}
    assert {"sale_line-account_tax", "purchase_line-account_tax"} <= links
    assert not links & {"sale_sale", "account_move", "stock_move", "ir_attachment"}
    assert all(not found[table].called for table in links)
