"""Readings over time in PostgreSQL: written as they come, summed up per minute, hour and day, and forgotten by rule.

A reading is one row with all values of a panel, in the order of its series: a hundredth of the rows that one per value would be. Every table is
partitioned by time, so forgetting drops a partition and leaves nothing to clean. A sum of a time knows for each series how many values it had, the
smallest, the mean and the largest. It is made when the time is over, and again when a value of that time comes late.
"""

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import connection, transaction
from psycopg import sql

Values = Sequence[float | None]
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)


@dataclass(frozen=True)
class Table:
    """``step`` is the time that a row stands for (None: a moment), ``span`` that of a partition, ``keep`` how long its rows are kept at least."""

    name: str
    step: dt.timedelta | None
    span: dt.timedelta
    keep: dt.timedelta


READINGS = Table("wellkept_reading", None, DAY, 2 * DAY)
MINUTES = Table("wellkept_minute", MINUTE, 7 * DAY, 45 * DAY)
HOURS = Table("wellkept_hour", HOUR, 91 * DAY, 2 * 365 * DAY)
DAYS = Table("wellkept_day", DAY, 3653 * DAY, 20 * 365 * DAY)
SUMS = (MINUTES, HOURS, DAYS)
TABLES = (READINGS, *SUMS)
EPOCH = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
LATE = 2 * MINUTE
"""How long after its end a time is summed up: what was read then has been written by now."""
LOCK = 7_301_448
POINTS = 1500
"""More than these nobody sees on a screen."""

SUM = """
    INSERT INTO {into} (panel_id, at, counts, lows, means, highs)
    SELECT panel_id, at, array_agg(n ORDER BY place), array_agg(low ORDER BY place), array_agg(mean ORDER BY place), array_agg(high ORDER BY place)
    FROM ({parts}) parts GROUP BY panel_id, at
    ON CONFLICT (panel_id, at) DO UPDATE SET counts = excluded.counts, lows = excluded.lows, means = excluded.means, highs = excluded.highs
"""
SUMMED = "INSERT INTO wellkept_summed (name, until) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET until = excluded.until"
AGAIN = "UPDATE wellkept_summed SET until = %s WHERE until > %s"
OF_READINGS = """
    SELECT r.panel_id, date_bin({step}, r.at, {epoch}) AS at, v.place, count(v.value) AS n, min(v.value) AS low, avg(v.value) AS mean,
      max(v.value) AS high FROM {source} r, unnest(r.values) WITH ORDINALITY AS v(value, place)
    WHERE r.at >= {start} AND r.at < {end} GROUP BY 1, 2, 3
"""
OF_SUMS = """
    SELECT r.panel_id, date_bin({step}, r.at, {epoch}) AS at, v.place, sum(v.n) AS n, min(v.low) AS low,
      sum(v.mean * v.n) / nullif(sum(v.n), 0) AS mean, max(v.high) AS high
    FROM {source} r, unnest(r.counts, r.lows, r.means, r.highs) WITH ORDINALITY AS v(n, low, mean, high, place)
    WHERE r.at >= {start} AND r.at < {end} GROUP BY 1, 2, 3
"""


def write(readings: Iterable[tuple[int, dt.datetime, Values]]) -> None:
    """Store readings: the panel's number, the moment (aware) and its values, None for what was not there. The same one twice is stored once.

    What comes late, from a watcher that could not write for a while, is summed up as well.
    """
    rows = [(panel, at, [None if value is None or not math.isfinite(value) else value for value in values]) for panel, at, values in readings]
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO wellkept_reading (panel_id, at, values) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", rows)
        if rows:
            oldest = min(at for _panel, at, _values in rows)
            cursor.execute(AGAIN, [oldest, oldest])


def prepare(now: dt.datetime) -> None:
    """Make the partitions for the time around ``now`` (aware), and drop those whose rows are all older than they are kept."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        for table in TABLES:
            there = _partitions(table)
            for number in {_number(table, now - DAY), _number(table, now), _number(table, now + DAY)} - there:
                _make(table, number)
            for number in there:
                if EPOCH + (number + 1) * table.span < now - table.keep:
                    cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(_name(table, number))))


def sum_up(now: dt.datetime) -> None:
    """Sum up the minutes, hours and days that are over at ``now`` (aware). Interrupted, it goes on where it was; two at once are as good as one."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK + 1])
        if not (cursor.fetchone() or [False])[0]:
            return
        source = READINGS
        for table in SUMS:
            _sum_up(table, source, now)
            source = table


def _sum_up(table: Table, source: Table, now: dt.datetime) -> None:
    """Sum up the times that are over, from the first that is not summed up."""
    if table.step is None:
        raise ValueError(f"{table.name} holds no sums")
    end = _floor(now - LATE, table.step)
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("SELECT coalesce((SELECT until FROM wellkept_summed WHERE name = {}), min(at)) FROM {}").format(
                sql.Literal(table.name), sql.Identifier(source.name)
            )
        )
        ((begun,),) = cursor.fetchall()
        start = _floor(begun, table.step) if begun is not None else end
        if start >= end:
            return
        template = OF_READINGS if source is READINGS else OF_SUMS
        bounds = {"step": sql.Literal(table.step), "epoch": sql.Literal(EPOCH), "start": sql.Literal(start), "end": sql.Literal(end)}
        parts = sql.SQL(template).format(source=sql.Identifier(source.name), **bounds)
        cursor.execute(sql.SQL(SUM).format(into=sql.Identifier(table.name), parts=parts))
        cursor.execute(SUMMED, [table.name, end])


@dataclass(frozen=True)
class Point:
    """A series at a time: the smallest, the mean and the largest of ``count`` values."""

    at: dt.datetime
    count: int
    low: float
    mean: float
    high: float


def points(panel_id: int, place: int, start: dt.datetime, end: dt.datetime) -> list[Point]:
    """The ``place``-th series (from 0) of a panel between two moments (aware), as finely as it is kept and can be seen.

    Times without a value are left out.
    """
    table = _fitting(start, end)
    columns = "1, r.values[%(place)s], r.values[%(place)s], r.values[%(place)s]"
    if table.step is not None:
        columns = "r.counts[%(place)s], r.lows[%(place)s], r.means[%(place)s], r.highs[%(place)s]"
    query = sql.SQL(f"SELECT r.at, {columns} FROM {{}} r WHERE r.panel_id = %(panel)s AND r.at >= %(start)s AND r.at < %(end)s ORDER BY r.at")
    with connection.cursor() as cursor:
        cursor.execute(query.format(sql.Identifier(table.name)), {"place": place + 1, "panel": panel_id, "start": start, "end": end})
        return [Point(*row) for row in cursor.fetchall() if row[3] is not None]


def latest(panel_ids: Sequence[int], since: dt.datetime) -> dict[int, tuple[dt.datetime, Values]]:
    """The newest reading of each panel that has one since a moment (aware)."""
    query = """
        SELECT p.id, r.at, r.values FROM unnest(%s::int[]) AS p(id),
          LATERAL (SELECT at, values FROM wellkept_reading WHERE panel_id = p.id AND at >= %s ORDER BY at DESC LIMIT 1) r
    """
    with connection.cursor() as cursor:
        cursor.execute(query, [list(panel_ids), since])
        return {panel: (at, values) for panel, at, values in cursor.fetchall()}


def _fitting(start: dt.datetime, end: dt.datetime) -> Table:
    """The finest table that still has all of the time and no more rows than can be seen."""
    for table in TABLES:
        step = table.step or dt.timedelta(seconds=10)
        if (end - start) / step <= POINTS and dt.datetime.now(dt.UTC) - start <= table.keep:
            return table
    return DAYS


def _partitions(table: Table) -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass", [table.name])
        return {int(name.rpartition("_")[2]) for (name,) in cursor.fetchall()}


def _make(table: Table, number: int) -> None:
    start = EPOCH + number * table.span
    query = sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})").format(
        sql.Identifier(_name(table, number)), sql.Identifier(table.name), sql.Literal(start), sql.Literal(start + table.span)
    )
    with connection.cursor() as cursor:
        cursor.execute(query)


def _number(table: Table, at: dt.datetime) -> int:
    return (at - EPOCH) // table.span


def _name(table: Table, number: int) -> str:
    return f"{table.name}_{number}"


def _floor(at: dt.datetime, step: dt.timedelta) -> dt.datetime:
    return EPOCH + ((at - EPOCH) // step) * step
