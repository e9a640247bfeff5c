"""Whether an upgrade of production can still be aborted, and until when: what its live page shows beside the bars."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import F, Q
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from wellkept.estate import access
from wellkept.estate.access import visible_to
from wellkept.estate.models import Role
from wellkept.operations.models import Run, RunState
from wellkept.upgrades.models import Upgrade, UpgradeState
from wellkept.web import backups, shell

EARLY, OPEN, GOING, GONE, STUCK = "early", "open", "going", "gone", "stuck"
PATCH = "upgrades.apply_patch"
SHOWN = ("upgrades.apply", PATCH)


@dataclass(frozen=True)
class WayBack:
    """``state``: nothing is changed yet (``early``), the way is ``open``, it is ``going`` back, or the way is ``gone``.

    After the end it may be ``stuck``: it was neither kept nor taken back. ``abort_by`` is None where no window has an end; ``seconds`` is how long
    taking back took in the rehearsal. A ``patch`` changes no data, so its way is open until the run ends.
    """

    state: str
    patch: bool
    current: str
    target: str
    abort_by: datetime | None
    opened_at: datetime | None
    seconds: float | None
    upgrade_id: int | None = None

    @property
    def late(self) -> bool:
        """Whether the moment has passed: it is about to be taken back by itself."""
        return self.abort_by is not None and timezone.now() >= self.abort_by


def of(run: Run, state: dict[str, Any]) -> WayBack | None:
    """The way back of a run, ``state`` as of operations.queries.describe; None where there is none to be shown. One query, for an upgrade."""
    if run.operation not in SHOWN or not (state["open"] or run.state == RunState.NEEDS_ATTENTION):
        return None
    names = ("current", "target", "abort_by", "opened_at", "rehearsal__rollback_seconds", "pk")
    row = Upgrade.objects.filter(run=run).values_list(*names).first()
    patch = run.operation == PATCH
    if not state["open"]:
        waits = Upgrade.objects.filter(run=run, state=UpgradeState.STUCK).filter(Q(opened_at=None) | Q(current=F("target"))).exists()
        return WayBack(STUCK, patch, *row) if row is not None and waits else None
    if row is None:
        return WayBack(GOING if state["cancelling"] else EARLY, patch, "", str(run.arguments.get("target", "")), None, None, None)
    back = next((phase for phase in state["phases"] if phase["name"] == "back"), None)
    going = state["cancelling"] or (back is not None and back["state"] != "waiting")
    gone = row[3] is not None and not patch
    return WayBack(GONE if gone else GOING if going else OPEN, patch, *row)


@shell.page
@require_POST
def take_back(request: shell.Request, upgrade_id: int) -> HttpResponseBase:
    """Try again to take back an upgrade that waits for a person; the name of the system has to be typed."""
    one = get_object_or_404(visible_to(request.user, Upgrade).select_related("system", "organisation"), pk=upgrade_id)
    shell.look_at(request, one.organisation)
    access.require(request.user, Role.ADMINISTRATOR, one)
    if request.POST.get("confirm") != one.system.name:
        messages.error(request, _("Nothing was started: type the name of the system."))
        return redirect("run", run_id=one.run_id)
    return backups.start(request, one.system, "upgrades.take_back", {"upgrade_id": one.pk})
