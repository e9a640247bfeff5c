import dataclasses
import os
import shutil

import psycopg
import pytest

from wellkept.tools import command, postgres


@pytest.fixture(scope="module")
def cluster():
    folder = postgres.throwaway_folder()
    made = postgres.Cluster(folder / "data", folder / "s", postgres.free_port(), postgres.service_user(), tcp=True)
    postgres.create_cluster(made, durable=False)
    postgres.start(made)
    postgres.create_role(made.server(), "app", "secret-word")
    yield made
    postgres.destroy(made)
    shutil.rmtree(folder)


@pytest.fixture
def app(cluster):
    postgres.create_database(cluster.server(), "books", owner="app")
    yield postgres.Server("127.0.0.1", cluster.port, "app", "secret-word")
    postgres.drop_database(cluster.server(), "books")


def test_the_socket_folder_is_closed_to_others(cluster):
    assert cluster.sockets.stat().st_mode & 0o077 == 0


def test_a_wrong_password_is_refused_over_tcp(cluster, app):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        postgres.connect(postgres.Server("127.0.0.1", cluster.port, "app", "wrong"), "books")


def test_checked_addresses_are_used_whatever_the_name_means(app, tmp_path):
    named = dataclasses.replace(app, host="books.invalid", addresses=["127.0.0.2", "127.0.0.1"])
    with postgres.connect(named, "books") as connection:
        assert connection.info.hostaddr == "127.0.0.1"
    assert postgres.dump(named, "books", tmp_path / "dump").returncode == 0
    with pytest.raises(psycopg.OperationalError):
        postgres.connect(dataclasses.replace(app, host="books.invalid"), "books")


def test_the_password_does_not_show(app):
    assert "secret-word" not in repr(app)


def test_a_dump_in_a_snapshot_does_not_see_later_writes(app, cluster, tmp_path):
    with postgres.connect(app, "books") as connection:
        connection.execute("CREATE TABLE line (amount numeric)")
        connection.execute("INSERT INTO line VALUES (1), (2)")
    with postgres.snapshot(app, "books") as (reader, name):
        with postgres.connect(app, "books") as writer:
            writer.execute("INSERT INTO line VALUES (40)")
        postgres.dump(app, "books", tmp_path / "dump", snapshot_id=name)
        assert reader.execute("SELECT sum(amount) FROM line").fetchone() == (3,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reader.execute("DELETE FROM line")
    postgres.create_database(cluster.server(), "restored", owner="app")
    try:
        postgres.restore(app, "restored", tmp_path / "dump")
        with postgres.connect(app, "restored") as connection:
            assert connection.execute("SELECT sum(amount), count(*) FROM line").fetchone() == (3, 2)
    finally:
        postgres.drop_database(cluster.server(), "restored")


def test_a_dump_with_a_damaged_table_of_contents_is_not_restored_in_silence(app, cluster, tmp_path):
    with postgres.connect(app, "books") as connection:
        connection.execute("CREATE TABLE line AS SELECT i FROM generate_series(1, 1000) i")
    postgres.dump(app, "books", tmp_path / "dump")
    # Rows that are cut off go unnoticed by pg_restore: for them a set has its hashes.
    contents = tmp_path / "dump" / "toc.dat"
    contents.write_bytes(contents.read_bytes()[:100])
    postgres.create_database(cluster.server(), "restored", owner="app")
    try:
        with pytest.raises(command.CommandFailed):
            postgres.restore(app, "restored", tmp_path / "dump")
    finally:
        postgres.drop_database(cluster.server(), "restored")


def test_a_copy_is_equal_and_a_drop_ends_sessions(app, cluster):
    with postgres.connect(app, "books") as connection:
        connection.execute("CREATE TABLE line AS SELECT 7 AS amount")
    postgres.create_database(cluster.server(), "twin", owner="app", template="books")
    open_session = postgres.connect(app, "twin")
    assert open_session.execute("SELECT amount FROM line").fetchone() == (7,)
    postgres.drop_database(cluster.server(), "twin")
    assert not postgres.database_exists(cluster.server(), "twin")
    with pytest.raises(psycopg.OperationalError):
        open_session.execute("SELECT 1")


def test_a_socket_path_that_is_too_long_is_refused_before_anything_is_made(tmp_path):
    deep = tmp_path / ("x" * 100)
    with pytest.raises(postgres.PostgresError, match="too long"):
        postgres.create_cluster(postgres.Cluster(deep / "data", deep / "s", 5432, postgres.service_user()))
    assert not deep.exists()


def test_an_interrupted_initdb_never_counts(cluster):
    folder = postgres.throwaway_folder()
    try:
        half = folder / "data.new-before"
        half.mkdir()
        (half / "PG_VERSION").write_text("15\n")
        made = postgres.Cluster(folder / "data", folder / "s", postgres.free_port(), postgres.service_user())
        postgres.create_cluster(made, durable=False)
        assert postgres.data_version(made.data) >= 15
        assert not half.exists()
    finally:
        shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs servers as another user")
def test_a_folder_that_the_service_user_cannot_reach_is_named(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(postgres.PostgresError, match="cannot reach"):
        postgres.owned_folder(closed / "inside", "postgres")


def test_role_attributes_are_words_not_sql(cluster):
    with pytest.raises(postgres.PostgresError, match="not role attributes"):
        postgres.create_role(cluster.server(), "x", None, attributes="LOGIN; DROP TABLE y")


def test_a_pid_file_that_a_crash_left_never_reaches_another_server(cluster):
    folder = postgres.throwaway_folder()
    crashed = postgres.Cluster(folder / "data", folder / "s", postgres.free_port(), cluster.os_user)
    left = crashed.data / "postmaster.pid"
    postgres.create_cluster(crashed, durable=False)
    postgres.start(crashed)
    try:
        assert postgres.running(crashed)
        lines = left.read_text().splitlines(keepends=True)
        postgres.stop(crashed, "immediate")
        innocent = (cluster.data / "postmaster.pid").read_text().splitlines(keepends=True)[0]
        left.write_text("".join([innocent, *lines[1:]]))
        assert not postgres.running(crashed)
        postgres.stop(crashed, "immediate")
        assert postgres.running(cluster)
        assert command.started_at(int(innocent)) is not None
        postgres.start(crashed)
        assert postgres.running(crashed)
        assert postgres.running(cluster)
    finally:
        postgres.destroy(crashed)
        shutil.rmtree(folder)
