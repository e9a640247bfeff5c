"""When production may be changed: windows and freezes, declared by administrators, and what they say of a moment.

Who declared nothing has no window: nothing that needs one happens then, unless an administrator waives it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, time

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.estate import access
from wellkept.estate.access import Who
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Environment, Organisation, Role, System
from wellkept.lib.text import Message, message
from wellkept.operations import records
from wellkept.operations.models import Freeze, Window
from wellkept.planning import cron
from wellkept.planning.windows import Opening, Weekly, holding, openings

EVERYTHING = gettext_noop("every system")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
"""Django's own catalogues know them."""


@transaction.atomic
def add_weekly(
    organisation: Organisation,
    days: Iterable[int],
    opens: time,
    closes: time,
    *,
    who: Who,
    system: System | None = None,
    time_zone: str = "",
) -> Window:
    """Let production be changed every week on these days (0 is Monday), by the clock of a time zone: the organisation's unless another is given.

    It closes on the next day where ``closes`` is not after ``opens``. Without a system it is for all of them. Raises Denied and Invalid.
    """
    access.require(who, Role.ADMINISTRATOR, system or organisation)
    chosen, zone = sorted(set(days)), time_zone or organisation.time_zone
    if not chosen or not set(chosen) <= set(range(7)):
        raise Invalid(gettext_noop("a window needs at least one day of the week"))
    try:
        cron.zone(zone)
    except cron.InvalidCron as error:
        raise Invalid(error.message) from error
    opens, closes = (moment.replace(second=0, microsecond=0) for moment in (opens, closes))
    return _added(Window(organisation=organisation, system=system, days=chosen, opens=opens, closes=closes, time_zone=zone), who)


@transaction.atomic
def add_once(organisation: Organisation, starts: datetime, ends: datetime, *, who: Who, system: System | None = None) -> Window:
    """Let production be changed once, between two moments (aware). Raises Denied and Invalid."""
    access.require(who, Role.ADMINISTRATOR, system or organisation)
    _check(starts, ends)
    return _added(Window(organisation=organisation, system=system, starts_at=starts, ends_at=ends), who)


@transaction.atomic
def freeze(organisation: Organisation, starts: datetime, ends: datetime, reason: str, *, who: Who, system: System | None = None) -> Freeze:
    """Keep production as it is between two moments (aware), whatever its windows say. Raises Denied and Invalid."""
    access.require(who, Role.ADMINISTRATOR, system or organisation)
    _check(starts, ends)
    if not reason.strip():
        raise Invalid(gettext_noop("say why: the reason is kept with it"))
    made = Freeze(organisation=organisation, system=system, starts_at=starts, ends_at=ends, reason=reason.strip(), author=access.actor(who))
    made.save()
    _note(made, "freeze.added", told(made), who)
    return made


@transaction.atomic
def remove(one: Window | Freeze, *, who: Who) -> None:
    """Declare a window or a freeze no more. Raises Denied."""
    access.require(who, Role.ADMINISTRATOR, one)
    kind = "freeze" if isinstance(one, Freeze) else "window"
    _note(one, f"{kind}.removed", message(gettext_noop("This counts no more: {what}"), what=told(one)), who)
    type(one).objects.filter(pk=one.pk).delete()


def told(one: Window | Freeze) -> Message:
    """A window or a freeze as a sentence."""
    place: object = one.system.name if one.system is not None else message(EVERYTHING)
    if isinstance(one, Freeze):
        text = gettext_noop("{place} stays as it is from {since} until {until}: {reason}")
        return message(text, place=place, since=one.starts_at.isoformat(), until=one.ends_at.isoformat(), reason=one.reason)
    if one.starts_at is not None and one.ends_at is not None:
        text = gettext_noop("{place} may be changed from {since} until {until}")
        return message(text, place=place, since=one.starts_at.isoformat(), until=one.ends_at.isoformat())
    text = gettext_noop("{place} may be changed every week: {days}, {opens} to {closes} ({time_zone})")
    return message(text, place=place, days=_days(one.days), opens=f"{one.opens:%H:%M}", closes=f"{one.closes:%H:%M}", time_zone=one.time_zone)


def declared(system: System) -> bool:
    """Whether anybody said when production of the system may be changed."""
    return _of(Window.objects.all(), system).exists()


def current(environment: Environment, now: datetime | None = None) -> Opening | None:
    """The window that is open at the moment, up to its end or to the next freeze; None where none is. Two queries.

    Whether a freeze holds now is another question (``frozen``), because that may be waived.
    """
    moment = now or timezone.now()
    return holding(_openings(environment.system, moment, Freeze.objects.filter(starts_at__gt=moment)), moment)


def upcoming(environment: Environment, now: datetime | None = None) -> Opening | None:
    """The next window that opens after the moment; None where none is known. Two queries."""
    return next(iter(to_come(environment, now)), None)


def to_come(environment: Environment, now: datetime | None = None) -> list[Opening]:
    """The windows that open after the moment, in order, without what is frozen. Two queries."""
    moment = now or timezone.now()
    found = _openings(environment.system, moment, Freeze.objects.filter(ends_at__gt=moment))
    return [one for one in found if one.starts > moment]


def frozen(environment: Environment, now: datetime | None = None) -> Freeze | None:
    """The freeze that holds at the moment, the one that ends last; None where none does."""
    moment = now or timezone.now()
    return _of(Freeze.objects.filter(starts_at__lte=moment, ends_at__gt=moment), environment.system).order_by("-ends_at").first()


def _openings(system: System, after: datetime, freezes: QuerySet[Freeze]) -> list[Opening]:
    weekly, single = [], []
    for row in _of(Window.objects.all(), system):
        if row.starts_at is not None and row.ends_at is not None:
            single.append(Opening(row.starts_at, row.ends_at))
        elif row.opens is not None and row.closes is not None:
            weekly.append(Weekly(frozenset(row.days), row.opens, row.closes, row.time_zone))
    return openings(weekly, single, [Opening(row.starts_at, row.ends_at) for row in _of(freezes, system)], after)


def _of(rows: QuerySet, system: System) -> QuerySet:  # type: ignore[type-arg]
    return rows.filter(Q(system=system) | Q(system=None), organisation=system.organisation_id)


def _days(numbers: Sequence[int]) -> Message:
    if len(numbers) == len(DAYS):
        return message(gettext_noop("every day"))
    first, *more = numbers
    named = message(DAYS[first])
    return message(gettext_noop("{first}, {more}"), first=named, more=_days(more)) if more else named


def _check(starts: datetime, ends: datetime) -> None:
    if ends <= starts:
        raise Invalid(gettext_noop("the end has to be after the beginning"))
    if ends <= timezone.now():
        raise Invalid(gettext_noop("the end is past already"))


def _added(window: Window, who: Who) -> Window:
    window.author = access.actor(who)
    window.save()
    _note(window, "window.added", told(window), who)
    return window


def _note(one: Window | Freeze, kind: str, said: Message, who: Who) -> None:
    records.append(one.organisation, kind, said, actor=access.actor(who), system=one.system, data={"id": one.pk})
