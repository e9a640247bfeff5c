"""What a PostgreSQL server counts about one database (PostgreSQL 11 and later).

``server`` costs less than a millisecond of the server; ``tables`` grows with the number of tables. Both need no more than CONNECT. A role that
is not a member of pg_monitor does not see what the sessions of others do: ``postgres_hidden_sessions`` says how many those are.
"""

from typing import Any

import psycopg

from wellkept.lib.samples import Sample

Connection = psycopg.Connection[tuple[Any, ...]]
OTHERS = "…"
"""The label of all tables together that are not kept one by one."""

SERVER = """
    SELECT current_setting('max_connections')::float AS postgres_connections_most,
      (SELECT sum(numbackends) FROM pg_stat_database)::float AS postgres_connections,
      d.xact_commit::float AS postgres_commits, d.xact_rollback::float AS postgres_rollbacks, d.deadlocks::float AS postgres_deadlocks,
      d.blks_hit::float AS postgres_blocks_hit, d.blks_read::float AS postgres_blocks_read, d.temp_bytes::float AS postgres_temporary_bytes,
      (d.tup_inserted + d.tup_updated + d.tup_deleted)::float AS postgres_rows_written,
      a.active AS postgres_active, a.idle AS postgres_idle_in_transaction, a.blocked AS postgres_blocked, a.hidden AS postgres_hidden_sessions,
      a.oldest AS postgres_oldest_transaction_seconds, a.waiting AS postgres_longest_wait_seconds,
      pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, '0/0')::float AS postgres_wal_bytes,
      r.replicas AS postgres_replicas, r.behind AS postgres_replica_behind_bytes
    FROM pg_stat_database d,
      LATERAL (SELECT
        count(*) FILTER (WHERE state = 'active' AND pid <> pg_backend_pid())::float AS active,
        count(*) FILTER (WHERE state LIKE 'idle in transaction%')::float AS idle,
        count(*) FILTER (WHERE wait_event_type = 'Lock')::float AS blocked,
        count(*) FILTER (WHERE usesysid IS NOT NULL AND backend_type IS NULL)::float AS hidden,
        coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)) FILTER (WHERE pid <> pg_backend_pid()), 0)::float AS oldest,
        coalesce(max(extract(epoch FROM clock_timestamp() - state_change)) FILTER (WHERE wait_event_type = 'Lock'), 0)::float AS waiting
        FROM pg_stat_activity WHERE datname = current_database()) a,
      LATERAL (SELECT count(*)::float AS replicas,
        coalesce(max(CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) END), 0)::float AS behind
        FROM pg_stat_replication) r
    WHERE d.datname = current_database()
"""
COUNTERS = {
    "postgres_commits",
    "postgres_rollbacks",
    "postgres_deadlocks",
    "postgres_blocks_hit",
    "postgres_blocks_read",
    "postgres_temporary_bytes",
    "postgres_rows_written",
    "postgres_wal_bytes",
}
DATABASE = """
    SELECT pg_database_size(oid)::float, age(datfrozenxid)::float FROM pg_database WHERE datname = current_database()
"""
TABLES = """
    SELECT CASE WHEN schemaname = 'public' THEN relname ELSE schemaname || '.' || relname END, pg_total_relation_size(relid)::float,
      n_live_tup::float, n_dead_tup::float, (n_tup_ins + n_tup_upd + n_tup_del)::float, seq_tup_read::float, coalesce(idx_tup_fetch, 0)::float
    FROM pg_stat_user_tables ORDER BY 2 DESC
"""
OF_TABLES = (
    ("postgres_table_bytes", False),
    ("postgres_table_rows", False),
    ("postgres_table_dead_rows", False),
    ("postgres_table_rows_written", True),
    ("postgres_table_rows_scanned", True),
    ("postgres_table_rows_fetched", True),
)
STATEMENTS = """
    SELECT sum(calls)::float, (sum(total_exec_time) / 1000)::float
    FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database()
"""


def server(connection: Connection) -> list[Sample]:
    """Sessions, locks, transactions, cache, write-ahead log and replicas."""
    cursor = connection.execute(SERVER)
    (row,) = cursor.fetchall()
    named = dict(zip((column.name for column in cursor.description or ()), row, strict=True))
    return [Sample(name, float(value), counter=name in COUNTERS) for name, value in named.items() if value is not None]


def tables(connection: Connection, most: int) -> list[Sample]:
    """Size of the database, age of its oldest transaction id, and the size, rows and work of its ``most`` largest tables; the others together."""
    ((size, age),) = connection.execute(DATABASE).fetchall()
    made = [Sample("postgres_database_bytes", size), Sample("postgres_transaction_age", age), *_statements(connection)]
    rows = connection.execute(TABLES).fetchall()
    made.append(Sample("postgres_tables", float(len(rows))))
    if len(rows) > most:
        rest = rows[most - 1 :]
        rows = [*rows[: most - 1], (OTHERS, *(sum(row[place] for row in rest) for place in range(1, len(OF_TABLES) + 1)))]
    for label, *values in rows:
        made += [Sample(name, value, label, counter=counter) for (name, counter), value in zip(OF_TABLES, values, strict=True)]
    return made


def _statements(connection: Connection) -> list[Sample]:
    """How many statements ran, and how long, where pg_stat_statements counts them and lets itself be read."""
    there = connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'pg_stat_statements'").fetchall()
    if not there:
        return []
    try:
        with connection.transaction():
            ((calls, seconds),) = connection.execute(STATEMENTS).fetchall()
    except psycopg.Error:
        return []
    return [Sample("postgres_statements", calls or 0.0, counter=True), Sample("postgres_statement_seconds", seconds or 0.0, counter=True)]
