"""The slowest statements of a real PostgreSQL, with and without its account."""

import shutil

from wellkept.tools import postgres, statements


def test_the_slowest_statements_are_told_where_there_is_an_account() -> None:
    folder = postgres.throwaway_folder("wks-")
    cluster = postgres.Cluster(folder / "pg", folder / "s", postgres.free_port(), postgres.service_user())
    postgres.create_cluster(cluster, durable=False, settings={"shared_preload_libraries": "pg_stat_statements"})
    postgres.start(cluster)
    try:
        server = cluster.server()
        with postgres.connect(server, "postgres", autocommit=True) as connection:
            assert statements.slowest(connection, 3) is None
            connection.execute("CREATE EXTENSION pg_stat_statements")
            for _turn in range(statements.CALLS):
                connection.execute("SELECT pg_sleep(0.02)")
            connection.execute("SELECT pg_sleep(0.2), 'once'")
            (first, *_) = statements.slowest(connection, 1) or []
        assert (first.text, first.calls) == ("SELECT pg_sleep($1)", statements.CALLS)
        assert 20 <= first.mean < 200
    finally:
        postgres.destroy(cluster)
        shutil.rmtree(folder, ignore_errors=True)
