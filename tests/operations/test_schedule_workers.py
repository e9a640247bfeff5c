"""Schedules fired by real workers on an installation of its own."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests import people
from tests.services.installation import Installation, installed, until
from wellkept.estate.access import Console
from wellkept.operations import checkpoints, records, schedule
from wellkept.operations.models import Record, Run, RunState, Schedule


@pytest.fixture
def installation(django_db_setup: None, django_db_blocker: Any) -> Iterator[Installation]:
    with django_db_blocker.unblock(), installed("sched-") as made:
        yield made


def test_two_workers_start_what_is_due_once_and_sign_the_record(installation: Installation) -> None:
    organisation = people.make_organisation("works")
    rows = [schedule.add(organisation, "operations.selftest", "0 0 1 1 *", who=Console("root"), arguments={"steps": 1}) for _ in range(3)]
    for _ in range(2):
        installation.start_worker()
    moment = timezone.now()
    late = moment.replace(second=0, microsecond=0) - schedule.GRACE - timedelta(minutes=1)
    Schedule.objects.filter(pk__in=[row.pk for row in rows[:2]]).update(next_at=moment)
    Schedule.objects.filter(pk=rows[2].pk).update(next_at=late, cron=f"{late:%M %H} * * *")

    until(lambda: Run.objects.filter(state=RunState.SUCCEEDED).count() == 2, 60, "the end of two scheduled runs")
    until(lambda: Schedule.objects.filter(pk=rows[2].pk, missed_count__gt=0).exists(), 30, "the report of the missed one")
    until(lambda: checkpoints.outside(organisation), 60, "the first checkpoint")

    assert Run.objects.count() == 2
    assert {row.last_run_id for row in Schedule.objects.filter(pk__in=[row.pk for row in rows[:2]])} == set(Run.objects.values_list("pk", flat=True))
    assert not Schedule.objects.filter(next_at__lte=timezone.now()).exists()
    assert Record.objects.filter(kind="operations.selftest").count() == 2
    assert Record.objects.filter(kind="schedule.missed").count() == 1
    assert records.verify(organisation).ok
