"""Adopting a Tryton that somebody else installed: what is seen, what is not and why, and what waits to be done."""

import json
import secrets
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg import sql

from wellkept.adapters.base import Invalid, Site
from wellkept.adapters.conformance import Bench
from wellkept.adapters.tryton import config, inspect
from wellkept.lib.text import recognised
from wellkept.tools import command, postgres


@pytest.fixture
def copy(bench: Bench) -> Iterator[Site]:
    with bench.copy() as made:
        yield made


@pytest.fixture
def stranger(copy: Site) -> Iterator[Site]:
    """The copy read through a role that may connect and nothing else."""
    role = f"stranger_{secrets.token_hex(4)}"
    postgres.create_role(copy.server, role, None)
    yield replace(copy, server=replace(copy.server, user=role))
    with postgres.connect(copy.server, copy.database, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP OWNED BY {role}; DROP ROLE {role}").format(role=sql.Identifier(role)))


def change(site: Site, *statements: str) -> None:
    with postgres.connect(site.server, site.database) as connection:
        for statement in statements:
            connection.execute(statement)


def test_packages_are_seen_however_they_were_installed(tmp_path: Path) -> None:
    told = {
        "trytond-7.0.3.dist-info/METADATA": "",
        "trytond_party-7.0.1-py3.11.egg-info": "a file, as Debian has them",
        "trytond_own.egg-info/PKG-INFO": "Metadata-Version: 2.1\nName: trytond_own\nVersion: 7.0.dev1\n",
        "nan_stock-7.0.2.dist-info/entry_points.txt": "[console_scripts]\nx = y\n\n[trytond.modules]\nnan_stock = nan.stock\n\n[z]\na = b\n",
        "lxml-5.0.dist-info/METADATA": "",
        "later/trytond-6.0.0.dist-info/METADATA": "",
    }
    for name, text in told.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    places = [str(tmp_path), str(tmp_path / "later"), str(tmp_path / "nowhere")]
    done = command.run([sys.executable, "-I", "-B", "-c", f"import sys; sys.path += {places}\n{inspect.VERSIONS}"])
    seen = json.loads(done.stdout)["packages"]
    assert seen == {"trytond": "7.0.3", "trytond_party": "7.0.1", "trytond_own": "7.0.dev1", "trytond_nan_stock": "7.0.2"}


def test_what_a_role_may_not_read_is_said_with_the_grant_that_mends_it(copy: Site, stranger: Site) -> None:
    seen = inspect.discover(stranger)
    hidden = {blind.what.split()[-1]: blind for blind in seen.blind}
    assert {"tables", "sequences", "modules", "users"} <= hidden.keys()
    assert hidden["tables"].remedy == f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{stranger.server.user}";'
    assert seen.users_total is None
    assert seen.database_bytes > 1_000_000
    change(copy, hidden["tables"].remedy, hidden["sequences"].remedy)
    assert inspect.discover(stranger).blind == []


def test_our_own_role_reads_what_tryton_adds_later(copy: Site) -> None:
    role, owner = f"reader_{secrets.token_hex(4)}", copy.server.user
    with postgres.connect(copy.server, copy.database, autocommit=True) as connection:
        for statement in inspect.readonly_role_sql(copy.database, role=role, owner=owner):
            connection.execute(statement)
        try:
            connection.execute("CREATE TABLE added_later (id int)")
            reader = replace(copy, server=replace(copy.server, user=role))
            assert inspect.discover(reader).blind == []
            with postgres.connect(reader.server, copy.database) as ours:
                assert ours.execute("SELECT count(*) FROM added_later").fetchone() == (0,)
                assert ours.execute("SELECT pg_has_role('pg_read_all_stats', 'MEMBER'), pg_has_role(%s, %s, 'MEMBER')", [owner, role]).fetchone() == (
                    True,
                    True,
                )
                with pytest.raises(Exception, match=r"read-only transaction|permission denied"):
                    ours.execute("DELETE FROM added_later")
        finally:
            connection.execute(sql.SQL("DROP OWNED BY {role}; DROP ROLE {role}").format(role=sql.Identifier(role)))


def test_a_server_that_does_not_answer_or_does_not_know_us_is_said(copy: Site, tmp_path: Path) -> None:
    gone = inspect.discover(replace(copy, server=replace(copy.server, host=str(tmp_path))))
    (blind,) = [blind for blind in gone.blind if blind.what == "database"]
    assert blind.remedy == f"see that PostgreSQL runs and answers at {tmp_path}:{copy.server.port}"
    unknown = inspect.discover(replace(copy, server=replace(copy.server, user="not_a_role")))
    (blind,) = [blind for blind in unknown.blind if blind.what == "database"]
    assert "not_a_role" in blind.why
    assert 'CREATE ROLE "wellkept" LOGIN; ALTER ROLE' in blind.remedy
    assert unknown.users_total is None
    assert unknown.version_on_disk is not None


def test_a_database_of_something_else_is_said(copy: Site) -> None:
    seen = inspect.discover(replace(copy, database="postgres"))
    assert [blind.why for blind in seen.blind if blind.what == "modules and users"] == ["the database postgres has no tables of Tryton"]


def test_everything_that_is_said_about_what_could_not_be_seen_is_recognised(copy: Site, stranger: Site, tmp_path: Path) -> None:
    crippled = (
        Site("x"),
        stranger,
        replace(copy, database="postgres"),
        replace(copy, interpreter=Path("/usr/bin/python3.11")),
        replace(copy, interpreter=Path("/nowhere/python")),
        replace(copy, server=replace(copy.server, host=str(tmp_path))),
        replace(copy, server=replace(copy.server, user="not_a_role")),
        replace(copy, url=f"unix:{tmp_path}/nobody"),
    )
    found = [blind for site in crippled for blind in inspect.discover(site).blind]
    assert len(found) >= 14
    said = [text for blind in found for text in (blind.what, blind.why, blind.remedy)]
    unknown = {text for text in said if isinstance(recognised(text, inspect.WORDS), str)}
    # Statements are to be run as they are.
    assert {text for text in unknown if not text.startswith("GRANT ")} == set()


def test_pending_work_is_listed(copy: Site) -> None:
    change(copy, "UPDATE ir_cron SET next_call = now() + interval '1 day'")
    assert inspect.discover(copy).pending == []
    change(
        copy,
        "UPDATE ir_module SET state = 'to upgrade' WHERE name = 'sale'",
        "UPDATE ir_module SET state = 'to activate' WHERE name = 'quality'",
        "INSERT INTO ir_module (name, state) VALUES ('left_behind', 'activated')",
        "INSERT INTO ir_queue (name, enqueued_at) SELECT 'x', now() - interval '1 day' FROM generate_series(1, 3)",
        "INSERT INTO ir_queue (name, enqueued_at, dequeued_at) VALUES ('x', now() - interval '1 day', now() - interval '5 hours')",
        "INSERT INTO ir_queue (name, enqueued_at, scheduled_at) VALUES ('x', now(), now() + interval '1 day')",
        "UPDATE ir_cron SET next_call = now() - interval '3 days' WHERE method = 'ir.queue|clean'",
        "INSERT INTO ir_error (message, state) VALUES ('it broke', 'open')",
    )
    assert sorted(inspect.discover(copy).pending) == [
        "1 errors of jobs and tasks are open",
        "1 scheduled jobs are more than an hour late: ir.queue|clean",
        "1 tasks have run for more than an hour",
        "3 tasks wait in the queue",
        "module left_behind is activated but not installed",
        "module quality waits to be activated",
        "module sale waits to be upgraded",
    ]


def test_tables_of_another_series_are_noticed(copy: Site) -> None:
    change(copy, "ALTER TABLE ir_model RENAME name TO string", "ALTER TABLE ir_model RENAME model TO name")
    seen = inspect.discover(copy)
    assert seen.version_in_database is None
    assert "the tables do not fit series 7.0: the database waits to be updated (trytond-admin --all)" in seen.pending


def test_the_database_is_found_or_asked_for(bench: Bench, copy: Site, tmp_path: Path) -> None:
    path = tmp_path / "trytond.conf"
    uri = config.uri_of(copy.server)
    path.write_text(f"[database]\nuri = {uri}\npath = {tmp_path}\n")
    with pytest.raises(Invalid, match="name one with --database") as refusal:
        inspect.from_config(path)
    assert bench.site.database in str(refusal.value)
    assert copy.database in str(refusal.value)
    assert inspect.from_config(path, copy.database).database == copy.database
    path.write_text(f"[database]\nuri = {uri.replace('@/', f'@/{copy.database}')}\n")
    found = inspect.from_config(path)
    assert (found.database, found.server, found.config) == (copy.database, copy.server, path)


def test_sqlite_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trytond.conf"
    path.write_text("[database]\npath = /srv/tryton\n")
    with pytest.raises(Invalid, match="on PostgreSQL only"):
        inspect.from_config(path)


def test_a_wrong_interpreter_is_said(copy: Site) -> None:
    seen = inspect.discover(replace(copy, interpreter=Path("/usr/bin/python3.11")))
    assert [blind.why for blind in seen.blind] == [
        "/usr/bin/python3.11 has no trytond",
        "Tryton keeps none; without the version on disk its tables cannot be judged",
    ]
    missing = inspect.discover(replace(copy, interpreter=Path("/nowhere/python")))
    assert "the program python is not installed" in missing.blind[0].why
