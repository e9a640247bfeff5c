"""How long an upgrade of production may take: each of its phases, and all of it before it has to be taken back."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.lib.text import Message, message
from wellkept.operations import windows
from wellkept.operations.models import Run
from wellkept.planning.forecast import early
from wellkept.upgrades.models import Upgrade

FACTOR, FLOOR = 3.0, 120.0
"""A phase may take so many times what nine in ten took, and at least so many seconds: a machine that is busy is no reason to take back."""
PASSED = gettext_noop("The point of no return passed: the window closes at {until}, and taking it back needs the time that is left")


def settle(run_id: str, upgrade_id: int) -> dict[str, Any]:
    """Fix what the phases of an upgrade may take, and when it is taken back by itself, for the whole run.

    Returns ``limits`` (seconds by phase) and, where a window is open that has an end, ``abort_by`` and ``until`` (ISO times).
    """
    upgrade = Upgrade.objects.select_related("environment__system__organisation", "rehearsal").get(pk=upgrade_id)
    phases = Run.objects.values_list("phases", flat=True).get(pk=run_id)
    opening = windows.current(upgrade.environment, timezone.now())
    made: dict[str, Any] = {"limits": limits(phases), "abort_by": None}
    if opening is not None:
        moment = opening.ends - timedelta(seconds=_back_seconds(phases, upgrade))
        Upgrade.objects.filter(pk=upgrade_id).update(abort_by=moment)
        made |= {"abort_by": moment.isoformat(), "until": opening.ends.isoformat()}
    return made


def limits(phases: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Seconds that each phase of a run may take, from its forecast; a phase that was never measured is not in it."""
    return {phase["name"]: round(max(FLOOR, FACTOR * phase["p90"]), 1) for phase in phases if phase["p90"] is not None}


def point_of_no_return(settled: Mapping[str, Any]) -> tuple[datetime, Message] | None:
    """When the steps of an upgrade end by themselves, with why; None where there is no such moment."""
    if settled["abort_by"] is None:
        return None
    return datetime.fromisoformat(settled["abort_by"]), message(PASSED, until=settled["until"])


def no_return(run_id: str) -> Message | None:
    """Why an upgrade cannot be aborted any more; None while it can."""
    if not Upgrade.objects.filter(run_id=run_id, opened_at__isnull=False).exists():
        return None
    return message(gettext_noop("The new release was opened already, and what people have written since would be lost with it"))


def _back_seconds(phases: Iterable[Mapping[str, Any]], upgrade: Upgrade) -> float:
    """How long taking back takes: its forecast, or what the rehearsal needed, with room to spare."""
    known = next((float(phase["p90"]) for phase in phases if phase["name"] == "back" and phase["p90"] is not None), None)
    return known if known is not None else early([upgrade.rehearsal.rollback_seconds or 0.0]).p90
