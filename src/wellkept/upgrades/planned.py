"""Upgrades that begin at a moment somebody chose: announced before, started by themselves, and reported where they were not.

The moment is a single start of the schedules; the gates are looked at when it is chosen, and again by the run itself.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.estate import access
from wellkept.estate.access import Who
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Environment, Role, System
from wellkept.lib.text import Message, say
from wellkept.operations import schedule, windows
from wellkept.operations.models import RunState, Schedule
from wellkept.planning.windows import Opening
from wellkept.upgrades import gates, patch
from wellkept.upgrades.consent import agree
from wellkept.upgrades.expect import Expected, expected
from wellkept.upgrades.models import Approval, Rehearsal, RehearsalState

AHEAD = timedelta(days=14)
MOST = 4


@dataclass(frozen=True)
class Planned:
    """An upgrade that is to begin at ``at``, by ``itself`` or when somebody starts it; with ``problem`` one that should have begun and why not."""

    system: System
    rehearsal: Rehearsal
    at: datetime
    approved: bool
    takes: Expected
    itself: bool = False
    problem: Message | None = None


@transaction.atomic
def plan(environment: Environment, target: str, at: datetime, *, who: Who, repository_id: int | None = None) -> Schedule:
    """Have the upgrade started at a moment, in the place of an earlier one; whoever approved it cannot plan it, as they cannot start it.

    Raises Denied, and Invalid with the first gate that is shut, now or at that moment.
    """
    access.require(who, Role.ADMINISTRATOR, environment)
    seen = gates.known(environment, target, starter=access.person_of(who), at=at)
    shut = [gate for gate in seen.shut if gate.name != "run"]
    if shut:
        raise Invalid(gettext_noop("it would not start then: {why}"), why=shut[0].why)
    operation = patch.operation("upgrades.apply", environment, target)
    arguments = {"target": target, **({"repository_id": repository_id} if repository_id is not None else {})}
    schedule.call_off(environment.system, agree.PRODUCTION, access.actor(who))
    made = schedule.once(environment.system, operation, at, who=who, arguments=arguments)
    if seen.approval is not None:
        Approval.objects.filter(pk=seen.approval.pk).update(planned_for=at)
    return made


@transaction.atomic
def call_off(environment: Environment, *, who: Who) -> None:
    """Have it not started by itself, or take note that it was not; it is announced no more. Raises Denied, Invalid where nothing is planned."""
    access.require(who, Role.APPROVER, environment)
    if not schedule.call_off(environment.system, agree.PRODUCTION, access.actor(who)):
        raise Invalid(gettext_noop("no upgrade of {system} is planned to start by itself"), system=environment.system.name)
    Approval.objects.filter(environment=environment, withdrawn_at=None, used_at=None).update(planned_for=None)


def standing(system: System, target: str) -> Schedule | None:
    """The single start of the way: to come, or how it went."""
    rows = Schedule.objects.filter(system=system, operation__in=agree.PRODUCTION, cron=schedule.ONCE, arguments__target=target)
    return rows.select_related("system", "last_run").first()


def openings(environment: Environment, takes: Expected | None) -> list[Opening]:
    """The next windows that are long enough for the upgrade and for taking it back."""
    needed = timedelta(seconds=takes.whole.p90 + takes.back.p90) if takes is not None else timedelta()
    return [one for one in windows.to_come(environment) if one.ends - one.starts >= needed][:MOST]


def plain(one: Schedule) -> dict[str, Any]:
    """A single start as data for programs."""
    return {
        "system": one.system.name if one.system is not None else None,
        "to": one.arguments.get("target"),
        "start": one.next_at,
        "author": one.author,
        "problem": say(why_not(one)) or None,
        "run": str(one.last_run_id) if one.last_run_id else None,
    }


def why_not(one: Schedule) -> Message | None:
    """Why a single start that is past did not do anything; None where it is to come, or the run tells it."""
    if one.next_at is not None:
        return None
    run = one.last_run
    return run.outcome if run is not None and run.state == RunState.FAILED else one.problem


def planned(systems: Collection[System] | QuerySet[System]) -> list[Planned]:
    """What is to begin in the coming days, and what should have begun and did not, the earliest first."""
    now = timezone.now()
    singles = Schedule.objects.filter(system__in=systems, operation__in=agree.PRODUCTION, cron=schedule.ONCE)
    starts = list(singles.select_related("system", "last_run"))
    found = [one for one in map(_of_start, starts) if one is not None and one.at > now - AHEAD]
    known = {(one.system_id, one.arguments.get("target")) for one in starts}
    rows = Approval.objects.filter(system__in=systems, planned_for__gt=now - timedelta(hours=1), planned_for__lt=now + AHEAD)
    asked = rows.filter(withdrawn_at=None, used_at=None).select_related("system", "rehearsal").order_by("planned_for")[:MOST]
    found += [
        Planned(row.system, row.rehearsal, row.planned_for, row.approved_at is not None, expected(row.rehearsal))
        for row in asked
        if (row.system_id, row.rehearsal.target) not in known and row.planned_for is not None and row.digest == agree.digest(row.rehearsal)
    ]
    return sorted(found, key=lambda one: one.at)[:MOST]


def _of_start(one: Schedule) -> Planned | None:
    """None for one that did begin: its run tells the rest."""
    problem, at = why_not(one), one.next_at or one.last_at or one.missed_at
    if (one.next_at is None and problem is None) or at is None or one.system is None:
        return None
    rows = Rehearsal.objects.filter(system=one.system, target=one.arguments.get("target"), state=RehearsalState.SUCCEEDED)
    rehearsal = rows.select_related("environment__system").order_by("-ended_at").first()
    if rehearsal is None:
        return None
    approval = agree.standing(rehearsal)
    approved = approval is None or approval.approved_at is not None
    return Planned(one.system, rehearsal, at, approved, expected(rehearsal), itself=True, problem=problem)
