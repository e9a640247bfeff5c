"""Whether an environment is watched: a person decides."""

from django.db import transaction
from django.utils.translation import gettext_noop

from wellkept.estate import access
from wellkept.estate.access import Who
from wellkept.estate.models import Environment, Role
from wellkept.lib.text import message
from wellkept.monitoring.models import Watch
from wellkept.operations import records

SAID = {True: gettext_noop("{system} is watched"), False: gettext_noop("{system} is watched no more")}


@transaction.atomic
def choose(environment: Environment, *, watched: bool, who: Who) -> bool:
    """Have it watched or not; returns whether that was a change. What was read before stays as long as everything does. Raises Denied."""
    access.require(who, Role.ADMINISTRATOR, environment.system)
    row, _made = Watch.objects.get_or_create(environment=environment)
    if row.enabled == watched:
        return False
    Watch.objects.filter(pk=row.pk).update(enabled=watched, problem=None, problem_since=None, blind=[])
    told = message(SAID[watched], system=environment.system.name)
    records.append(environment.system.organisation, "monitoring.watched", told, actor=access.actor(who), system=environment.system)
    return True
