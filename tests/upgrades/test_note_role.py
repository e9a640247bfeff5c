"""Notes run as a role that owns the copied database and can harm no other."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.services.tryton import NEXT, SERIES
from tests.upgrades.conftest import keep
from wellkept.adapters.base import Note, Site
from wellkept.adapters.tryton import releases
from wellkept.estate.models import Organisation
from wellkept.operations.errors import Failed
from wellkept.tools import postgres
from wellkept.upgrades import work
from wellkept.upgrades.notes import Effective

pytestmark = pytest.mark.django_db
PASSWORD = "plain-pass-1"


@pytest.fixture
def piece(own_company: Site, organisation: Organisation, tmp_path: Path) -> work.Work:
    """The work of an upgrade whose copied database is a company of the test's own."""
    environment = keep(own_company, organisation)
    return work.Work(environment, own_company, SERIES, NEXT, own_company.database, "unused", own_company.database, {}, tmp_path)


@pytest.fixture
def neighbour(own_company: Site) -> Iterator[str]:
    name = f"{own_company.database}_neighbour"
    postgres.create_database(own_company.server, name)
    yield name
    postgres.drop_database(own_company.server, name)


def roles(site: Site) -> Sequence[str]:
    with postgres.administration(site.server) as connection:
        return [name for (name,) in connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'wellkept_work%'")]


def test_the_notes_of_the_release_run_confined_and_leave_no_role(piece: work.Work) -> None:
    shipped = [Effective(note) for note in releases.notes(SERIES, NEXT)]
    done = work.run_notes(piece, shipped, "before", {})
    assert done == {"done": ["7.2-empty-references", "7.6-model-names"], "by_hand": [], "not_confined": ""}
    with postgres.connect(piece.server, piece.new, readonly=True) as connection:
        assert all(releases.holds(connection, releases.notes(SERIES, NEXT)[number]) for number in (0, 2))
        owners = connection.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert owners == [("postgres",)]
    assert roles(piece.site) == []


def test_a_note_that_reaches_for_another_database_fails_and_nothing_happened(piece: work.Work, neighbour: str) -> None:
    harm = Note("harm", "Harm", "nobody", "before", "to fail", check="SELECT true", action=f"ALTER DATABASE {neighbour} RENAME TO gone")
    with pytest.raises(Failed, match=r"The note harm failed: .*must be owner of database"):
        work.run_notes(piece, [Effective(harm)], "before", {})
    assert postgres.database_exists(piece.server, neighbour)
    assert roles(piece.site) == []


def test_a_login_that_may_make_no_role_does_them_itself_and_that_is_said(piece: work.Work) -> None:
    postgres.create_role(piece.server, "plain_owner", PASSWORD)
    with postgres.connect(piece.server, piece.new) as connection:
        connection.execute("CREATE TABLE ours (id integer)")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain_owner")
    plain = replace(piece, site=replace(piece.site, server=replace(piece.server, user="plain_owner", password=PASSWORD)))
    note = Note("looks", "Looks", "nobody", "before", "to look", check="SELECT true", action="SELECT 1")
    done = work.run_notes(plain, [Effective(note)], "before", {})
    assert done["done"] == ["looks"]
    assert done["not_confined"].startswith("the role plain_owner may not make roles (CREATEROLE)")
    with postgres.connect(piece.server, piece.new, autocommit=True) as connection:
        connection.execute("DROP OWNED BY plain_owner; DROP ROLE plain_owner")
