"""Figures of the administration: scheduled jobs, triggers, and the next numbers of sequences."""

from collections.abc import Sequence

from psycopg import sql

from wellkept.adapters.tryton.figures.source import Source, Table, exact
from wellkept.planning.figures import NOT_LESS, Figure

JOBS = "SELECT id, method, active, interval_number, interval_type, {company} FROM ir_cron c"
COMPANIES = "(SELECT string_agg(x.company::text, ', ' ORDER BY x.company) FROM {table} x WHERE x.cron = c.id)"
COMPANY_TABLES = ("cron_company_rel", '"ir_cron-company_company"')
"""The jobs' companies, in 7.0 and in series after it."""
TRIGGERS = "SELECT id, name, active, action, concat_ws(' ', {columns}), condition FROM ir_trigger"
EVENTS = ("on_time", "on_create", "on_write", "on_delete")
SEQUENCES = "SELECT id, name, coalesce(prefix, ''), coalesce(suffix, ''), padding, active, number_next_internal FROM {table}"


def scheduled_jobs(source: Source) -> Sequence[Figure]:
    """Scheduled jobs: on or off, and how often. When each runs next is left out: it moves by itself."""
    table = Table("scheduled_jobs", "Scheduled jobs")
    company = next((COMPANIES.format(table=name) for name in COMPANY_TABLES if source.has(name.strip('"'))), "NULL")
    for job, method, active, number, unit, companies in source.rows(JOBS.format(company=company)):
        told = f"{'on' if active else 'off'}, every {number} {unit}" + (f", company {companies}" if companies else "")
        table.put(f"job/{job}", f"scheduled job {method}", told)
    return (table.figure(),)


def triggers(source: Source) -> Sequence[Figure]:
    """Triggers, which send mail or act when records change."""
    table = Table("triggers", "Triggers")
    # Series after 7.0 have an underscore at the end of these names.
    columns = ", ".join(name if source.column("ir_trigger", name) else f"{name}_" for name in EVENTS)
    for trigger, name, active, action, events, condition in source.rows(TRIGGERS.format(columns=columns)):
        table.put(f"trigger/{trigger}", f"trigger {name}", f"{'on' if active else 'off'}, {action}, {events}, {condition}")
    return (table.figure(),)


def sequences(source: Source) -> Sequence[Figure]:
    """The next number of every sequence that PostgreSQL counts.

    PostgreSQL moves such a counter on outside of transactions, so a later value may be higher; only a lower one is a difference.
    """
    counters = {name for (name,) in source.rows("SELECT sequencename FROM pg_sequences WHERE sequencename LIKE 'ir\\_sequence\\_%'")}
    rows = [row for row in source.rows(SEQUENCES.format(table="ir_sequence")) if f"ir_sequence_{row[0]}" in counters]
    if not rows:
        return ()
    query = """
        SELECT {id}, s.last_value + CASE WHEN s.is_called THEN q.seqincrement ELSE 0 END
        FROM {name} s, pg_sequence q WHERE q.seqrelid = {literal}::regclass
    """
    parts = []
    for row in rows:
        name = f"ir_sequence_{row[0]}"
        parts.append(sql.SQL(query).format(id=sql.Literal(row[0]), name=sql.Identifier(name), literal=sql.Literal(name)))
    following = dict(source.rows(sql.SQL(" UNION ALL ").join(parts)))
    table = Table("sequences", "Next numbers")
    for number, name, prefix, suffix, *_ in rows:
        table.put(f"sequence/{number}", f"next number of {name} {prefix}…{suffix}".strip(), exact(following[number]))
    return (Figure(table.name, table.title, table.values, table.labels, NOT_LESS),)


def strict_sequences(source: Source) -> Sequence[Figure]:
    """The next number of the sequences without gaps, and how every sequence writes its numbers."""
    table = Table("strict_sequences", "Sequences without gaps")
    for name in ("ir_sequence", "ir_sequence_strict"):
        for number, called, prefix, suffix, padding, active, following in source.rows(SEQUENCES.format(table=name)):
            shape = f"{prefix}{'0' * (padding or 0)}{suffix}".strip() or "plain"
            table.put(f"{name}/{number}/shape", f"form of {called} numbers", shape if active else f"{shape}, inactive")
            if name == "ir_sequence_strict":
                table.put(f"{name}/{number}", f"next number of {called}", exact(following))
    return (table.figure(),)
