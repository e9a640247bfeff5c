"""When an ERP is used: learnt from the ERP itself, hour by hour, and told as a curve over the hours of the week."""

import datetime as dt
from collections.abc import Collection
from typing import Any

import psycopg
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.adapters.base import AdapterError
from wellkept.estate import connect
from wellkept.estate.models import Environment
from wellkept.lib.text import message, reason
from wellkept.monitoring.models import Use, UsedHour
from wellkept.operations import runtime
from wellkept.operations.errors import Failed
from wellkept.operations.models import Run
from wellkept.planning import offpeak
from wellkept.planning.offpeak import Curve
from wellkept.tools import command, postgres

HOUR = dt.timedelta(hours=1)
BACK = dt.timedelta(days=400)
"""So far back is looked, and kept: a year and the month around it."""
AGAIN = dt.timedelta(days=2)
"""What was seen so lately is read again: a long transaction writes rows of hours that are over."""
EVERY = dt.timedelta(hours=24)
STATEMENT_SECONDS = 600.0
LEARN = "monitoring.learn"


def learn(environment_id: int) -> dict[str, Any]:
    """Read who worked in which hour since it was last learnt, up to the hour that is over, and keep it. Raises Failed where that cannot be read."""
    environment = Environment.objects.select_related("system__organisation").get(pk=environment_id)
    until = timezone.now().replace(minute=0, second=0, microsecond=0)
    known = Use.objects.filter(environment=environment).first()
    since = max(known.until - AGAIN, until - BACK) if known is not None else until - BACK
    found = {hour: people for hour, people in _read(environment, since).items() if hour < until}
    with transaction.atomic():
        row, _made = Use.objects.get_or_create(environment=environment, defaults={"since": min(found, default=until), "until": until})
        Use.objects.filter(pk=row.pk).update(until=until, since=max(row.since, until - BACK))
        mine = UsedHour.objects.filter(environment=environment)
        mine.filter(hour__gte=since).delete()
        mine.filter(hour__lt=until - BACK).delete()
        UsedHour.objects.bulk_create(UsedHour(environment=environment, hour=hour, people=people) for hour, people in found.items())
    return {"hours": len(found), "since": since.isoformat(), "until": until.isoformat()}


def learn_due(environments: Collection[int]) -> int:
    """Begin a run for each of these environments whose use was not learnt, nor tried to be, for a day; returns how many."""
    lately = Run.objects.filter(environment=OuterRef("pk"), operation=LEARN, requested_at__gt=timezone.now() - EVERY)
    rows = Environment.objects.filter(pk__in=environments, system__removed_at=None).exclude(Exists(lately))
    able = [one for one in rows.select_related("system__organisation") if connect.has(one, "activity")]
    for one in able:
        runtime.submit(LEARN, organisation=one.system.organisation, environment=one)
    return len(able)


def curve(environment: Environment) -> Curve | None:
    """The curve of an environment in the time zone of its company; None as long as nothing was learnt."""
    known = Use.objects.filter(environment=environment).first()
    if known is None:
        return None
    counts = {hour: float(people) for hour, people in UsedHour.objects.filter(environment=environment).values_list("hour", "people")}
    return offpeak.learn(counts, known.since, known.until, environment.system.organisation.time_zone, frozenset())


def _read(environment: Environment, since: dt.datetime) -> dict[dt.datetime, int]:
    try:
        site = connect.site(environment)
        by_hour = connect.ability(environment, "activity").by_hour
        if site.server is None:
            text = gettext_noop("Its database cannot be reached from here: its server and a login for reading are not known")
            raise Failed(message(text))
        opened = postgres.connect(site.server, site.database, readonly=True, statement_timeout=STATEMENT_SECONDS)
        with opened as connection, command.stoppable(connection.cancel):
            return dict(by_hour(connection, since, besides=site.login.user if site.login is not None else ""))
    except (psycopg.Error, AdapterError) as error:
        text = gettext_noop("When it was used could not be read: {reason}")
        raise Failed(message(text, reason=reason(error)), retryable=isinstance(error, psycopg.OperationalError)) from error
