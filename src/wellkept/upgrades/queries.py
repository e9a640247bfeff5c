"""What pages, commands and the API show of upgrades."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from wellkept.estate.models import Environment, Kind, System
from wellkept.lib.text import say
from wellkept.upgrades import patch, releases
from wellkept.upgrades.discard import Plan
from wellkept.upgrades.expect import expected
from wellkept.upgrades.gates import Seen
from wellkept.upgrades.models import Approval, Assessment, Rehearsal, Release, Waiver
from wellkept.upgrades.patch import newer
from wellkept.upgrades.patch.newer import Newer


@dataclass(frozen=True)
class Line:
    """One system: where it stands, until when that is maintained, where it can go, its newest assessment, and what is newer in its series.

    ``patch`` is a newer version of the ERP, as the package index told when it was last asked; ``modules`` are those with a newer version.
    """

    system: System
    series: str
    support_end: dt.date | None
    newer: list[Release]
    assessment: Assessment | None
    patch: str | None
    modules: list[Newer]

    @property
    def days_left(self) -> int | None:
        """Days until the present series is no longer maintained; negative once it is not."""
        return (self.support_end - timezone.localdate()).days if self.support_end else None

    @property
    def proposed(self) -> str:
        """The target to offer first: the newest long-term series, or the newest of all."""
        long_term = [one.series for one in self.newer if one.long_term]
        return (long_term or [one.series for one in self.newer] or [""])[-1]


def lines(systems: Iterable[System]) -> list[Line]:
    """The systems in their order; five queries, however many there are."""
    found = list(systems)
    version = dict(Environment.objects.filter(system__in=found, kind=Kind.PRODUCTION).values_list("system_id", "version"))
    known: dict[str, list[Release]] = {}
    for one in Release.objects.all():
        known.setdefault(one.adapter, []).append(one)
    newest = {
        one.system_id: one for one in assessments(Assessment.objects.filter(system__in=found)).order_by("system_id", "-made_at").distinct("system_id")
    }
    modules = newer.modules(found, {pk: releases.series_of(one) for pk, one in version.items()})
    return [_line(one, version.get(one.pk, ""), known.get(one.adapter, []), newest.get(one.pk), modules[one.pk]) for one in found]


def _line(system: System, version: str, known: list[Release], assessment: Assessment | None, modules: list[Newer]) -> Line:
    series = releases.series_of(version)
    here = next((one for one in known if one.series == series), None)
    later = sorted(
        (one for one in known if series and releases.order(one.series) > releases.order(series)), key=lambda one: releases.order(one.series)
    )
    return Line(system, series, here.support_end if here else None, later, assessment, patch.brought(version, here.newest if here else ""), modules)


def assessments(rows: QuerySet[Assessment]) -> QuerySet[Assessment]:
    """Assessments, newest first, without their reports."""
    return rows.select_related("system__organisation").defer("report").order_by("-made_at", "-pk")


def rehearsals(rows: QuerySet[Rehearsal]) -> QuerySet[Rehearsal]:
    """Rehearsals, newest first, without what is long."""
    return rows.select_related("system__organisation", "run").defer("log", "packages").order_by("-started_at", "-pk")


def plain_rehearsal(one: Rehearsal, *, whole: bool = False) -> dict[str, Any]:
    """A rehearsal as data for programs; with ``whole`` the results of its phases and the end of the migration's log, too."""
    migrated = one.report.get("migrate", {})
    plain = {
        "rehearsal": one.pk,
        "system": one.system.name,
        "run": str(one.run_id),
        "backup": one.backup_id,
        "from": one.current,
        "to": one.target,
        "version": one.version or None,
        "state": str(one.state),
        "figures_equal": one.figures_equal,
        "rights_equal": one.rights_equal,
        "differences": [say(said) for said in one.differences],
        "migration_seconds": migrated.get("seconds"),
        "rollback_seconds": round(one.rollback_seconds, 3) if one.rollback_seconds is not None else None,
        "notes_digest": one.notes_digest,
        "started_at": one.started_at,
        "ended_at": one.ended_at,
    }
    return {**plain, "report": one.report, "log": one.log} if whole else plain


def plain_assessment(one: Assessment) -> dict[str, Any]:
    """An assessment as data for programs, its sentences said in English."""
    risks = [{**risk, "text": say(risk["text"]), "remedy": say(risk["remedy"])} for risk in one.report["risks"]]
    facts = {name: value for name, value in one.report.items() if name not in {"current", "target", "risks"}}
    return {
        "assessment": one.pk,
        "system": one.system.name,
        "from": one.current,
        "to": one.target,
        "verdict": str(one.level),
        "made_at": one.made_at,
        "risks": risks,
        **facts,
    }


def plain_gates(seen: Seen) -> dict[str, Any]:
    """The gates as data for programs; with the seconds that are expected once there is a rehearsal that counts."""
    takes = asdict(expected(seen.rehearsal)) if seen.rehearsal is not None else None
    gates = [
        {
            "gate": gate.name,
            "open": gate.open,
            "holds": gate.holds,
            "waived": plain_waiver(gate.waiver) if gate.waiver is not None else None,
            "why": say(gate.why),
        }
        for gate in seen.gates
    ]
    approval = plain_approval(seen.approval) if seen.approval is not None else None
    return {
        "open": seen.open,
        "rehearsal": seen.rehearsal.pk if seen.rehearsal is not None else None,
        "approval": approval,
        "seconds": takes,
        "gates": gates,
    }


def plain_approval(one: Approval) -> dict[str, Any]:
    """An approval as data for programs."""
    state = "withdrawn" if one.withdrawn_at else "used" if one.used_at else "approved" if one.approved_at else "waiting"
    return {
        "approval": one.pk,
        "rehearsal": one.rehearsal_id,
        "state": state,
        "planned_for": one.planned_for,
        "author": one.author,
        "made_at": one.made_at,
        "approver": one.approver or None,
        "approved_at": one.approved_at,
        "withdrawn_by": one.withdrawn_by or None,
        "withdrawn_at": one.withdrawn_at,
    }


def plain_waiver(one: Waiver) -> dict[str, Any]:
    """A waiver as data for programs."""
    return {
        "waiver": one.pk,
        "gate": one.gate,
        "reason": one.reason,
        "author": one.author,
        "until": one.ends_at,
        "revoked_at": one.revoked_at,
    }


def plain_discard(plan: Plan) -> dict[str, Any]:
    """What taking an upgrade back would lose, as data for programs."""
    return {
        "upgrade": plan.upgrade.pk,
        "system": plan.upgrade.system.name,
        "from": plan.upgrade.current,
        "to": plan.upgrade.target,
        "since": plan.since,
        "rows": plan.rows,
        "files": plan.files,
        "kinds": [asdict(kind) for kind in plan.kinds],
    }
