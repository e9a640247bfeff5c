"""Forgetting backups: a preview by the retention rules, then exactly what was previewed, then the room is given back."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.backups import repositories
from wellkept.backups.failures import told
from wellkept.backups.models import Backup, BackupState, Drill, DrillState, Repository
from wellkept.lib.text import Message, message
from wellkept.operations.errors import Failed
from wellkept.operations.models import OPEN_STATES, Run
from wellkept.planning import retention
from wellkept.tools import restic

WORDS = {
    "newest good": gettext_noop("the newest good backup"),
    "newest proven": gettext_noop("the newest proven backup"),
    "last": gettext_noop("number {place} of the last {of}"),
    "daily": gettext_noop("number {place} of {of} days"),
    "weekly": gettext_noop("number {place} of {of} weeks"),
    "monthly": gettext_noop("number {place} of {of} months"),
    "yearly": gettext_noop("number {place} of {of} years"),
    "broken": gettext_noop("it is not good, and a good one exists"),
    "beyond the rules": gettext_noop("no rule keeps it"),
    "in use": gettext_noop("a run is using it"),
}
SET_TAG = "set="


@dataclass(frozen=True)
class Line:
    """A backup and what the rules decide on it; ``reasons`` are stored sentences."""

    backup_id: int
    system: str
    at: datetime
    keep: bool
    reasons: list[Message]


@dataclass(frozen=True)
class Preview:
    """What forgetting would do; ``token`` stands for exactly this list."""

    lines: list[Line]
    token: str


def preview(repository: Repository, rules: retention.Rules | None = None) -> Preview:
    """The decision on every backup of a repository, per environment, newest first, by its own rules or by ``rules`` that are only considered.

    The number of queries does not depend on how many backups there are.
    """
    rules = rules or retention.rules(repository.retention)
    zone = ZoneInfo(repository.organisation.time_zone)
    rows = list(
        Backup.objects.filter(repository=repository, state__in=[BackupState.GOOD, BackupState.BROKEN])
        .select_related("system")
        .defer("manifest")
        .order_by("environment_id")
    )
    proven = set(Drill.objects.filter(backup__repository=repository, state=DrillState.PROVEN).values_list("backup_id", flat=True))
    busy = _busy(repository)
    lines, decisions = [], []
    for environment_id in dict.fromkeys(row.environment_id for row in rows):
        own = {row.pk: row for row in rows if row.environment_id == environment_id}
        candidates = [
            retention.Candidate(row.pk, row.snapshot_at or row.made_at, row.state == BackupState.GOOD, row.pk in proven) for row in own.values()
        ]
        for decision in retention.decide(candidates, rules, zone):
            if not decision.keep and decision.id in busy:
                decisions.append(retention.Decision(decision.id, keep=True, reasons=[("in use", 1)]))
            else:
                decisions.append(decision)
            lines.append(_line(own[decision.id], decisions[-1], rules))
    return Preview(lines, retention.token(decisions))


def mark(repository_id: int, token: str) -> dict[str, Any]:
    """Take the previewed backups off the list. Repeated after an interruption, it finds them marked. Raises Failed when the plan has changed."""
    repository = Repository.objects.select_related("organisation").get(pk=repository_id)
    plan = preview(repository)
    goes = [line.backup_id for line in plan.lines if not line.keep]
    if plan.token != token:
        raise Failed(message(gettext_noop("What would be forgotten has changed since the preview; nothing was forgotten. Look at the preview again")))
    # Marked before they are removed: a set that is listed as good must never be one whose data is already gone.
    Backup.objects.filter(pk__in=goes, state__in=[BackupState.GOOD, BackupState.BROKEN]).update(state=BackupState.FORGOTTEN)
    return {"backups": goes}


def remove(repository_id: int) -> dict[str, Any]:
    """Remove every snapshot that no listed backup stands for: forgotten ones, and those that interrupted backups left.

    Where the place lets nothing be removed, what was taken off the list and is still there comes back to it.
    """
    repository = Repository.objects.get(pk=repository_id)
    with told():
        tool = repositories.opened(repository)
        restic.unlock(tool)
        present = restic.snapshots(tool)
        rows = Backup.objects.filter(repository=repository)
        making = set(rows.filter(state=BackupState.MAKING).values_list("run_id", flat=True))
        held = set(rows.filter(state__in=[BackupState.GOOD, BackupState.BROKEN]).values_list("snapshot", flat=True))
        gone = [one.id for one in present if one.id not in held and _set_of(one) is not None and _set_of(one) not in making]
        try:
            restic.forget(tool, gone)
        except restic.KeepsAll:
            restic.unlock(tool)
            _put_back(repository, [one.id for one in restic.snapshots(tool)])
            raise
    return {"snapshots": len(gone)}


def give_back(repository_id: int) -> dict[str, Any]:
    """Remove the data that no snapshot needs any more."""
    with told():
        tool = repositories.opened(Repository.objects.get(pk=repository_id))
        restic.unlock(tool)
        restic.prune(tool)
    return {"at": timezone.now().isoformat()}


def _put_back(repository: Repository, present: Sequence[str]) -> None:
    kept = Backup.objects.filter(repository=repository, state=BackupState.FORGOTTEN, snapshot__in=present)
    kept.filter(problem__isnull=True).update(state=BackupState.GOOD)
    kept.filter(problem__isnull=False).update(state=BackupState.BROKEN)


def _set_of(snapshot: restic.Snapshot) -> uuid.UUID | None:
    """The run that made a snapshot; None for one that is not ours."""
    for tag in snapshot.tags:
        if tag.startswith(SET_TAG):
            try:
                return uuid.UUID(tag.removeprefix(SET_TAG))
            except ValueError:
                return None
    return None


def _busy(repository: Repository) -> set[int]:
    """Backups that an open run restores or verifies now."""
    arguments = Run.objects.filter(organisation=repository.organisation_id, state__in=OPEN_STATES).values_list("arguments", flat=True)
    named = {found["backup_id"] for found in arguments if isinstance(found.get("backup_id"), int)}
    drilled = Drill.objects.filter(backup__repository=repository, state=DrillState.RUNNING).values_list("backup_id", flat=True)
    return named | set(drilled)


def _line(backup: Backup, decision: retention.Decision, rules: retention.Rules) -> Line:
    reasons = [message(WORDS[word], place=place, of=getattr(rules, word, 1)) for word, place in decision.reasons]
    return Line(backup.pk, backup.system.name, backup.snapshot_at or backup.made_at, decision.keep, reasons)
