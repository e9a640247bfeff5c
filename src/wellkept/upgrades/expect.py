"""How long an upgrade takes, and taking it back: the sums of what its phases are expected to take."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wellkept.operations import queries, registry
from wellkept.planning.forecast import Forecast, early
from wellkept.upgrades.models import Rehearsal

CLOSED = {"close", "copy", "notes-before", "migrate", "notes-after", "compare", "smoke", "exchange", "open"}
"""The phases in which nobody can work."""


@dataclass(frozen=True)
class Expected:
    """Seconds of the whole upgrade, of the time in which nobody can work, and of taking it back; by how many runs the migration was measured."""

    whole: Forecast
    closed: Forecast
    back: Forecast
    measured: int


def expected(rehearsal: Rehearsal) -> Expected:
    """What is known when this rehearsal is the one that counts. The sums of the phases' p90 err to the long side."""
    known = registry.get("upgrades.apply_patch" if rehearsal.is_patch else "upgrades.apply")
    found = queries.expected_phases(known.name, known.phases, rehearsal.environment_id, rehearsal.organisation_id)
    phases = {phase["name"]: phase for phase in found if phase["p50"] is not None}
    sure = [phase for name, phase in phases.items() if name not in known.detours]
    if "migrate" not in phases and not rehearsal.is_patch:
        sure.append({"name": "migrate", **_plain(early([float(rehearsal.report.get("migrate", {}).get("seconds") or 0.0)]))})
    back = phases.get("back") or _plain(early([rehearsal.rollback_seconds or 0.0]))
    return Expected(
        whole=_sum(sure),
        closed=_sum(phase for phase in sure if phase["name"] in CLOSED),
        back=Forecast(back["p50"], back["p90"]),
        measured=phases.get("migrate", {"runs": 0})["runs"],
    )


def _sum(phases: Iterable[Mapping[str, Any]]) -> Forecast:
    counted = list(phases)
    return Forecast(sum(phase["p50"] for phase in counted), sum(phase["p90"] for phase in counted))


def _plain(one: Forecast) -> dict[str, float]:
    return {"p50": one.p50, "p90": one.p90}
