import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import translation

from tests.people import make_environment, make_organisation, make_system
from wellkept.estate.access import Console, Denied
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Organisation, Person, System
from wellkept.lib.text import say
from wellkept.operations import leases, records, schedule, schedule_words
from wellkept.operations.models import Record, Run, Schedule

WHO = Console("root")
NOON = datetime(2030, 6, 1, 12, tzinfo=UTC)


def at(row: Schedule, moment: datetime) -> Schedule:
    """The schedule as if ``moment`` were the next one."""
    Schedule.objects.filter(pk=row.pk).update(next_at=moment)
    return row


def make(organisation: Organisation, cron: str = "0 * * * *", **fields: Any) -> Schedule:
    return schedule.add(organisation, "operations.selftest", cron, who=WHO, **fields)


def test_what_is_due_is_started_and_the_next_moment_is_set(organisation: Organisation) -> None:
    row = at(make(organisation, arguments={"steps": 2}), NOON)
    (fired,) = schedule.fire_due(NOON + timedelta(seconds=3))
    row.refresh_from_db()
    run = Run.objects.get()
    assert (fired.run, fired.moment, fired.problem) == (run, NOON, None)
    assert (run.operation, run.arguments, run.organisation) == ("operations.selftest", {"steps": 2}, organisation)
    assert (row.last_at, row.last_run, row.next_at, row.missed_count, row.problem) == (NOON, run, NOON + timedelta(hours=1), 0, None)
    assert schedule.fire_due(NOON + timedelta(seconds=4)) == []
    assert schedule.fire_due(NOON + timedelta(minutes=59)) == []
    assert len(schedule.fire_due(NOON + timedelta(minutes=60))) == 1


def test_nothing_is_started_before_its_time_or_while_paused_or_for_a_removed_system(organisation: Organisation, system: System) -> None:
    at(make(organisation), NOON)
    paused = schedule.pause(make(organisation), who=WHO)
    at(paused, NOON - timedelta(hours=1))
    at(make(organisation, system=system), NOON - timedelta(hours=1))
    System.objects.filter(pk=system.pk).update(removed_at=NOON)
    assert schedule.fire_due(NOON - timedelta(seconds=1)) == []
    assert not Run.objects.exists()


def test_a_short_absence_of_workers_is_made_up_for(organisation: Organisation) -> None:
    row = at(make(organisation), NOON)
    (fired,) = schedule.fire_due(NOON + schedule.GRACE)
    row.refresh_from_db()
    assert fired.run
    assert (row.missed_count, row.missed_at) == (0, None)


def test_what_was_missed_is_counted_recorded_and_shown_and_the_next_one_starts(organisation: Organisation) -> None:
    row = at(make(organisation), NOON)
    back = NOON + timedelta(hours=3, minutes=20)
    (fired,) = schedule.fire_due(back)
    row.refresh_from_db()
    assert fired.run is None
    assert not Run.objects.exists()
    assert (row.missed_count, row.missed_at, row.next_at) == (4, NOON + timedelta(hours=3), NOON + timedelta(hours=4))
    assert say(row.problem) == "operations.selftest was not started 4 times, last at 2030-06-01T15:00+00:00: no worker was running"
    entry = Record.objects.get(kind="schedule.missed")
    assert (entry.actor, entry.data["count"], entry.summary) == ("schedule", 4, row.problem)
    (fired,) = schedule.fire_due(NOON + timedelta(hours=4))
    row.refresh_from_db()
    assert fired.run == Run.objects.get()
    assert (row.missed_count, row.problem) == (4, None)
    assert records.verify(organisation).ok


def test_the_latest_of_several_due_moments_is_started_and_the_others_are_reported(organisation: Organisation) -> None:
    row = at(make(organisation, "*/5 * * * *"), NOON)
    (fired,) = schedule.fire_due(NOON + timedelta(minutes=31))
    row.refresh_from_db()
    assert fired.moment == NOON + timedelta(minutes=30)
    assert Run.objects.count() == 1
    assert (row.missed_count, row.missed_at, row.next_at) == (6, NOON + timedelta(minutes=25), NOON + timedelta(minutes=35))


def test_a_very_long_absence_is_counted_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "COUNT_LIMIT", 50)
    found = schedule.due("* * * * *", "UTC", NOON, NOON + timedelta(days=300))
    assert found.start == NOON + timedelta(days=300)
    assert found.last_missed == found.start - timedelta(minutes=1)
    assert found.missed >= 50


def test_a_conflict_is_recorded_as_not_started(organisation: Organisation, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = make_environment(system)
    holder = Run.objects.create(organisation=organisation, system=system, environment=environment, operation="estate.provision")
    leases.take(environment.pk, holder)
    known = schedule.registry.registered()["operations.selftest"]
    changing = type(known)(**{**known.__dict__, "changes_environment": True})
    monkeypatch.setitem(schedule.registry._operations, "operations.selftest", changing)
    row = at(make(organisation, system=system), NOON)
    (fired,) = schedule.fire_due(NOON)
    row.refresh_from_db()
    assert fired.run is None
    assert Run.objects.get() == holder
    assert "estate.provision" in say(row.problem)
    entry = Record.objects.get(kind="schedule.not_started")
    assert (entry.summary, entry.system, entry.data["at"]) == (row.problem, system, NOON.isoformat())
    assert (row.last_at, row.next_at) == (NOON, NOON + timedelta(hours=1))


def test_a_schedule_that_cannot_start_does_not_keep_the_others_from_starting(organisation: Organisation) -> None:
    broken = at(make(organisation), NOON - timedelta(minutes=1))
    Schedule.objects.filter(pk=broken.pk).update(operation="no.such.operation")
    at(make(organisation), NOON)
    first, second = schedule.fire_due(NOON)
    assert (first.run, say(first.problem)) == (None, "It could not be started: 'there is no operation no.such.operation'")
    assert second.run == Run.objects.get()


def test_a_schedule_whose_expression_was_damaged_is_paused_and_reported(organisation: Organisation) -> None:
    row = at(make(organisation), NOON)
    Schedule.objects.filter(pk=row.pk).update(time_zone="Mars/Olympus")
    (fired,) = schedule.fire_due(NOON)
    row.refresh_from_db()
    assert (row.enabled, fired.run) == (False, None)
    assert "Mars/Olympus" in say(row.problem)
    assert schedule.fire_due(NOON + timedelta(days=1)) == []


def test_of_several_workers_exactly_one_starts_each(committed: None) -> None:
    organisation = make_organisation()
    for _ in range(11):
        at(make(organisation), NOON)
    system = make_system(organisation)
    make_environment(system)
    schedule.once(system, "operations.selftest", NOON, who=WHO, arguments={"steps": 1})
    barrier, started, failures = threading.Barrier(6), [], []

    def worker() -> None:
        try:
            barrier.wait()
            started.extend(schedule.fire_due(NOON + timedelta(seconds=2)))
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=worker) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert Run.objects.count() == len(started) == 12
    assert set(Schedule.objects.values_list("last_at", "next_at")) == {(NOON, NOON + timedelta(hours=1)), (NOON, None)}


def test_changes_are_recorded_with_who_made_them(organisation: Organisation, operator: Person) -> None:
    row = schedule.add(organisation, "operations.selftest", "0 2 * * *", who=operator, time_zone="Asia/Taipei")
    row = schedule.edit(row, who=operator, cron="30 3 * * 1")
    row = schedule.pause(row, who=operator)
    row = schedule.resume(row, who=operator)
    schedule.remove(row, who=operator)
    entries = list(Record.objects.filter(kind__startswith="schedule.").order_by("number").values_list("kind", "actor", "data__cron"))
    assert entries == [
        ("schedule.added", operator.email, "0 2 * * *"),
        ("schedule.edited", operator.email, "30 3 * * 1"),
        ("schedule.paused", operator.email, "30 3 * * 1"),
        ("schedule.resumed", operator.email, "30 3 * * 1"),
        ("schedule.removed", operator.email, "30 3 * * 1"),
    ]
    assert not Schedule.objects.exists()


def test_resuming_does_not_count_the_pause_as_missed(organisation: Organisation) -> None:
    row = schedule.pause(make(organisation), who=WHO)
    at(row, NOON - timedelta(days=30000))
    row = schedule.resume(row, who=WHO)
    assert row.next_at
    assert row.next_at > datetime.now(UTC)
    assert row.missed_count == 0


@pytest.mark.parametrize(("cron", "zone"), [("61 * * * *", "UTC"), ("0 0 31 2 *", "UTC"), ("0 0 * * *", "Nowhere/Land")])
def test_what_makes_no_sense_is_refused_and_nothing_is_stored(organisation: Organisation, cron: str, zone: str) -> None:
    row = make(organisation)
    with pytest.raises(Invalid):
        make(organisation, cron, time_zone=zone)
    with pytest.raises(Invalid):
        schedule.edit(row, who=WHO, cron=cron, time_zone=zone)
    with pytest.raises(Invalid, match="no operation"):
        schedule.add(organisation, "no.such.operation", "0 0 * * *", who=WHO)
    assert list(Schedule.objects.values_list("cron", "time_zone")) == [("0 * * * *", "UTC")]


def test_a_viewer_and_an_outsider_change_nothing(organisation: Organisation, viewer: Person, outsider: Person) -> None:
    row = make(organisation)
    before = list(Schedule.objects.values())
    for who in (viewer, outsider):
        for change in (
            lambda who=who: schedule.add(organisation, "operations.selftest", "0 0 * * *", who=who),
            lambda who=who: schedule.edit(row, who=who, cron="0 0 * * *"),
            lambda who=who: schedule.pause(row, who=who),
            lambda who=who: schedule.resume(row, who=who),
            lambda who=who: schedule.remove(row, who=who),
        ):
            with pytest.raises(Denied):
                change()
    assert list(Schedule.objects.values()) == before
    assert Record.objects.filter(kind__startswith="schedule.").count() == 1


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("* * * * *", "every minute"),
        ("*/15 * * * *", "every 15 minutes"),
        ("*/7 * * * *", "*/7 * * * *"),
        ("5 * * * *", "every hour at minute 5"),
        ("0 */6 * * *", "every 6 hours at minute 0"),
        ("30 2 * * *", "every day at 02:30"),
        ("0,30 6,18 * * *", "every day at 06:00, 06:30, 18:00, 18:30"),
        ("0 2 * * 1-5", "from Monday to Friday at 02:00"),
        ("0 2 * * mon-fri", "from Monday to Friday at 02:00"),
        ("0 2 * * 0", "every Sunday at 02:00"),
        ("0 2 * * 7", "every Sunday at 02:00"),
        ("0 2 * * sat,sun", "every Saturday, Sunday at 02:00"),
        ("0 2 1,15 * *", "on day 1, 15 of every month at 02:00"),
        ("*/10 * * * 1-5", "every 10 minutes, from Monday to Friday"),
        ("0 2 1 * 1", "0 2 1 * 1"),
        ("0 2 * 6 *", "0 2 * 6 *"),
        ("0 8-18 * * *", "0 8-18 * * *"),
        ("0 2 * * 0-7", "0 2 * * 0-7"),
        ("0 2 * * 5-5", "0 2 * * 5-5"),
        ("0 2 * * 1-5,0", "0 2 * * 1-5,0"),
        ("0,15,30,45 6,18 * * *", "0,15,30,45 6,18 * * *"),
        ("* 5 * * *", "* 5 * * *"),
        ("0 */5 * * *", "0 */5 * * *"),
        ("0 2 1-7 * *", "0 2 1-7 * *"),
        ("damaged", "damaged"),
    ],
)
def test_expressions_in_words(cron: str, words: str) -> None:
    with translation.override("en"):
        assert schedule_words.describe(cron, "UTC") == f"{words} (UTC)"


@pytest.mark.parametrize(
    ("cron", "traditional", "simplified"),
    [
        ("*/15 * * * *", "每 15 分鐘（UTC）", "每 15 分钟（UTC）"),
        ("5 */6 * * *", "每 6 小時的第 5 分（UTC）", "每 6 小时的第 5 分（UTC）"),
        ("30 2 * * *", "每天 02:30（UTC）", "每天 02:30（UTC）"),
        ("0 4 * * 0", "每星期日 04:00（UTC）", "每星期日 04:00（UTC）"),
        ("0 2 * * mon-fri", "星期一至星期五 02:00（UTC）", "星期一至星期五 02:00（UTC）"),
        ("0 2 1,15 * *", "每月 1, 15 日 02:00（UTC）", "每月 1, 15 日 02:00（UTC）"),
        ("*/10 * * * 1-5", "星期一至星期五，每 10 分鐘（UTC）", "星期一至星期五，每 10 分钟（UTC）"),
        ("0 8-18 * * *", "0 8-18 * * *（UTC）", "0 8-18 * * *（UTC）"),
    ],
)
def test_expressions_in_chinese_words(cron: str, traditional: str, simplified: str) -> None:
    for language, said in (("zh-hant", traditional), ("zh-hans", simplified)):
        with translation.override(language):
            assert schedule_words.describe(cron, "UTC") == said


def test_the_next_moments_are_shown_in_the_time_zone_of_the_schedule() -> None:
    found = schedule.upcoming("0 2 * * *", "Asia/Taipei", 2, after=NOON)
    assert [moment.isoformat() for moment in found] == ["2030-06-02T02:00:00+08:00", "2030-06-03T02:00:00+08:00"]


def test_a_single_start_is_made_once_in_its_authors_name(system: System, administrator: Person, operator: Person) -> None:
    make_environment(system)
    with pytest.raises(Denied):
        schedule.once(system, "operations.selftest", NOON, who=operator, arguments={})
    with pytest.raises(Invalid, match="past already"):
        schedule.once(system, "operations.selftest", datetime(2020, 1, 1, tzinfo=UTC), who=administrator, arguments={})
    schedule.once(system, "operations.selftest", NOON - timedelta(hours=1), who=administrator, arguments={"steps": 3})
    row = schedule.once(system, "operations.selftest", NOON, who=administrator, arguments={"steps": 2})
    assert Schedule.objects.get() == row, "the later wish takes the place of the earlier one"
    assert schedule.fire_due(NOON - timedelta(seconds=1)) == []
    (fired,) = schedule.fire_due(NOON)
    row.refresh_from_db()
    run = Run.objects.get()
    assert (run.arguments, run.requested_by, fired.run) == ({"steps": 2}, administrator, run)
    assert (row.last_run, row.last_at, row.next_at, row.problem) == (run, NOON, None, None)
    assert schedule.fire_due(NOON + timedelta(days=400)) == []
    for change in (lambda: schedule.edit(row, who=administrator, cron="0 * * * *"), lambda: schedule.pause(row, who=administrator)):
        with pytest.raises(Invalid, match="planned once"):
            change()
    with translation.override("en"):
        assert schedule_words.when(row.cron) == "once"


def test_a_single_start_that_nobody_could_make_is_reported(system: System, administrator: Person) -> None:
    make_environment(system)
    row = schedule.once(system, "operations.selftest", NOON, who=administrator, arguments={})
    (fired,) = schedule.fire_due(NOON + schedule.GRACE + timedelta(seconds=1))
    row.refresh_from_db()
    assert (fired.run, row.next_at, row.missed_count) == (None, None, 1)
    assert "no worker was running" in say(row.problem)
    assert Record.objects.filter(kind="schedule.missed", summary=row.problem).count() == 1
    schedule.once(system, "operations.selftest", NOON, who=administrator, arguments={})
    administrator.memberships.update(role="operator")
    (fired,) = schedule.fire_due(NOON)
    assert "this needs the role administrator" in say(fired.problem)
    schedule.once(system, "operations.selftest", NOON, who=WHO, arguments={})
    Schedule.objects.update(author=administrator.email)
    (fired,) = schedule.fire_due(NOON)
    assert "this needs the role administrator" in say(fired.problem), "who is gone is not taken for the console"
    assert not Run.objects.exists()


def test_a_single_start_is_called_off_and_that_is_on_record(system: System, administrator: Person) -> None:
    make_environment(system)
    row = schedule.once(system, "operations.selftest", NOON, who=administrator, arguments={})
    schedule.remove(row, who=administrator)
    assert schedule.fire_due(NOON) == []
    assert [entry.kind for entry in Record.objects.order_by("number")][-2:] == ["schedule.planned", "schedule.called_off"]
    with translation.override("en"):
        assert say(Record.objects.get(kind="schedule.called_off").summary) == "operations.selftest is not started at 2030-06-01T12:00+00:00 any more"
