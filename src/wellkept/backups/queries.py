"""Backups, drills and repositories as lists need them: one query each, whatever their number, without the long parts."""

from typing import Any

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet

from wellkept.backups.models import Backup, BackupState, Drill, DrillState, Repository
from wellkept.lib.text import say
from wellkept.tools import ssh


def backups(rows: QuerySet[Backup]) -> QuerySet[Backup]:
    """Backups newest first, each with ``proven``: whether a drill restored it."""
    proof = Drill.objects.filter(backup=OuterRef("pk"), state=DrillState.PROVEN)
    return (
        rows.select_related("system__organisation", "repository", "run").defer("manifest").annotate(proven=Exists(proof)).order_by("-made_at", "-pk")
    )


def drills(rows: QuerySet[Drill]) -> QuerySet[Drill]:
    """Drills newest first, without their certificates."""
    return rows.select_related("system__organisation", "backup", "run").defer("certificate", "backup__manifest").order_by("-started_at", "-pk")


def repositories(rows: QuerySet[Repository]) -> QuerySet[Repository]:
    """Repositories by name, each with ``good`` (how many good backups) and ``newest`` (when the newest of them was made)."""
    good = Q(backups__state=BackupState.GOOD)
    counted = rows.annotate(good=Count("backups", filter=good), newest=Max("backups__snapshot_at", filter=good))
    return counted.select_related("organisation").defer("escrow").order_by("name")


def plain_backup(backup: Backup) -> dict[str, Any]:
    """A backup as data for programs."""
    reason = say(backup.problem) or (say(backup.run.outcome) if backup.run is not None and backup.state == BackupState.FAILED else "")
    return {
        "backup": backup.pk,
        "system": backup.system.name,
        "state": str(backup.state),
        "snapshot_at": backup.snapshot_at,
        "made_at": backup.made_at,
        "seconds": backup.seconds,
        "bytes": backup.bytes,
        "stored_bytes": backup.stored_bytes,
        "files": backup.files,
        "version": backup.version,
        "repository": backup.repository.name,
        "proven": getattr(backup, "proven", None),
        "verified_at": backup.verified_at,
        "reason": reason,
        "run": str(backup.run_id) if backup.run_id else None,
    }


def plain_drill(drill: Drill) -> dict[str, Any]:
    """A drill as data for programs."""
    return {
        "drill": drill.pk,
        "system": drill.system.name,
        "backup": drill.backup_id,
        "state": str(drill.state),
        "started_at": drill.started_at,
        "ended_at": drill.ended_at,
        "rto_seconds": drill.rto_seconds,
        "rpo_seconds": drill.rpo_seconds,
        "figures": drill.figures,
        "figures_equal": drill.figures_equal,
        "neutral_proven": drill.neutral_proven,
        "escrow_key_used": drill.escrow_key_used,
        "isolation": drill.isolation,
        "reason": say(drill.run.outcome) if drill.run is not None and drill.state != DrillState.PROVEN else "",
        "run": str(drill.run_id) if drill.run_id else None,
    }


def plain_repository(repository: Repository) -> dict[str, Any]:
    """A repository as data for programs; nothing of it is secret."""
    return {
        "repository": repository.name,
        "organisation": repository.organisation.slug,
        "place": repository.location,
        "host_key": str(ssh.host_key(repository.host_key)) if repository.host_key else None,
        "good_backups": getattr(repository, "good", None),
        "newest": getattr(repository, "newest", None),
        "retention": repository.retention,
        "recipients": repository.recipients,
        "recovery_downloaded_at": repository.recovery_downloaded_at,
        "created_at": repository.created_at,
    }
