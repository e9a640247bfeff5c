"""Watchers share what is watched, keep what they read, and take over from each other."""

import datetime as dt
import itertools
from typing import Any

import pytest
from django.db import ProgrammingError, connection
from django.utils import timezone

from tests.people import make_environment, make_system
from wellkept.estate import secrets
from wellkept.estate.models import Environment, Organisation, Secret
from wellkept.lib.text import message
from wellkept.monitoring import panels, readings, store, watcher
from wellkept.monitoring.models import Panel, Rhythm, Watch
from wellkept.monitoring.readings import Reading
from wellkept.monitoring.watcher import Keeper, Read
from wellkept.operations.models import Lease, Run, RunState
from wellkept.operations.watchdog import takeover_seconds

pytestmark = pytest.mark.django_db
SOON = dt.timedelta(seconds=40)


@pytest.fixture
def environments(organisation: Organisation) -> list[Environment]:
    return [make_environment(make_system(organisation, name=f"erp{n}")) for n in range(7)]


def test_every_production_is_watched_by_exactly_one(environments: list[Environment]) -> None:
    now = timezone.now()
    everything = {environment.pk for environment in environments}
    assert set(watcher.hold("a", now)) == everything
    assert watcher.hold("b", now) == []
    # The first now knows of the second, and leaves it a share.
    one = set(watcher.hold("a", now))
    two = set(watcher.hold("b", now))
    assert one | two == everything
    assert not one & two
    assert sorted([len(one), len(two)]) == [3, 4]


def test_what_a_dead_watcher_held_goes_to_another(environments: list[Environment]) -> None:
    now = timezone.now()
    watcher.hold("a", now)
    held = dt.timedelta(seconds=takeover_seconds())
    assert watcher.hold("b", now + held - dt.timedelta(seconds=1)) == []
    assert len(watcher.hold("b", now + held + dt.timedelta(seconds=1))) == len(environments)


def test_one_that_ends_leaves_all_to_others_at_once(environments: list[Environment]) -> None:
    now = timezone.now()
    watcher.hold("a", now)
    watcher.let_go(Keeper("a"))
    assert len(watcher.hold("b", now)) == len(environments)


def test_what_is_watched_no_more_or_was_given_up_is_nobodys(environments: list[Environment]) -> None:
    now = timezone.now()
    watcher.hold("a", now)
    Watch.objects.filter(environment=environments[0]).update(enabled=False)
    system = environments[1].system
    system.removed_at = now
    system.save()
    assert set(watcher.hold("a", now)) == {environment.pk for environment in environments[2:]}


def test_values_keep_their_place_when_others_come(environments: list[Environment]) -> None:
    pk, known = environments[0].pk, {}
    first = panels.row(known, pk, "often", {("a", ""): 1.0, ("b", "x"): 2.0})
    more = panels.row(known, pk, "often", {("c", ""): 3.0, ("b", "x"): 4.0})
    again = panels.row({}, pk, "often", {("b", "x"): 5.0})
    assert [list(row[1]) for row in (first, more, again)] == [[1.0, 2.0], [None, 4.0, 3.0], [None, 5.0, None]]
    assert panels.find(pk, "b", "x") == (first[0], 1)
    assert panels.find(pk, "b") is None
    assert Panel.objects.count() == 1


def test_a_hundred_thousand_series_are_not_kept_and_it_is_said(environments: list[Environment]) -> None:
    keeper = Keeper("a")
    watcher.hold("a", timezone.now())
    store.prepare(timezone.now())
    values: dict[readings.Series, float | None] = {("table_bytes", f"t{n}"): float(n) for n in range(100_000)}
    for second in range(3):
        at = timezone.now() + dt.timedelta(seconds=second)
        keeper.unwritten.append(Read(environments[0].pk, Rhythm.SOMETIMES, at, Reading(values, None, [])))
        watcher.write(keeper)
    panel = Panel.objects.get()
    assert len(panel.series) == panels.MOST
    (watch,) = Watch.objects.filter(environment=environments[0])
    assert watch.blind == [message("{count} series more than are kept of one ERP were left out", count=100_000 - panels.MOST)]
    assert len(store.latest([panel.pk], timezone.now() - SOON)[panel.pk][1]) == panels.MOST


def test_what_cannot_be_written_is_written_later(environments: list[Environment]) -> None:
    keeper, start = Keeper("a"), timezone.now()
    store.prepare(start)
    keeper.unwritten.extend(
        Read(environments[0].pk, Rhythm.OFTEN, start + dt.timedelta(seconds=n), Reading({("a", ""): float(n)}, None, [])) for n in range(5)
    )
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE wellkept_reading RENAME TO wellkept_reading_away")
        with pytest.raises(ProgrammingError, match="does not exist"):
            watcher.write(keeper)
        assert len(keeper.unwritten) == 5
        cursor.execute("ALTER TABLE wellkept_reading_away RENAME TO wellkept_reading")
    watcher.write(keeper)
    number, place = panels.find(environments[0].pk, "a") or (0, 0)
    assert [point.mean for point in store.points(number, place, start, start + SOON)] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_a_problem_is_said_since_when_it_is_there_and_until_it_is_gone(environments: list[Environment]) -> None:
    keeper, start = Keeper("a"), timezone.now()
    watcher.hold("a", start)
    away, slow = message("it does not answer"), message("the tables could not be read")

    def seen(rhythm: Rhythm, seconds: int, problem: Any = None, blind: Any = ()) -> tuple[Any, Any, Any]:
        at = start + dt.timedelta(seconds=seconds)
        watcher.note(keeper, Read(environments[0].pk, rhythm, at, Reading({}, problem, blind)), 0)
        return Watch.objects.values_list("problem", "problem_since", "blind").get(environment=environments[0])

    assert seen(Rhythm.OFTEN, 0) == (None, None, [])
    assert seen(Rhythm.OFTEN, 1, away) == (away, start + dt.timedelta(seconds=1), [])
    assert seen(Rhythm.SOMETIMES, 2, away, [slow]) == (away, start + dt.timedelta(seconds=1), [slow])
    assert seen(Rhythm.OFTEN, 3) == (away, start + dt.timedelta(seconds=1), [slow])
    assert seen(Rhythm.SOMETIMES, 4) == (None, None, [])


def test_what_a_run_changes_is_left_alone_until_it_has_ended(environments: list[Environment]) -> None:
    keeper, order = Keeper("a"), itertools.count()
    one = environments[0]
    watcher.renew(keeper, order)
    every = set(keeper.places)
    assert every == {environment.pk for environment in environments}
    Watch.objects.filter(environment=one).update(problem=message("it does not answer"), problem_since=timezone.now())
    run = Run.objects.create(organisation=one.system.organisation, operation="upgrades.apply", maintenance_type="adaptive", state=RunState.RUNNING)
    Lease.objects.create(environment=one, run=run)
    watcher.renew(keeper, order)
    assert set(keeper.places) == every - {one.pk}
    assert Watch.objects.get(environment=one).problem is None
    assert Watch.objects.get(environment=one).held_by == "a"
    Run.objects.filter(pk=run.pk).update(state=RunState.SUCCEEDED)
    watcher.renew(keeper, order)
    assert set(keeper.places) == every
    # Each is due once in each rhythm, however often it was left and taken up.
    assert sorted((number, str(rhythm)) for _moment, _count, number, rhythm in keeper.due) == sorted(
        (number, str(rhythm)) for number in every for rhythm in Rhythm
    )


def test_one_whose_secrets_do_not_open_does_not_end_the_watching_of_the_others(environments: list[Environment]) -> None:
    one = environments[0]
    one.settings = {**one.settings, "host": "127.0.0.1", "port": 5432, "user": "wellkept"}
    one.save()
    secrets.store(one.system.organisation, secrets.environment_name(one, "database"), "x")
    Secret.objects.update(ciphertext="not ours")
    keeper = Keeper("a")
    watcher.renew(keeper, itertools.count())
    assert set(keeper.places) == {environment.pk for environment in environments[1:]}
    assert "It cannot be reached" in str(Watch.objects.get(environment=one).problem)
