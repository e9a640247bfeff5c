"""What is read of a real Tryton, its database and this machine."""

import time
from dataclasses import replace

import psycopg
import pytest

from wellkept.adapters.base import Login, Site
from wellkept.adapters.tryton import rpc, server
from wellkept.monitoring import readings
from wellkept.monitoring.models import Rhythm
from wellkept.monitoring.readings import Place
from wellkept.tools import pg_statistics, postgres


def test_a_working_erp_is_read_and_what_changes_is_seen(running_company: Site) -> None:
    site = running_company
    place = Place("tryton", site)
    first = readings.read(place, Rhythm.OFTEN)
    assert (first.problem, list(first.blind)) == (None, [])
    assert first.values["database_up", ""] == 1.0
    assert first.values["erp_users_active", ""] == 0.0
    # How fast it grows is known from the second time on.
    assert first.values["postgres_rows_written", ""] is None
    sometimes = readings.read(place, Rhythm.SOMETIMES)
    assert sometimes.problem is None
    assert sometimes.values["erp_up", ""] == 1.0
    assert {label for name, label in sometimes.values if name == "probe_seconds"} == {"login", "search", "open", "save"}
    assert all((sometimes.values["probe_seconds", probe] or 0.0) > 0.0 for probe in ("login", "search", "open", "save"))
    assert (sometimes.values["postgres_table_bytes", "party_party"] or 0.0) > 8192.0
    assert site.server is not None
    assert site.login is not None
    with postgres.connect(site.server, site.database, autocommit=True) as connection, rpc.session(site):
        # The one that watches is not counted among those who work.
        assert readings.read(place, Rhythm.OFTEN).values["erp_users_active", ""] == 0.0
        place.site = replace(site, login=Login("nobody", ""))
        assert readings.read(place, Rhythm.OFTEN).values["erp_users_active", ""] == 1.0
        _wait_and_be_late(connection)
        with connection.transaction():
            connection.execute("LOCK TABLE party_party")
            after = readings.read(place, Rhythm.OFTEN).values
            assert after["postgres_idle_in_transaction", ""] == 1.0
    assert (after["erp_tasks_waiting", ""], after["erp_jobs_late", ""]) == (1.0, 1.0)
    assert 3590 < (after["erp_task_longest_wait_seconds", ""] or 0) < 3660
    assert 7190 < (after["erp_job_longest_late_seconds", ""] or 0) < 7260
    # A server adds up what a session did only after a while.
    deadline = time.monotonic() + 20
    while not readings.read(place, Rhythm.OFTEN).values["postgres_rows_written", ""]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert 0 < (after["host_memory_free_bytes", ""] or 0) < (after["host_memory_bytes", ""] or 0)
    assert {label for name, label in after if name == "host_disk_free_bytes"} >= {"/"}
    _goes_away_and_comes_back(place, site)


def _wait_and_be_late(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """One task waits since an hour, one job should have run two hours ago."""
    connection.execute("UPDATE ir_cron SET next_call = now() AT TIME ZONE 'UTC' + interval '1 day'")
    connection.execute("UPDATE ir_cron SET active = true, next_call = now() AT TIME ZONE 'UTC' - interval '2 hours' WHERE id = 1")
    connection.execute("DELETE FROM ir_queue")
    connection.execute("INSERT INTO ir_queue (name, enqueued_at) VALUES ('default', now() AT TIME ZONE 'UTC' - interval '1 hour')")
    connection.execute("""
        INSERT INTO ir_queue (name, enqueued_at, scheduled_at)
        VALUES ('default', now() AT TIME ZONE 'UTC' - interval '1 hour', now() AT TIME ZONE 'UTC' + interval '1 hour')
    """)


def _goes_away_and_comes_back(place: Place, site: Site) -> None:
    place.site = site
    server.stop(site)
    stopped = readings.read(place, Rhythm.SOMETIMES)
    assert stopped.values["erp_up", ""] == 0.0
    assert stopped.problem is not None
    assert site.server is not None
    with postgres.administration(site.server) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [site.database])
    broken = readings.read(place, Rhythm.OFTEN)
    assert broken.values["database_up", ""] == 0.0
    assert "The database does not answer" in str(broken.problem)
    again = readings.read(place, Rhythm.OFTEN)
    assert (again.values["database_up", ""], again.problem) == (1.0, None)
    readings.leave(place)
    with postgres.administration(site.server) as connection:
        rows = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [site.database]).fetchall()
    assert rows == [(0,)]


@pytest.mark.parametrize("most", [1, 3, 200])
def test_so_many_tables_are_read_one_by_one_and_the_others_together(small_company: Site, most: int) -> None:
    assert small_company.server is not None
    with postgres.connect(small_company.server, small_company.database) as connection:
        found = pg_statistics.tables(connection, most)
        ((total, count),) = connection.execute("SELECT sum(pg_total_relation_size(relid))::float, count(*) FROM pg_stat_user_tables").fetchall()
    sizes = {one.label: one.value for one in found if one.name == "postgres_table_bytes"}
    assert len(sizes) == min(most, count)
    assert sum(sizes.values()) == total
    assert (pg_statistics.OTHERS in sizes) == (count > most)
