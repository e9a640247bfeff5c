"""Whole databases: fences, sessions, copies with all that belongs to them, the exchange, and what a role needs for it."""

import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from wellkept.lib.text import say
from wellkept.tools import command, databases, postgres
from wellkept.tools.postgres import Server

OWNER, OTHER = "keeper", "clerk"
PASSWORD = "a pass word"


@pytest.fixture(scope="module")
def cluster() -> Iterator[postgres.Cluster]:
    folder = postgres.throwaway_folder("wkx-")
    made = postgres.Cluster(folder / "data", folder / "s", postgres.free_port(), postgres.service_user(), tcp=True)
    postgres.create_cluster(made, durable=False, settings={"max_prepared_transactions": "5", "wal_level": "logical"})
    postgres.start(made)
    postgres.create_role(made.server(), OWNER, PASSWORD, attributes="LOGIN CREATEDB")
    postgres.create_role(made.server(), OTHER, PASSWORD)
    yield made
    postgres.destroy(made)
    shutil.rmtree(folder)


@pytest.fixture
def owner(cluster: postgres.Cluster) -> Server:
    return Server("127.0.0.1", cluster.port, OWNER, PASSWORD)


@pytest.fixture
def erp(cluster: postgres.Cluster) -> Iterator[str]:
    """A database with one table, whose name needs quotes; it and everything named after it is dropped at the end."""
    name = f'Erp "{secrets.token_hex(3)}'
    postgres.create_database(cluster.server(), name, owner=OWNER)
    with postgres.connect(cluster.server(OWNER), name) as connection:
        connection.execute("CREATE TABLE line AS SELECT 'before' AS said")
    yield name
    with postgres.administration(cluster.server()) as connection:
        for (found,) in connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [name]).fetchall():
            postgres.drop_database(cluster.server(), found)


def said(server: Server, database: str) -> str:
    with postgres.connect(server, database) as connection:
        ((text,),) = connection.execute("SELECT said FROM line").fetchall()
        return str(text)


def names(server: Server, prefix: str) -> dict[str, bool]:
    """Databases by name (without the prefix), and whether they let anybody in."""
    with postgres.administration(server) as connection:
        rows = connection.execute("SELECT datname, datallowconn FROM pg_database WHERE starts_with(datname, %s)", [prefix])
        return {name.removeprefix(prefix): allowed for name, allowed in rows}


def changed_copy(server: Server, erp: str) -> None:
    databases.fence(server, erp)
    databases.copy(server, erp, f"{erp}-new", timeout=60)
    with postgres.connect(server, f"{erp}-new") as connection:
        connection.execute("UPDATE line SET said = 'after'")


def test_a_fence_keeps_everybody_out_and_those_inside_are_named_and_ended(owner: Server, cluster: postgres.Cluster, erp: str) -> None:
    inside = postgres.connect(owner, erp)
    databases.fence(owner, erp)
    for who in (owner, cluster.server()):
        with pytest.raises(psycopg.OperationalError, match="not currently accepting connections"):
            postgres.connect(who, erp)
    (seen,) = databases.sessions(owner, erp)
    assert (seen.user, seen.program, seen.address, seen.state) == (OWNER, "wellkept", "127.0.0.1", "idle")
    assert f"wellkept (pid {seen.pid}, idle, since {seen.since:%Y-%m-%d}" in str(seen)
    assert databases.end(owner, erp, [seen]) == []
    assert databases.sessions(owner, erp) == []
    with pytest.raises(psycopg.OperationalError):
        inside.execute("SELECT 1")
    assert databases.fenced(owner, erp)
    databases.unfence(owner, erp)
    assert said(owner, erp) == "before"


def test_only_the_named_session_is_ended(owner: Server, erp: str) -> None:
    first, second = (postgres.connect(owner, erp, autocommit=True) for _ in range(2))
    one, two = sorted(databases.sessions(owner, erp), key=lambda seen: seen.pid != first.info.backend_pid)
    later = replace(two, since=one.since)
    assert databases.end(owner, erp, [one, later], wait=2) == []
    with pytest.raises(psycopg.OperationalError):
        first.execute("SELECT 1")
    assert second.execute("SELECT 1").fetchone() == (1,)
    second.close()


def test_a_session_that_may_not_be_ended_is_an_error_with_the_reason(owner: Server, cluster: postgres.Cluster, erp: str) -> None:
    with postgres.connect(cluster.server(), erp, autocommit=True) as strange:
        (seen,) = databases.sessions(owner, erp)
        assert (seen.user, seen.state, seen.since) == ("postgres", None, None)
        with pytest.raises(databases.NotAllowed, match=f"{OWNER} may not do it"):
            databases.end(owner, erp, [seen])
        assert strange.execute("SELECT 1").fetchone() == (1,)


def dress(cluster: postgres.Cluster, erp: str) -> None:
    """Give a database everything that a template leaves behind."""
    with postgres.administration(cluster.server()) as connection:
        quoted = psycopg.sql.Identifier(erp).as_string(connection)
        for statement in (
            "REVOKE ALL ON DATABASE {} FROM PUBLIC",
            f"GRANT CONNECT ON DATABASE {{}} TO {OTHER} WITH GRANT OPTION",
            f"GRANT TEMPORARY ON DATABASE {{}} TO {OTHER}",
            "ALTER DATABASE {} SET search_path TO \"$user\", public, 'Odd, one'",
            "ALTER DATABASE {} SET work_mem TO '5MB'",
            "ALTER DATABASE {} SET my.word TO 'a=b ''c'''",
            f"ALTER ROLE {OTHER} IN DATABASE {{}} SET statement_timeout TO '7s'",
            "ALTER DATABASE {} CONNECTION LIMIT 17",
            "COMMENT ON DATABASE {} IS 'the books of ''Ada'''",
        ):
            connection.execute(statement.format(quoted))


FACTS = """
    SELECT pg_get_userbyid(datdba), datconnlimit, datcollate, datctype, encoding, shobj_description(oid, 'pg_database'),
      (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a),
      (SELECT array_agg((setrole, setconfig)::text ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid)
    FROM pg_database d WHERE datname = %s
"""


def facts(server: Server, name: str) -> tuple[object, ...]:
    with postgres.administration(server) as connection:
        row = connection.execute(FACTS, [name]).fetchone()
        assert row is not None
        return row


def test_a_copy_has_all_that_belongs_to_the_database(cluster: postgres.Cluster, erp: str) -> None:
    dress(cluster, erp)
    postgres.create_database(cluster.server(), f"{erp}-plain", template=erp)
    bare = facts(cluster.server(), f"{erp}-plain")
    databases.copy(cluster.server(), erp, f"{erp}-new", timeout=60)
    assert facts(cluster.server(), f"{erp}-new") == facts(cluster.server(), erp)
    different = [before != after for before, after in zip(facts(cluster.server(), erp), bare, strict=True)]
    assert different == [True, True, False, False, False, True, True, True], "a template alone leaves all of these behind"
    with postgres.connect(cluster.server(OTHER), f"{erp}-new") as connection:
        assert connection.execute("SHOW search_path").fetchone() == ('"$user", public, "Odd, one"',)
        assert connection.execute("SHOW my.word").fetchone() == ("a=b 'c'",)
        assert connection.execute("SHOW statement_timeout").fetchone() == ("7s",)


def test_a_copy_is_made_by_the_owner_and_a_complete_one_is_left_alone(owner: Server, cluster: postgres.Cluster, erp: str) -> None:
    postgres.create_database(cluster.server(), f"{erp}-new{databases.UNFINISHED}", owner=OWNER)
    changed_copy(owner, erp)
    assert names(owner, erp) == {"": False, "-new": True}
    databases.copy(owner, erp, f"{erp}-new", timeout=60)
    assert said(owner, f"{erp}-new") == "after"


def test_who_uses_the_database_is_named_when_it_cannot_be_copied(owner: Server, erp: str) -> None:
    with postgres.connect(owner, erp) as user:
        pid = user.info.backend_pid
        with pytest.raises(databases.Held, match=rf"1 other session.*: wellkept \(pid {pid}") as held:
            databases.copy(owner, erp, f"{erp}-new", timeout=60)
    assert [session.pid for session in held.value.sessions] == [pid]
    assert names(owner, erp) == {"": True}


def test_a_copy_that_takes_too_long_leaves_nothing(owner: Server, erp: str) -> None:
    # An empty database that lies in memory is copied sooner.
    with postgres.connect(owner, erp) as connection:
        connection.execute("CREATE TABLE big AS SELECT repeat(i::text, 100) FROM generate_series(1, 400000) i")
    with pytest.raises(postgres.PostgresError, match=r"not done within 0.02 s"):
        databases.copy(owner, erp, f"{erp}-new", timeout=0.02)
    assert set(names(owner, erp)) <= {"", f"-new{databases.UNFINISHED}"}
    databases.copy(owner, erp, f"{erp}-new", timeout=60)
    assert names(owner, erp) == {"": True, "-new": True}


def test_a_stopped_copy_ends_at_once(owner: Server, erp: str) -> None:
    with postgres.connect(owner, erp) as connection:
        connection.execute("CREATE TABLE big AS SELECT repeat(i::text, 100) FROM generate_series(1, 400000) i")
    with command.scope() as scope:
        threading.Timer(0.15, scope.stop).start()
        with pytest.raises(command.CommandStopped):
            databases.copy(owner, erp, f"{erp}-new", timeout=600)
    assert "-new" not in names(owner, erp)


def test_an_exchange_goes_and_comes_back_and_may_be_repeated(owner: Server, erp: str) -> None:
    changed_copy(owner, erp)
    trio = (erp, f"{erp}-new", f"{erp}-kept")
    assert databases.exchange(owner, *trio)
    assert names(owner, erp) == {"": True, "-kept": False}
    assert said(owner, erp) == "after"
    assert not databases.exchange(owner, *trio)
    assert databases.exchange_back(owner, *trio)
    assert names(owner, erp) == {"": True, "-new": False}
    assert said(owner, erp) == "before"
    assert not databases.exchange_back(owner, *trio)
    assert databases.exchange(owner, *trio)
    assert said(owner, erp) == "after"


@pytest.mark.parametrize("there", [(), ("-new",), ("",), ("-kept",), ("", "-new", "-kept"), ("-new", "-kept")], ids=str)
def test_databases_that_do_not_fit_are_left_as_they_are(there: tuple[str, ...], owner: Server, cluster: postgres.Cluster, erp: str) -> None:
    for suffix in ("-new", "-kept"):
        if suffix in there:
            postgres.create_database(cluster.server(), erp + suffix, owner=OWNER)
    if "" not in there:
        postgres.drop_database(cluster.server(), erp)
    before = names(owner, erp)
    with pytest.raises(databases.Misfit, match="exactly these two of"):
        databases.exchange(owner, erp, f"{erp}-new", f"{erp}-kept")
    assert names(owner, erp) == before


def test_a_name_that_postgresql_would_cut_is_refused(owner: Server, erp: str) -> None:
    with pytest.raises(databases.Misfit, match="has 64 bytes, 1 to 63 are possible"):
        databases.exchange(owner, erp, f"{erp}-new", "x" * 64)
    with pytest.raises(databases.Misfit, match="cannot be the name"):
        databases.copy(owner, erp, "x" * 60, timeout=60)
    with pytest.raises(databases.Misfit, match="there is no database"):
        databases.fenced(owner, "nothing of this name")


def test_who_holds_the_lock_is_named_and_nothing_is_changed(owner: Server, cluster: postgres.Cluster, erp: str) -> None:
    changed_copy(owner, erp)
    before = names(owner, erp)
    quoted = psycopg.sql.Identifier(erp)
    with postgres.connect(cluster.server(), "postgres") as holder:
        holder.execute(psycopg.sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 3").format(quoted))
        holder.execute(psycopg.sql.SQL("COMMENT ON DATABASE {} IS 'held'").format(quoted))
        began = time.monotonic()
        with pytest.raises(databases.Held, match=rf"wellkept \(pid {holder.info.backend_pid}\)"):
            databases.exchange(owner, erp, f"{erp}-new", f"{erp}-kept")
        assert time.monotonic() - began < 4 * databases.LOCK_SECONDS
        holder.rollback()
    assert names(owner, erp) == before
    assert databases.exchange(owner, erp, f"{erp}-new", f"{erp}-kept")


def test_two_who_exchange_at_once_do_it_once(owner: Server, erp: str) -> None:
    changed_copy(owner, erp)
    results: list[object] = []

    def work() -> None:
        try:
            results.append(databases.exchange(owner, erp, f"{erp}-new", f"{erp}-kept"))
        except (databases.Misfit, databases.Held, psycopg.errors.InternalError_) as error:
            results.append(type(error).__name__)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(True) == 1
    assert names(owner, erp) == {"": True, "-kept": False}
    assert said(owner, erp) == "after"


def test_an_owner_that_may_create_databases_lacks_nothing(owner: Server, cluster: postgres.Cluster, erp: str) -> None:
    with postgres.connect(owner, erp):
        assert databases.lacks(owner, erp) == []
    dress(cluster, erp)
    assert databases.lacks(cluster.server(), erp) == []
    assert names(owner, erp) == {"": True}


def test_each_lack_is_named_with_what_ends_it(cluster: postgres.Cluster, owner: Server, erp: str) -> None:
    superuser = cluster.server()
    clerk = Server("127.0.0.1", cluster.port, OTHER, PASSWORD)
    with postgres.connect(superuser, erp):
        found = {lack.what: say(lack.remedy) for lack in databases.lacks(clerk, erp)}
    assert found == {
        "create": f'ALTER ROLE "{OTHER}" CREATEDB',
        "own": f'GRANT "{OWNER}" TO "{OTHER}"',
        "end": f'GRANT pg_signal_backend TO "{OTHER}"',
    }
    with postgres.administration(superuser) as connection:
        for remedy in found.values():
            connection.execute(remedy)
    try:
        assert databases.lacks(clerk, erp) == []
        changed_copy(clerk, erp)
        assert databases.exchange(clerk, erp, f"{erp}-new", f"{erp}-kept")
        assert said(owner, erp) == "after"
    finally:
        with postgres.administration(superuser) as connection:
            connection.execute(f"ALTER ROLE {OTHER} NOCREATEDB")
            connection.execute(f"REVOKE {OWNER}, pg_signal_backend FROM {OTHER}")


def test_what_cannot_be_carried_over_is_found_by_trying(cluster: postgres.Cluster, owner: Server, erp: str) -> None:
    dress(cluster, erp)
    (lack,) = databases.lacks(owner, erp)
    assert lack.what == "carry"
    assert "CREATEROLE" in say(lack.remedy)
    assert names(owner, erp) == {"": True}


def test_what_an_exchange_would_leave_behind_is_named(cluster: postgres.Cluster, erp: str) -> None:
    with postgres.connect(cluster.server(), erp, autocommit=True) as connection:
        connection.execute("SELECT pg_create_logical_replication_slot('follower', 'pgoutput')")
        connection.execute("BEGIN; INSERT INTO line VALUES ('open'); PREPARE TRANSACTION 'half''way'")
        try:
            found = {lack.what: say(lack.remedy) for lack in databases.lacks(cluster.server(), erp)}
        finally:
            connection.execute("ROLLBACK PREPARED 'half''way'")
            connection.execute("SELECT pg_drop_replication_slot('follower')")
    assert found["prepared"] == "COMMIT PREPARED 'half''way' or ROLLBACK PREPARED 'half''way'"
    assert "pg_drop_replication_slot('follower')" in found["replicated"]
    assert databases.lacks(cluster.server(), erp) == []


def test_a_server_that_lets_nobody_in_under_another_name_is_found_by_trying(cluster: postgres.Cluster, owner: Server, erp: str) -> None:
    rules = cluster.data / "pg_hba.conf"
    before = rules.read_text()
    quoted = '"' + erp.replace('"', '""') + '"'
    try:
        rules.write_text(f"local all all trust\nhost {quoted},postgres all 127.0.0.1/32 scram-sha-256\n")
        with postgres.administration(cluster.server()) as connection:
            connection.execute("SELECT pg_reload_conf()")
        time.sleep(0.3)
        (lack,) = databases.lacks(owner, erp)
        assert lack.what == "connect"
        assert "pg_hba.conf" in say(lack.remedy)
    finally:
        rules.write_text(before)
        with postgres.administration(cluster.server()) as connection:
            connection.execute("SELECT pg_reload_conf()")
