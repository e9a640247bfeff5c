"""What the people who use an ERP are told of its upgrade: before, while it is closed, when that takes longer, and at the end.

Whoever has the link of an organisation's status page reads it without signing in; it names no person, no address and no gate.
"""

import math
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.estate import access
from wellkept.estate.access import Who
from wellkept.estate.models import Organisation, Role, System
from wellkept.lib.text import Message, message
from wellkept.operations import records
from wellkept.upgrades import planned
from wellkept.upgrades.expect import expected
from wellkept.upgrades.models import Upgrade, UpgradeState

PLANNED, CLOSED, LATE, WAITS, DONE, BACK = "planned", "closed", "late", "waits", "done", "back"
ENDED = timedelta(days=1)
"""For how long the end of an upgrade is told."""
SENTENCES = {
    PLANNED: gettext_noop(
        "{system} is planned to be upgraded to {version} on {at}. Nobody can work with it for about {minutes} minutes (9 in 10 under {most}). "
        "Please save your work before."
    ),
    CLOSED: gettext_noop("{system} is closed since {since}, while it is upgraded to {version}. It is expected back by {until}."),
    LATE: gettext_noop(
        "{system} is closed since {since}, while it is upgraded to {version}. This takes longer than expected: it was to be back by {until}. "
        "If it does not succeed, everything comes back as it was."
    ),
    WAITS: gettext_noop("{system} is closed since {since}, and somebody has to look at it. Nothing that was saved is lost."),
    DONE: gettext_noop("{system} was upgraded to {version}. You can work with it again since {at}."),
    BACK: gettext_noop("{system} was not upgraded: it is as it was before. You can work with it again since {at}."),
}


@dataclass(frozen=True)
class Notice:
    """What is told of one system: one of the words above, and the sentence."""

    state: str
    said: Message


def notices(organisation: Organisation) -> list[Notice]:
    """What there is to tell of an organisation's systems: what is closed first, then what is planned, then what has ended."""
    systems = System.objects.filter(organisation=organisation, removed_at=None)
    rows = Upgrade.objects.filter(system__in=systems, closed_at__isnull=False).select_related("system", "rehearsal").order_by("-started_at")
    newest: dict[int, Upgrade] = {}
    for one in rows.filter(started_at__gt=timezone.now() - planned.AHEAD):
        newest.setdefault(one.system_id, one)
    found = [_of_upgrade(one) for one in newest.values()]
    found += [of_plan(one) for one in planned.planned(systems) if one.approved and one.problem is None and one.at > timezone.now()]
    order = [LATE, CLOSED, WAITS, PLANNED, DONE, BACK]
    return sorted((one for one in found if one is not None), key=lambda one: order.index(one.state))


def of_plan(one: planned.Planned) -> Notice:
    """What is told of an upgrade that is to come."""
    half, most = (max(1, math.ceil(seconds / 60)) for seconds in (one.takes.closed.p50, one.takes.closed.p90))
    return _notice(PLANNED, str(one.system), one.rehearsal.version, at=one.at.isoformat(), minutes=half, most=most)


def _of_upgrade(one: Upgrade) -> Notice | None:
    now, since = timezone.now(), one.closed_at or timezone.now()
    names = (str(one.system), one.version)
    if one.state == UpgradeState.STUCK and one.opened_at is None:
        return _notice(WAITS, *names, since=since.isoformat())
    if one.state == UpgradeState.RUNNING and one.opened_at is None:
        until = since + timedelta(seconds=expected(one.rehearsal).closed.p90)
        return _notice(LATE if now > until else CLOSED, *names, since=since.isoformat(), until=until.isoformat())
    ended = one.ended_at if one.state == UpgradeState.TAKEN_BACK else one.opened_at
    if ended is None or ended < now - ENDED:
        return None
    return _notice(BACK if one.state == UpgradeState.TAKEN_BACK else DONE, *names, at=ended.isoformat())


def _notice(state: str, system: str, version: str, **facts: object) -> Notice:
    return Notice(state, message(SENTENCES[state], system=system, version=version, **facts))


@transaction.atomic
def share(organisation: Organisation, *, who: Who, on: bool = True) -> str:
    """Make the link of the status page, a new one where there was one, or have it lead nowhere; returns its key. Raises Denied."""
    access.require(who, Role.ADMINISTRATOR, organisation)
    key = secrets.token_urlsafe(24) if on else ""
    Organisation.objects.filter(pk=organisation.pk).update(status_key=key)
    text = gettext_noop("A link to the status page was made") if on else gettext_noop("The link to the status page leads nowhere any more")
    records.append(organisation, "organisation.status_page", message(text), actor=access.actor(who), data={"on": on})
    return key


def shared(key: str) -> Organisation | None:
    """The organisation whose status page the key opens."""
    return Organisation.objects.filter(status_key=key).first() if key else None
