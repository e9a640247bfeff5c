"""Whether an upgrade of production can still be aborted, and until when: what its live page shows beside the bars."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from wellkept.operations.models import Run
from wellkept.upgrades.models import Upgrade

EARLY, OPEN, GOING, GONE = "early", "open", "going", "gone"


@dataclass(frozen=True)
class WayBack:
    """``state``: nothing is changed yet (``early``), the way is ``open``, it is ``going`` back, or the way is ``gone``.

    ``abort_by`` is None where no window has an end; ``seconds`` is how long taking back took in the rehearsal.
    """

    state: str
    current: str
    target: str
    abort_by: datetime | None
    opened_at: datetime | None
    seconds: float | None

    @property
    def late(self) -> bool:
        """Whether the moment has passed: it is about to be taken back by itself."""
        return self.abort_by is not None and timezone.now() >= self.abort_by


def of(run: Run, state: dict[str, Any]) -> WayBack | None:
    """The way back of an open run, ``state`` as of operations.queries.describe; None for one that is no upgrade. One query, for an upgrade."""
    if run.operation != "upgrades.apply" or not state["open"]:
        return None
    names = ("current", "target", "abort_by", "opened_at", "rehearsal__rollback_seconds")
    row = Upgrade.objects.filter(run=run).values_list(*names).first()
    if row is None:
        return WayBack(GOING if state["cancelling"] else EARLY, "", str(run.arguments.get("target", "")), None, None, None)
    back = next((phase for phase in state["phases"] if phase["name"] == "back"), None)
    going = state["cancelling"] or (back is not None and back["state"] != "waiting")
    return WayBack(GONE if row[3] is not None else GOING if going else OPEN, *row)
