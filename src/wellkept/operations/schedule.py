"""What is done again and again, or once at a moment: make and change schedules, and start what is due.

Any worker may call ``fire_due``; the row is locked while its run is made, so exactly one worker starts it. A moment that nobody was there for is not
made up for later than GRACE: it is counted, recorded and shown, and the next one is started as usual.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice, takewhile
from typing import Any, NamedTuple

from django.contrib.auth.models import AnonymousUser
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.estate import access
from wellkept.estate.access import Who
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Kind, Organisation, Person, Role, System
from wellkept.lib.text import Message, message, reason
from wellkept.operations import records, registry, runtime
from wellkept.operations.models import Run, Schedule
from wellkept.planning import cron as crons

GRACE = timedelta(minutes=15)
COUNT_LIMIT = 10_000
AT_ONCE = 100
ACTOR = "schedule"
ONCE = ""
"""What stands in the place of the cron expression of a single start."""
MISSED = gettext_noop("{operation} was not started {count} times, last at {at}: no worker was running")


class Due(NamedTuple):
    """The moments of a schedule up to now: the one to start (None: too late for all), how many were missed, and the last of those."""

    start: datetime | None
    missed: int
    last_missed: datetime | None


@dataclass(frozen=True)
class Fired:
    """What became of a schedule that was due: its run, or the sentence why there is none."""

    schedule: Schedule
    moment: datetime | None
    run: Run | None
    problem: Message | None


@transaction.atomic
def add(
    organisation: Organisation,
    operation: str,
    cron: str,
    *,
    who: Who,
    time_zone: str = "",
    system: System | None = None,
    arguments: dict[str, Any] | None = None,
) -> Schedule:
    """Have an operation started again and again; the time zone is the organisation's unless another is given. Raises Invalid and Denied."""
    access.require(who, Role.OPERATOR, system or organisation)
    if operation not in registry.registered():
        raise Invalid(gettext_noop("there is no operation {operation}"), operation=operation)
    expression, zone = checked(cron, time_zone or organisation.time_zone)
    schedule = Schedule.objects.create(
        organisation=organisation,
        system=system,
        operation=operation,
        arguments=arguments or {},
        cron=expression,
        time_zone=zone,
        next_at=crons.next_after(expression, zone, timezone.now()),
    )
    _note(schedule, "schedule.added", gettext_noop("{operation} is to be run: {cron} ({time_zone})"), access.actor(who))
    return schedule


@transaction.atomic
def once(system: System, operation: str, at: datetime, *, who: Who, arguments: dict[str, Any]) -> Schedule:
    """Have an operation started on production at one moment (aware), in the name of ``who``, in the place of an earlier such wish.

    Only an administrator may, who has to be one at that moment, too; an API token is its person then. Raises Denied and Invalid.
    """
    access.require(who, Role.ADMINISTRATOR, system)
    if at <= timezone.now():
        raise Invalid(gettext_noop("the planned start is past already"))
    Schedule.objects.filter(system=system, operation=operation, cron=ONCE).delete()
    made = Schedule.objects.create(
        organisation=system.organisation,
        system=system,
        operation=operation,
        arguments=arguments,
        cron=ONCE,
        time_zone=system.organisation.time_zone,
        next_at=at,
        author=access.actor(who),
        author_person=access.person_of(who),
    )
    _note_once(made, "schedule.planned", gettext_noop("{operation} is to be started once, at {at}, unless somebody calls it off"), access.actor(who))
    return made


@transaction.atomic
def call_off(system: System, operations: Iterable[str], actor: str, *, waiting: bool = False) -> int:
    """Forget the single starts of these operations; with ``waiting`` only those that are still to come. Returns how many."""
    rows = Schedule.objects.select_for_update(of=("self",)).select_related("organisation", "system")
    found = list(rows.filter(system=system, operation__in=list(operations), cron=ONCE, **({"next_at__isnull": False} if waiting else {})))
    for row in found:
        if row.next_at is not None:
            _note_once(row, "schedule.called_off", gettext_noop("{operation} is not started at {at} any more"), actor)
        Schedule.objects.filter(pk=row.pk).delete()
    return len(found)


@transaction.atomic
def edit(schedule: Schedule, *, who: Who, cron: str | None = None, time_zone: str | None = None, arguments: dict[str, Any] | None = None) -> Schedule:
    """Change when and with what it is started; what is None stays. Raises Invalid and Denied; then nothing is changed."""
    access.require(who, Role.OPERATOR, schedule)
    row = _repeated(_locked(schedule))
    row.cron, row.time_zone = checked(cron or row.cron, time_zone or row.time_zone)
    if arguments is not None:
        row.arguments = arguments
    row.next_at = crons.next_after(row.cron, row.time_zone, timezone.now())
    row.save()
    _note(row, "schedule.edited", gettext_noop("{operation} is now to be run: {cron} ({time_zone})"), access.actor(who))
    return row


@transaction.atomic
def pause(schedule: Schedule, *, who: Who) -> Schedule:
    """Start it no more until it is resumed; the moments in between are not missed. Raises Denied."""
    return _switch(schedule, who, on=False)


@transaction.atomic
def resume(schedule: Schedule, *, who: Who) -> Schedule:
    """Start it again from its next moment on. Raises Denied."""
    return _switch(schedule, who, on=True)


@transaction.atomic
def remove(schedule: Schedule, *, who: Who) -> None:
    """Forget it; the runs it started stay. Raises Denied."""
    access.require(who, Role.OPERATOR, schedule)
    if schedule.cron == ONCE and schedule.system is not None:
        call_off(schedule.system, [schedule.operation], access.actor(who))
        return
    _note(schedule, "schedule.removed", gettext_noop("{operation} is no longer run by schedule ({cron}, {time_zone})"), access.actor(who))
    Schedule.objects.filter(pk=schedule.pk).delete()


def checked(cron: str, time_zone: str) -> tuple[str, str]:
    """The expression with single spaces, and the time zone. Raises Invalid with a sentence that says what is wrong."""
    try:
        crons.zone(time_zone)
        return crons.normal(cron), time_zone
    except crons.InvalidCron as error:
        raise Invalid(error.message) from error


def upcoming(cron: str, time_zone: str, count: int = 5, after: datetime | None = None) -> list[datetime]:
    """The next moments, aware, in the schedule's own time zone. Raises Invalid."""
    expression, zone = checked(cron, time_zone)
    place = crons.zone(zone)
    return [moment.astimezone(place) for moment in islice(crons.upcoming(expression, zone, after or timezone.now()), count)]


def fire_due(now: datetime | None = None) -> list[Fired]:
    """Start whatever is due, each in a transaction of its own; other workers pass over the rows that are being worked on."""
    moment = now or timezone.now()
    return list(islice(_fire_each(moment), AT_ONCE))


def due(cron: str, time_zone: str, next_at: datetime, now: datetime) -> Due:
    """What a schedule whose next moment was ``next_at`` has to do now; beyond COUNT_LIMIT missed moments are no longer counted."""
    moments = list(islice(_until(cron, time_zone, next_at, now), COUNT_LIMIT))
    if len(moments) == COUNT_LIMIT:
        moments += _until(cron, time_zone, crons.next_after(cron, time_zone, max(moments[-1], now - GRACE)), now)
    start = moments.pop() if moments and moments[-1] >= now - GRACE else None
    return Due(start, len(moments), moments[-1] if moments else None)


def _until(cron: str, time_zone: str, first: datetime, now: datetime) -> Iterator[datetime]:
    """``first``, which was promised, and every occurrence after it up to now."""
    return takewhile(lambda moment: moment <= now, chain([first], crons.upcoming(cron, time_zone, first)))


def _fire_each(now: datetime) -> Iterator[Fired]:
    while True:
        with transaction.atomic():
            rows = Schedule.objects.select_for_update(skip_locked=True, of=("self",)).select_related("organisation", "system")
            active = rows.filter(Q(system=None) | Q(system__removed_at=None), enabled=True, next_at__lte=now)
            schedule = active.order_by("next_at", "pk").first()
            if schedule is None:
                return
            fired = _fire(schedule, now)
        yield fired


def _fire(schedule: Schedule, now: datetime) -> Fired:
    """Start the run of a locked row and move it to its next moment, in one transaction."""
    if schedule.cron == ONCE:
        return _closed(schedule, _fire_once(schedule, now))
    try:
        found = due(schedule.cron, schedule.time_zone, schedule.next_at or now, now)
        schedule.next_at = crons.next_after(schedule.cron, schedule.time_zone, now)
    except crons.InvalidCron as error:
        schedule.enabled = False
        return _closed(schedule, Fired(schedule, None, None, message(gettext_noop("The schedule was paused: {reason}"), reason=error.message)))
    if found.missed and found.last_missed is not None:
        _miss(schedule, found.missed, found.last_missed)
    if found.start is None:
        return _closed(schedule, Fired(schedule, None, None, schedule.problem))
    return _closed(schedule, _start(schedule, found.start))


def _fire_once(schedule: Schedule, now: datetime) -> Fired:
    moment, schedule.next_at = schedule.next_at or now, None
    if moment < now - GRACE:
        _miss(schedule, 1, moment, gettext_noop("{operation} was not started at {at}: no worker was running"))
        return Fired(schedule, None, None, schedule.problem)
    return _start(schedule, moment)


def _start(schedule: Schedule, moment: datetime) -> Fired:
    schedule.last_at = moment
    try:
        with transaction.atomic():
            run = _submit(schedule)
    except runtime.Conflict as conflict:
        return Fired(schedule, moment, None, conflict.message)
    except Exception as error:  # noqa: BLE001 - a run that cannot be made must not keep the other schedules from starting; it is recorded
        return Fired(schedule, moment, None, message(gettext_noop("It could not be started: {reason}"), reason=reason(error)))
    schedule.last_run = run
    return Fired(schedule, moment, run, None)


def _submit(schedule: Schedule) -> Run:
    system = schedule.system
    environment = system.environments.filter(kind=Kind.PRODUCTION).first() if system else None
    return runtime.submit(
        schedule.operation,
        organisation=schedule.organisation,
        system=system,
        environment=environment,
        arguments=dict(schedule.arguments),
        requested_by=_starter(schedule),
    )


def _starter(schedule: Schedule) -> Person | None:
    """In whose name it is started; None for what is done again and again, and for the console. Raises Denied to who may not any more."""
    if schedule.cron != ONCE or schedule.author.startswith(access.CONSOLE):
        return None
    access.require(schedule.author_person or AnonymousUser(), Role.ADMINISTRATOR, schedule)
    return schedule.author_person


def _miss(schedule: Schedule, count: int, last: datetime, template: str = MISSED) -> None:
    schedule.missed_at = last
    schedule.missed_count = models.F("missed_count") + count
    schedule.problem = message(template, operation=schedule.operation, count=count, at=last.isoformat(timespec="minutes"))
    records.append(
        schedule.organisation,
        "schedule.missed",
        schedule.problem,
        actor=ACTOR,
        system=schedule.system,
        data={"schedule": schedule.pk, "count": count, "last": last.isoformat()},
    )


def _closed(schedule: Schedule, fired: Fired) -> Fired:
    if fired.run is not None:
        schedule.problem = None
    elif fired.problem is not None and fired.problem is not schedule.problem:
        schedule.problem = fired.problem
        records.append(
            schedule.organisation,
            "schedule.not_started",
            fired.problem,
            actor=ACTOR,
            system=schedule.system,
            data={"schedule": schedule.pk, "operation": schedule.operation, "at": fired.moment.isoformat() if fired.moment else None},
        )
    schedule.save()
    schedule.refresh_from_db(fields=["missed_count"])
    return fired


def _switch(schedule: Schedule, who: Who, *, on: bool) -> Schedule:
    access.require(who, Role.OPERATOR, schedule)
    row = _repeated(_locked(schedule))
    if row.enabled == on:
        return row
    row.enabled = on
    if on:
        row.cron, row.time_zone = checked(row.cron, row.time_zone)
        row.next_at = crons.next_after(row.cron, row.time_zone, timezone.now())
    row.save()
    template = gettext_noop("The schedule of {operation} was resumed") if on else gettext_noop("The schedule of {operation} was paused")
    _note(row, "schedule.resumed" if on else "schedule.paused", template, access.actor(who))
    return row


def _locked(schedule: Schedule) -> Schedule:
    return Schedule.objects.select_for_update(of=("self",)).select_related("organisation", "system").get(pk=schedule.pk)


def _repeated(schedule: Schedule) -> Schedule:
    if schedule.cron == ONCE:
        raise Invalid(gettext_noop("this is planned once: it can be removed, not changed"))
    return schedule


def _note_once(schedule: Schedule, kind: str, template: str, actor: str) -> None:
    at = schedule.next_at.isoformat(timespec="minutes") if schedule.next_at else ""
    data = {"schedule": schedule.pk, "operation": schedule.operation, "arguments": schedule.arguments, "at": at}
    said = message(template, operation=schedule.operation, at=at)
    records.append(schedule.organisation, kind, said, actor=actor, system=schedule.system, data=data)


def _note(schedule: Schedule, kind: str, template: str, actor: str) -> None:
    records.append(
        schedule.organisation,
        kind,
        message(template, operation=schedule.operation, cron=schedule.cron, time_zone=schedule.time_zone),
        actor=actor,
        system=schedule.system,
        data={"schedule": schedule.pk, "operation": schedule.operation, "cron": schedule.cron, "time_zone": schedule.time_zone},
    )
