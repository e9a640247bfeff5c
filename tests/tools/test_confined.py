"""A role for one piece of work: it does what the owner may, in one database, and leaves no trace of its own."""

import secrets
import shutil
from collections.abc import Iterator

import psycopg
import pytest

from wellkept.tools import confined, postgres
from wellkept.tools.postgres import Server

PASSWORD = "a pass word"
OWNERS = """
    SELECT c.relname, pg_get_userbyid(c.relowner), coalesce(c.relacl::text, '') FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'S', 'm') ORDER BY 1
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[postgres.Cluster]:
    folder = postgres.throwaway_folder("wkf-")
    made = postgres.Cluster(folder / "data", folder / "s", postgres.free_port(), postgres.service_user(), tcp=True)
    postgres.create_cluster(made, durable=False)
    postgres.start(made)
    postgres.create_role(made.server(), "keeper", PASSWORD, attributes="LOGIN CREATEROLE CREATEDB")
    postgres.create_role(made.server(), "plain", PASSWORD)
    postgres.create_role(made.server(), "reader", PASSWORD)
    yield made
    postgres.destroy(made)
    shutil.rmtree(folder)


@pytest.fixture(params=["keeper", "postgres"])
def login(cluster: postgres.Cluster, request: pytest.FixtureRequest) -> Server:
    """An owner that may make roles, and a superuser."""
    return Server("127.0.0.1", cluster.port, "keeper", PASSWORD) if request.param == "keeper" else cluster.server()


@pytest.fixture
def erp(cluster: postgres.Cluster) -> Iterator[str]:
    name = f"erp {secrets.token_hex(3)}"
    for database in (name, f"{name} other"):
        postgres.create_database(cluster.server(), database, owner="keeper")
        with postgres.connect(Server("127.0.0.1", cluster.port, "keeper", PASSWORD), database) as connection:
            connection.execute('CREATE TABLE "the rows" (id serial PRIMARY KEY, word text)')
            connection.execute("INSERT INTO \"the rows\" (word) VALUES ('one'), ('two')")
            connection.execute('CREATE VIEW words AS SELECT word FROM "the rows"')
            connection.execute("CREATE FUNCTION plus(a integer) RETURNS integer LANGUAGE sql AS 'SELECT a + 1'")
            connection.execute('GRANT SELECT ON "the rows" TO reader')
    yield name
    for database in (name, f"{name} other"):
        postgres.drop_database(cluster.server(), database)


def owners(cluster: postgres.Cluster, database: str) -> list[tuple[object, ...]]:
    with postgres.connect(cluster.server(), database) as connection:
        return connection.execute(OWNERS).fetchall()


def roles(cluster: postgres.Cluster) -> list[str]:
    with postgres.administration(cluster.server()) as connection:
        return [name for (name,) in connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'wellkept%'")]


def test_it_does_what_the_owner_may_and_everything_is_the_owner_s_again(cluster: postgres.Cluster, login: Server, erp: str) -> None:
    before = owners(cluster, erp)
    with confined.confined(login, erp) as inside:
        assert inside.user.startswith("wellkept_work_")
        assert str(inside.password) not in repr(inside)
        with postgres.connect(inside, erp) as connection:
            connection.execute('ALTER TABLE "the rows" RENAME COLUMN word TO said')
            connection.execute('UPDATE "the rows" SET said = upper(said)')
            connection.execute("ALTER TABLE \"the rows\" ADD CHECK (said <> '')")
            connection.execute("CREATE TABLE made_by_work (id serial PRIMARY KEY)")
            connection.execute("ALTER FUNCTION plus(integer) STABLE")
    after = owners(cluster, erp)
    assert [row for row in after if "made_by_work" not in str(row[0])] == before
    assert {row[1] for row in after} == {"keeper"}
    assert roles(cluster) == []
    with postgres.connect(Server("127.0.0.1", cluster.port, "reader", PASSWORD), erp, readonly=True) as connection:
        assert connection.execute('SELECT said FROM "the rows" ORDER BY id').fetchall() == [("ONE",), ("TWO",)]


@pytest.mark.parametrize(
    "harm",
    [
        'ALTER DATABASE "{erp} other" RENAME TO gone',
        'ALTER DATABASE "{erp}" RENAME TO gone',
        'ALTER DATABASE "{erp} other" ALLOW_CONNECTIONS false',
        "ALTER ROLE keeper PASSWORD 'x'",
        "CREATE ROLE more",
        "SET ROLE keeper",
        "SET SESSION AUTHORIZATION postgres",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('PG_VERSION')",
    ],
)
def test_it_harms_nothing_else(harm: str, cluster: postgres.Cluster, login: Server, erp: str) -> None:
    with confined.confined(login, erp) as inside:
        with postgres.connect(inside, erp, autocommit=True) as connection, pytest.raises(psycopg.Error):
            connection.execute(harm.format(erp=erp).encode())
        with postgres.connect(inside, f"{erp} other", autocommit=True) as connection:
            for statement in ('SELECT * FROM "the rows"', 'DROP TABLE "the rows"', "UPDATE words SET word = 'x'"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement.encode())
    assert roles(cluster) == []


def test_an_error_in_the_work_leaves_no_role_either(cluster: postgres.Cluster, login: Server, erp: str) -> None:
    before = owners(cluster, erp)
    with pytest.raises(psycopg.errors.DivisionByZero), confined.confined(login, erp) as inside, postgres.connect(inside, erp) as connection:
        connection.execute("SELECT 1 / 0")
    assert (owners(cluster, erp), roles(cluster)) == (before, [])


def test_what_a_killed_one_left_is_put_right(cluster: postgres.Cluster, login: Server, erp: str) -> None:
    before = owners(cluster, erp)
    with postgres.connect(login, erp, autocommit=True) as connection:
        owner = confined._prepared(connection, erp, "wellkept_work_own")
        confined._make(connection, "wellkept_work_dead", PASSWORD, owner)
        confined._hand_over(connection, owner, "wellkept_work_dead")
    assert owners(cluster, erp) != before
    with confined.confined(login, erp):
        assert "wellkept_work_dead" not in roles(cluster)
    assert (owners(cluster, erp), roles(cluster)) == (before, [])


def test_a_role_that_owns_nothing_is_put_right_or_goes_with_its_database(cluster: postgres.Cluster, login: Server, erp: str) -> None:
    """Killed before anything was handed over, or the database with all that was handed over is gone."""
    role = confined._role(erp)

    def use() -> None:
        with confined.confined(login, erp):
            pass

    for put_right in (use, lambda: confined.forget(login, erp)):
        with postgres.connect(login, erp, autocommit=True) as connection:
            confined._make(connection, role, PASSWORD, confined._prepared(connection, erp, role))
        assert roles(cluster) == [role]
        put_right()
        assert roles(cluster) == []
    confined.forget(login, erp)


def test_a_login_that_may_not_make_roles_is_told_so(cluster: postgres.Cluster, erp: str) -> None:
    before = owners(cluster, erp)
    server = Server("127.0.0.1", cluster.port, "plain", PASSWORD)
    with pytest.raises(confined.NotPossible, match=r"the role plain may not make roles \(CREATEROLE\)"), confined.confined(server, erp):
        raise AssertionError
    assert (owners(cluster, erp), roles(cluster)) == (before, [])


def test_a_server_that_does_not_let_the_role_in_is_told_so(cluster: postgres.Cluster, erp: str) -> None:
    rules = cluster.data / "pg_hba.conf"
    was = rules.read_text()
    before = owners(cluster, erp)
    rules.write_text("host all keeper 127.0.0.1/32 scram-sha-256\nlocal all postgres trust\n")
    reload(cluster)
    try:
        login = Server("127.0.0.1", cluster.port, "keeper", PASSWORD)
        with pytest.raises(confined.NotPossible, match=r"pg_hba\.conf"), confined.confined(login, erp):
            raise AssertionError
    finally:
        rules.write_text(was)
        reload(cluster)
    assert (owners(cluster, erp), roles(cluster)) == (before, [])


def reload(cluster: postgres.Cluster) -> None:
    with postgres.administration(cluster.server()) as connection:
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("SELECT pg_sleep(0.5)")
