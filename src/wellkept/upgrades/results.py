"""What an upgrade of production came to: how it ended and why, for how long nobody could work, what was found, and who agreed."""

from typing import Any

from django.db.models import QuerySet

from wellkept.lib.text import say
from wellkept.operations import queries
from wellkept.upgrades.consent import accept, findings
from wellkept.upgrades.models import Upgrade

PHASE = ("name", "title", "state", "seconds", "p50", "p90", "attempts", "error")


def upgrades(rows: QuerySet[Upgrade]) -> QuerySet[Upgrade]:
    """Upgrades of production, newest first, without what is long."""
    return rows.select_related("system__organisation", "run", "approval").defer("log", "judged", "compared", "report").order_by("-started_at", "-pk")


def brief(one: Upgrade) -> dict[str, Any]:
    """An upgrade as data for programs. ``unavailable_seconds`` is None where the ERP was not closed, or is still; texts are in English."""
    opened = one.opened_at or one.ended_at
    away = (opened - one.closed_at).total_seconds() if one.closed_at and opened else None
    return {
        "upgrade": one.pk,
        "system": one.system.name,
        "run": str(one.run_id),
        "from": one.current,
        "to": one.target,
        "version": one.version,
        "state": str(one.state),
        "outcome": say(one.run.outcome),
        "figures_equal": one.figures_equal,
        "rights_equal": one.rights_equal,
        "unavailable_seconds": round(away, 3) if away is not None else None,
        "started_at": one.started_at,
        "closed_at": one.closed_at,
        "opened_at": one.opened_at,
        "ended_at": one.ended_at,
    }


def plain(one: Upgrade) -> dict[str, Any]:
    """The same with its phases, all that was found in the log and the books and who means it to be so, and who agreed to what."""
    run = queries.live(str(one.run_id))
    return {
        **brief(one),
        "takeovers": run["takeovers"],
        "rehearsal": one.rehearsal_id,
        "approved_by": one.approval.approver if one.approval is not None else None,
        "waived": one.waived,
        "abort_by": one.abort_by,
        "databases": {"production": one.database, "copy": one.new_database, "kept": one.kept_database},
        "differences": [say(said) for said in one.differences],
        "findings": [{**found, "said": say(accept.said(found)), "finding": findings.digest(found)} for found in (*one.judged, *one.compared)],
        "phases": [{name: phase[name] for name in PHASE} for phase in run["phases"]],
        "log": one.log,
    }
