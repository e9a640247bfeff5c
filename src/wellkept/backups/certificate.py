"""The certificate of a drill: what was restored, how it was isolated, what was compared and measured; plain data with a date."""

import uuid
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept import __version__
from wellkept.backups.models import Drill, DrillState
from wellkept.lib.text import message
from wellkept.operations import records
from wellkept.operations.errors import Failed
from wellkept.operations.models import Step, StepState

FORMAT = 1


def issue(run_id: str, drill_id: int, facts: dict[str, Any]) -> dict[str, Any]:
    """Declare a drill proven and write its certificate into the record, once; ``facts`` are the results of its steps by name."""
    drill = Drill.objects.select_related("backup__repository", "system", "organisation").get(pk=drill_id)
    if not (drill.figures_equal and drill.neutral_proven and drill.escrow_key_used and drill.rto_seconds is not None):
        raise Failed(message(gettext_noop("The drill did not prove everything; there is no certificate")))
    now = timezone.now()
    certificate = {**_described(drill), **_measured(drill, facts), **_observed(facts), "issued_at": now.isoformat(), "steps": _steps(run_id)}
    with transaction.atomic():
        changed = Drill.objects.filter(pk=drill_id, run_id=uuid.UUID(run_id), state=DrillState.RUNNING).update(
            state=DrillState.PROVEN, ended_at=now, certificate=certificate, differences=[]
        )
        if changed == 1:
            text = message(
                gettext_noop("Backup {backup} of {system} was restored and proven: back in {rto} s, {figures} figures equal"),
                backup=drill.backup_id,
                system=drill.system.name,
                rto=round(drill.rto_seconds, 1),
                figures=drill.figures,
            )
            records.append(
                drill.organisation,
                "drill.certificate",
                text,
                actor="wellkept",
                maintenance_type="preventive",
                system=drill.system,
                run_id=uuid.UUID(run_id),
                data=certificate,
            )
        elif not Drill.objects.filter(pk=drill_id, run_id=uuid.UUID(run_id), state=DrillState.PROVEN).exists():
            raise Failed(message(gettext_noop("The drill was given up by somebody else while it ran")))
    return {"drill_id": drill_id, "rto_seconds": drill.rto_seconds, "rpo_seconds": drill.rpo_seconds, "figures": drill.figures}


def _described(drill: Drill) -> dict[str, Any]:
    backup = drill.backup
    manifest = backup.manifest
    return {
        "format": FORMAT,
        "kind": "restore drill",
        "wellkept": __version__,
        "organisation": drill.organisation.name,
        "system": drill.system.name,
        "backup": {
            "id": backup.pk,
            "repository": backup.repository.name,
            "snapshot": backup.snapshot,
            "manifest_sha256": manifest["sha256"],
            "snapshot_at": manifest["snapshot_at"],
            "versions": manifest["versions"],
            "modules": len(manifest["modules"]),
            "postgresql": manifest["postgresql"]["version"],
            "bytes": backup.bytes,
            "files": backup.files,
        },
    }


def _measured(drill: Drill, facts: dict[str, Any]) -> dict[str, Any]:
    manifest = drill.backup.manifest
    age = (drill.started_at - drill.backup.snapshot_at).total_seconds() if drill.backup.snapshot_at else None
    return {
        "disaster_at": drill.started_at.isoformat(),
        "newest_document": facts["figures"]["newest_document"],
        "rto_seconds": drill.rto_seconds,
        "rpo_seconds": drill.rpo_seconds,
        "backup_age_seconds": age,
        "figures": {"count": drill.figures, "values": manifest["figures"]["values"], "equal": drill.figures_equal},
        "escrow_opened_it": drill.escrow_key_used,
    }


def _observed(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "isolation": facts["start"],
        "harmless": [*facts["neutralise"]["proofs"], *facts["prove"]["proofs"]],
        "figures_changed_on_purpose": facts["after"]["ignored"],
        "files_hashed": facts["restore"]["hashes"],
        "amcheck": facts["tables"]["amcheck"],
        "probes": facts["sign-in"]["probes"],
        "nothing_left": not facts["destroy"]["left"],
    }


def _steps(run_id: str) -> list[dict[str, Any]]:
    done = Step.objects.filter(run_id=uuid.UUID(run_id), state=StepState.DONE).order_by("number")
    return [{"name": step.name, "seconds": round(step.seconds, 3)} for step in done if step.seconds is not None]
