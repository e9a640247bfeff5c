"""The verdict on each system: well, watch or act, with the one reason, what follows if it is left, and the one next step."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.backups.models import Backup, BackupState, Drill, DrillState
from wellkept.estate.models import System
from wellkept.lib.text import Message, message
from wellkept.operations.models import OPEN_STATES, Run, RunState, Schedule

WELL, WATCH, ACT = "well", "watch", "act"
ORDER = {ACT: 0, WATCH: 1, WELL: 2}

USUAL_RPO = timedelta(hours=26)
"""How old the newest good backup may be where no target is set: one a day, with time to make it."""
DRILL_EVERY = timedelta(days=35)
"""How old the newest proof may be: one a month, with some days to spare."""


@dataclass(frozen=True)
class Verdict:
    """``step`` names the next step: ``backup``, ``drill``, ``run``, ``drill_result``, ``schedule`` or nothing; ``target`` is the id it is about."""

    level: str
    reason: Message
    consequence: Message | None = None
    step: str = ""
    target: str = ""
    since: datetime | None = None


@dataclass
class State:
    """What a verdict is made from; ``busy`` when a run on the system is open."""

    system: System
    good: Backup | None = None
    latest: Backup | None = None
    proven: Drill | None = None
    drill: Drill | None = None
    next_backup: Schedule | None = None
    missed: Schedule | None = None
    attention: Run | None = None
    busy: set[str] = field(default_factory=set)


def verdicts(systems: Iterable[System]) -> dict[int, Verdict]:
    """The verdict on each of the systems, by id. The number of queries does not depend on how many there are."""
    return {state.system.pk: judge(state) for state in states(systems)}


def states(systems: Iterable[System]) -> list[State]:
    """What is known of each system's backups, drills, schedules and runs, in the order given; seven queries."""
    kept = {system.pk: State(system) for system in systems}
    newest = _newest(kept)
    backups = Backup.objects.defer("manifest").in_bulk(_ids(newest, "good_id", "latest_id"))
    drills = Drill.objects.defer("certificate").in_bulk(_ids(newest, "proven_id", "drill_id"))
    for row in newest:
        state = kept[row["pk"]]
        state.good, state.latest = backups.get(row["good_id"]), backups.get(row["latest_id"])
        state.proven, state.drill = drills.get(row["proven_id"]), drills.get(row["drill_id"])
    for schedule in Schedule.objects.filter(system__in=kept).order_by("-next_at"):
        state = kept[int(schedule.system_id or 0)]
        if schedule.operation == "backups.take" and schedule.enabled:
            state.next_backup = schedule
        if schedule.missed_at and (schedule.last_at is None or schedule.missed_at > schedule.last_at):
            state.missed = schedule
    for run in _unsettled(kept):
        kept[int(run.system_id or 0)].attention = run
    for system_id, operation in Run.objects.filter(state__in=OPEN_STATES, system__in=kept).values_list("system_id", "operation"):
        kept[int(system_id or 0)].busy.add(operation)
    return list(kept.values())


def judge(state: State, now: datetime | None = None) -> Verdict:
    """The most urgent thing about one system."""
    now = now or timezone.now()
    found = [verdict for verdict in (_run(state), _backup(state, now), _drill(state, now), _schedule(state)) if verdict]
    if found:
        return min(found, key=lambda verdict: ORDER[verdict.level])
    proven = state.proven
    return Verdict(WELL, message(gettext_noop("Restored and checked")), since=proven.ended_at if proven else None)


def recovery_point(backup: Backup) -> datetime:
    """The moment that the backup brings back."""
    return backup.snapshot_at or backup.made_at


def _run(state: State) -> Verdict | None:
    run = state.attention
    if run is None:
        return None
    reason = run.outcome or message(gettext_noop("A run stopped and waits for a decision"))
    return Verdict(
        ACT, reason, message(gettext_noop("Nothing was deleted; the run stays as it is until somebody decides.")), "run", str(run.pk), run.ended_at
    )


def _backup(state: State, now: datetime) -> Verdict | None:
    lost = message(gettext_noop("If the system breaks now, the work since then is lost."))
    if state.good is None:
        return Verdict(
            ACT, message(gettext_noop("There is no good backup")), message(gettext_noop("If the system breaks now, everything is lost.")), "backup"
        )
    age, target = now - recovery_point(state.good), state.system.rpo_target or USUAL_RPO
    if age > target:
        return Verdict(ACT, message(gettext_noop("The newest good backup is older than agreed")), lost, "backup", since=recovery_point(state.good))
    latest = state.latest
    if latest is not None and latest.pk != state.good.pk and latest.state in {BackupState.FAILED, BackupState.BROKEN}:
        reason = latest.problem or message(gettext_noop("The last backup failed"))
        return Verdict(WATCH, reason, message(gettext_noop("The backup before it is still good.")), "backup", since=latest.made_at)
    return None


def _drill(state: State, now: datetime) -> Verdict | None:
    unknown = message(gettext_noop("Nobody knows whether the backups can be restored."))
    drill, proven = state.drill, state.proven
    if state.good is None:
        return None
    if drill is not None and drill.state == DrillState.FAILED:
        return Verdict(ACT, message(gettext_noop("The last drill failed")), unknown, "drill_result", str(drill.pk), drill.ended_at)
    if proven is None:
        return Verdict(ACT, message(gettext_noop("No backup has been restored and checked yet")), unknown, "drill")
    at = proven.ended_at or proven.started_at
    if now - at > DRILL_EVERY:
        return Verdict(ACT, message(gettext_noop("The last proof is too old")), unknown, "drill", since=at)
    target = state.system.rto_target
    if target and proven.rto_seconds and proven.rto_seconds > target.total_seconds():
        late = message(gettext_noop("After a disaster people wait longer than agreed."))
        return Verdict(WATCH, message(gettext_noop("Restoring takes longer than agreed")), late, "drill_result", str(proven.pk), at)
    return None


def _schedule(state: State) -> Verdict | None:
    if state.missed is not None:
        reason = message(gettext_noop("Planned work did not start"))
        return Verdict(
            WATCH,
            reason,
            message(gettext_noop("It will be tried again at the next planned time.")),
            "schedule",
            str(state.missed.pk),
            state.missed.missed_at,
        )
    if state.next_backup is None:
        return Verdict(
            WATCH, message(gettext_noop("No backups are planned")), message(gettext_noop("The newest backup gets older every day.")), "schedule"
        )
    return None


def _newest(kept: dict[int, State]) -> list[dict[str, Any]]:
    backups = Backup.objects.filter(system=OuterRef("pk")).order_by("-made_at")
    drills = Drill.objects.filter(system=OuterRef("pk")).order_by("-started_at")
    return list(
        System.objects.filter(pk__in=kept)
        .annotate(
            good_id=Subquery(backups.filter(state=BackupState.GOOD).values("pk")[:1]),
            latest_id=Subquery(backups.exclude(state__in=[BackupState.MAKING, BackupState.FORGOTTEN]).values("pk")[:1]),
            proven_id=Subquery(drills.filter(state=DrillState.PROVEN).values("pk")[:1]),
            drill_id=Subquery(drills.exclude(state__in=[DrillState.RUNNING, DrillState.CANCELLED]).values("pk")[:1]),
        )
        .values("pk", "good_id", "latest_id", "proven_id", "drill_id")
    )


def _unsettled(kept: dict[int, State]) -> QuerySet[Run]:
    """Runs that wait for a decision: no later run of the same operation on the same system succeeded."""
    later = Run.objects.filter(
        system=OuterRef("system"), operation=OuterRef("operation"), state=RunState.SUCCEEDED, requested_at__gt=OuterRef("requested_at")
    )
    return Run.objects.filter(~Exists(later), state=RunState.NEEDS_ATTENTION, system__in=kept).order_by("requested_at")


def _ids(rows: list[dict[str, Any]], *names: str) -> set[int | uuid.UUID]:
    return {row[name] for row in rows for name in names if row[name] is not None}
