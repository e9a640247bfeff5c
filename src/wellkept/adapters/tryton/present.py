"""What goes on in a Tryton now: who works, what waits in its queue, which scheduled jobs are late. Nothing is written.

Tryton keeps its moments in UTC without saying so, and writes down that a session is used at most twice a minute.
"""

from collections.abc import Mapping, Sequence

from wellkept.adapters.base import Connection
from wellkept.adapters.tryton.schema import rows
from wellkept.lib.samples import Sample

NOW = "(now() AT TIME ZONE 'UTC')"
ACTIVE = "5 min"
QUESTIONS: Mapping[str, str] = {
    "ir_session": f"""
        SELECT count(DISTINCT s.create_uid) FILTER (WHERE coalesce(s.write_date, s.create_date) > {NOW} - interval '{ACTIVE}')::float
          AS erp_users_active, count(*)::float AS erp_sessions
        FROM ir_session s JOIN res_user u ON u.id = s.create_uid WHERE u.login <> %(besides)s
    """,
    "ir_queue": f"""
        SELECT count(*) FILTER (WHERE waits)::float AS erp_tasks_waiting,
          coalesce(max(extract(epoch FROM {NOW} - due)) FILTER (WHERE waits), 0)::float AS erp_task_longest_wait_seconds,
          count(*) FILTER (WHERE dequeued_at IS NOT NULL)::float AS erp_tasks_running,
          coalesce(max(extract(epoch FROM {NOW} - dequeued_at)), 0)::float AS erp_task_longest_run_seconds
        FROM (SELECT dequeued_at, greatest(enqueued_at, scheduled_at) AS due,
          dequeued_at IS NULL AND coalesce(scheduled_at, enqueued_at) <= {NOW} AS waits FROM ir_queue WHERE finished_at IS NULL) q
    """,
    "ir_cron": f"""
        SELECT count(*) FILTER (WHERE next_call < {NOW})::float AS erp_jobs_late,
          coalesce(max(extract(epoch FROM {NOW} - next_call)) FILTER (WHERE next_call < {NOW}), 0)::float AS erp_job_longest_late_seconds
        FROM ir_cron WHERE active
    """,
    "ir_error": "SELECT count(*) FILTER (WHERE state = 'open')::float AS erp_errors_open FROM ir_error",
    "res_user_login_attempt": f"""
        SELECT count(*)::float AS erp_sign_ins_failed FROM res_user_login_attempt WHERE create_date > {NOW} - interval '{ACTIVE}'
    """,
}
"""What is asked of each table, where it is there: which are depends on the series."""
THERE = "SELECT c.relname FROM pg_class c WHERE c.relkind = 'r' AND pg_table_is_visible(c.oid) AND c.relname = ANY(%s)"


def present(connection: Connection, *, besides: str = "") -> Sequence[Sample]:
    """Users of the last five minutes, sessions, the queue, late jobs, open errors, failed sign-ins; the user ``besides`` does not count.

    Raises Refused for a table that may not be read.
    """
    there = {name for (name,) in rows(connection, THERE, [list(QUESTIONS)])}
    asked = [question for table, question in QUESTIONS.items() if table in there]
    if not asked:
        return []
    parts = [f"part{number}" for number in range(len(asked))]
    together = " || ".join(f"to_jsonb({part})" for part in parts)
    whole = ", ".join(f"({question}) AS {part}" for question, part in zip(asked, parts, strict=True))
    ((found,),) = rows(connection, f"SELECT {together} FROM {whole}", {"besides": besides})
    return [Sample(name, float(value)) for name, value in found.items() if value is not None]
