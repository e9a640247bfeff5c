"""What PostgreSQL has counted lately is not counted again before an upgrade."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.installation import until
from wellkept.adapters.base import Site
from wellkept.tools import postgres
from wellkept.upgrades import work

MARKED = "to_be_counted"


@pytest.fixture
def site(erp_place: tuple[postgres.Server, Path]) -> Iterator[Site]:
    server, _folder = erp_place
    postgres.create_database(server, MARKED)
    yield Site(database=MARKED, server=server)
    postgres.drop_database(server, MARKED)


def test_only_what_changed_much_is_counted(site: Site) -> None:
    assert site.server is not None

    def did(statement: str) -> None:
        with postgres.connect(site.server, MARKED, autocommit=True) as connection:
            connection.execute(statement)

    def counted() -> dict[str, int]:
        with postgres.connect(site.server, MARKED) as connection:
            return dict(connection.execute("SELECT relname, analyze_count FROM pg_stat_user_tables").fetchall())

    did('CREATE SCHEMA "Not so"')
    for name in ('"Not so"."a ""table"', "much", "little"):
        did(f"CREATE TABLE {name} AS SELECT generate_series(1, 1000) AS number")
        did(f"ALTER TABLE {name} SET (autovacuum_enabled = off)")
    work.count(site)
    # A server adds up what a session did shortly after its end.
    until(lambda: counted() == {'a "table': 1, "much": 1, "little": 1}, 20, "that each is counted")
    did("INSERT INTO much SELECT 0 FROM generate_series(1, 500)")
    did("INSERT INTO little SELECT 0 FROM generate_series(1, 20)")
    until(lambda: work.count(site) or counted()["much"] == 2, 20, "that what changed much is counted again")
    work.count(site)
    assert counted() == {'a "table': 1, "much": 2, "little": 1}
