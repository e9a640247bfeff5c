"""Readings in PostgreSQL: kept, summed up, found again, forgotten."""

import datetime as dt
import random

import pytest
from django.db import connection

from wellkept.monitoring import store

pytestmark = pytest.mark.django_db
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
SECOND = dt.timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _partitions() -> None:
    store.prepare(NOW)


def counted(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        return int((cursor.fetchone() or [0])[0])


def test_what_was_read_is_found_again_each_series_by_its_place() -> None:
    rows = [(7, NOW - 10 * n * SECOND, [float(n), None, -float(n)]) for n in range(20)]
    store.write(rows)
    store.write(rows[:3])
    assert counted("wellkept_reading") == 20
    found = store.points(7, 2, NOW - dt.timedelta(minutes=10), NOW + SECOND)
    assert [(point.at, point.mean, point.count) for point in found] == [(at, values[2], 1) for _, at, values in reversed(rows)]
    assert store.points(7, 1, NOW - dt.timedelta(minutes=10), NOW + SECOND) == []
    assert store.points(7, 9, NOW - dt.timedelta(minutes=10), NOW + SECOND) == []
    assert store.points(8, 0, NOW - dt.timedelta(minutes=10), NOW + SECOND) == []
    assert store.latest([7, 8], NOW - dt.timedelta(minutes=1)) == {7: (NOW, [0.0, None, 0.0])}


def test_what_is_no_number_is_kept_as_nothing() -> None:
    store.write([(1, NOW, [float("nan"), float("inf"), 1.5])])
    assert store.latest([1], NOW - SECOND) == {1: (NOW, [None, None, 1.5])}


def test_sums_are_those_of_the_values_in_whatever_portions_they_were_made() -> None:
    chance = random.Random(4)
    start = (NOW - dt.timedelta(hours=5)).replace(minute=0, second=0)
    rows = [(3, start + 10 * n * SECOND, [chance.uniform(-5, 5), None if chance.random() < 0.3 else float(n)]) for n in range(360 * 3)]
    at = start
    while rows:
        at += dt.timedelta(seconds=chance.randint(1, 4000))
        store.write([row for row in rows if row[1] <= at])
        rows = [row for row in rows if row[1] > at]
        store.sum_up(at)
    store.sum_up(NOW)
    with connection.cursor() as cursor:
        for table, unit in (("minute", "minute"), ("hour", "hour")):
            cursor.execute(f"""
                SELECT count(*) FILTER (WHERE abs(s.mean - r.mean) < 1e-9 AND s.low = r.low AND s.high = r.high AND s.n = r.n), count(*) FROM
                (SELECT at, place, n, low, mean, high FROM wellkept_{table} t,
                   unnest(counts, lows, means, highs) WITH ORDINALITY AS v(n, low, mean, high, place) WHERE n > 0) s
                FULL JOIN (SELECT date_trunc('{unit}', at) AS at, place, count(value) AS n, min(value) AS low, avg(value) AS mean, max(value) AS high
                   FROM wellkept_reading t, unnest(values) WITH ORDINALITY AS v(value, place) WHERE value IS NOT NULL GROUP BY 1, 2) r
                USING (at, place)
            """)
            equal, every = cursor.fetchone() or (0, 0)
            assert equal == every > 3


def test_what_comes_late_counts_in_the_sums() -> None:
    start = (NOW - dt.timedelta(hours=3)).replace(minute=0, second=0)
    store.write([(3, start + 60 * n * SECOND, [1.0]) for n in range(120)])
    store.sum_up(NOW)
    store.write([(3, start + 30 * SECOND, [11.0])])
    store.sum_up(NOW)
    (first, *_rest) = store.points(3, 0, start, NOW)
    assert (first.at, first.count) == (start, 1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT at, counts[1], means[1], highs[1] FROM wellkept_hour ORDER BY at LIMIT 1")
        assert cursor.fetchone() == (start, 61, pytest.approx(71 / 61), 11.0)


def test_a_long_time_is_drawn_from_sums_and_a_short_one_from_readings() -> None:
    assert store._fitting(NOW - dt.timedelta(hours=2), NOW) == store.READINGS
    assert store._fitting(NOW - dt.timedelta(days=1), NOW) == store.MINUTES
    assert store._fitting(NOW - dt.timedelta(days=31), NOW) == store.HOURS
    assert store._fitting(NOW - dt.timedelta(days=2000), NOW) == store.DAYS
    # What is only kept for two days is not asked for an hour of last week.
    assert store._fitting(NOW - dt.timedelta(days=7), NOW - dt.timedelta(days=7, hours=-1)) == store.MINUTES


def test_partitions_are_made_ahead_and_dropped_when_all_of_them_is_old() -> None:
    before = {table.name: store._partitions(table) for table in store.TABLES}
    store.prepare(NOW)
    assert {table.name: store._partitions(table) for table in store.TABLES} == before
    later = NOW + dt.timedelta(days=4)
    store.write([(1, NOW, [1.0])])
    store.prepare(later)
    assert store._number(store.READINGS, later) in store._partitions(store.READINGS)
    assert store._number(store.READINGS, NOW) not in store._partitions(store.READINGS)
    assert counted("wellkept_reading") == 0
    assert store._partitions(store.HOURS) >= before["wellkept_hour"]
