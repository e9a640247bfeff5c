"""What pages and commands show of runs, as plain data."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import QuerySet, Sum
from django.utils import timezone

from wellkept.operations import registry
from wellkept.operations.models import OPEN_STATES, Run, RunState, Step, StepState
from wellkept.operations.registry import Operation
from wellkept.planning.forecast import Forecast, Phase, early, forecast, remaining

HISTORY_RUNS = 30


def expected_phases(operation: str, phases: Iterable[tuple[str, str]], environment_id: int | None, organisation_id: int) -> list[dict[str, Any]]:
    """``Run.phases`` for a new run: name, title, p50 and p90 (seconds, null without history) from past steps of the same operation and environment.

    A phase that is new to the environment takes the history of the organisation, and then that of the operation it is measured by, in the same
    environment; ``runs`` is how many runs say so. A ``detour`` is reached only when something goes wrong. Four queries, two more for each operation
    that measures.
    """
    known = registry.get(operation)
    past = Run.objects.filter(organisation_id=organisation_id, state=RunState.SUCCEEDED)
    here = past.filter(environment_id=environment_id) if environment_id is not None else past
    wide = _durations(past.filter(operation=operation))
    near = _durations(here.filter(operation=operation)) if environment_id is not None else wide
    measured = {other: _durations(here.filter(operation=other)) for other in {name for name, _phase in known.measured_by.values()}}
    return [
        {"name": name, "title": title, **_expected(name, known, near, wide, measured), **({"detour": True} if name in known.detours else {})}
        for name, title in phases
    ]


def _expected(
    name: str,
    operation: Operation,
    near: Mapping[str, list[float]],
    wide: Mapping[str, list[float]],
    measured: Mapping[str, Mapping[str, list[float]]],
) -> dict[str, Any]:
    for seconds in (near.get(name, []), wide.get(name, [])):
        known = forecast(seconds)
        if known is not None:
            return {"p50": known.p50, "p90": known.p90, "runs": len(seconds)}
    other, phase = operation.measured_by.get(name, ("", ""))
    seconds = [*near.get(name, []), *measured.get(other, {}).get(phase, [])]
    if not other or not seconds:
        return {"p50": None, "p90": None, "runs": 0}
    known = early(seconds)
    return {"p50": known.p50, "p90": known.p90, "runs": len(seconds)}


def _durations(runs: QuerySet[Run]) -> dict[str, list[float]]:
    """Seconds per phase name in the newest of these runs; a phase of several steps in one run counts with their sum."""
    newest = list(runs.order_by("-requested_at").values_list("pk", flat=True)[:HISTORY_RUNS])
    done = Step.objects.filter(run__in=newest, state=StepState.DONE)
    grouped: dict[str, list[float]] = {}
    for row in done.values("run", "name").annotate(total=Sum("seconds")):
        grouped.setdefault(row["name"], []).append(row["total"] or 0.0)
    return grouped


def live(run_id: str) -> dict[str, Any]:
    """A run as it stands now; two queries, however many steps it has. Raises Run.DoesNotExist. See ``describe``."""
    return describe(
        Run.objects.select_related("system", "environment__system", "requested_by", "cancel_requested_by").prefetch_related("steps").get(pk=run_id)
    )


def describe(run: Run) -> dict[str, Any]:
    """A run with its steps as plain data; no query when its relations and steps are prefetched.

    ``phases``: name, title, state (waiting, running, done, failed, cancelled, skipped), seconds, p50, p90, runs, detour, fraction, note, attempts,
    error; see ``expected_phases``.
    ``remaining``: ``{"p50", "p90"}`` in seconds, null when nothing is known (or the run has ended). Notes and outcome are stored sentences.
    """
    steps: dict[str, list[Step]] = {}
    for step in run.steps.all():
        steps.setdefault(step.name, []).append(step)
    now = timezone.now()
    is_open = run.state in OPEN_STATES
    declared = {phase["name"]: phase for phase in run.phases}
    extra = {name: {"name": name, "title": rows[0].title, "p50": None, "p90": None} for name, rows in steps.items() if name not in declared}
    phases = [_phase(phase, steps.get(phase["name"], []), is_open, now) for phase in (*declared.values(), *extra.values())]
    left = remaining([_planned(phase) for phase in phases]) if is_open else None
    return {
        "id": str(run.id),
        "operation": run.operation,
        "system": run.system.name if run.system else None,
        "environment": str(run.environment) if run.environment else None,
        "state": run.state,
        "open": is_open,
        "outcome": run.outcome,
        "result": run.result,
        "requested_by": str(run.requested_by) if run.requested_by else None,
        "requested_at": run.requested_at.isoformat(),
        "started_at": run.started_at.isoformat() if run.started_at else None,
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        "seconds": ((run.ended_at or now) - run.started_at).total_seconds() if run.started_at else None,
        "cancelling": is_open and run.cancel_requested_at is not None,
        "worker": run.worker,
        "takeovers": run.takeovers,
        "phases": phases,
        "note": next((phase["note"] for phase in phases if phase["state"] == "running"), None),
        "remaining": {"p50": left.p50, "p90": left.p90} if left else None,
    }


def _phase(phase: dict[str, Any], rows: list[Step], is_open: bool, now: dt.datetime) -> dict[str, Any]:
    last = rows[-1] if rows else None
    seconds = sum(_seconds(row, now) for row in rows) if rows else None
    shown = {**phase, "state": "waiting" if is_open else "skipped", "seconds": seconds, "fraction": None, "note": None, "attempts": 0, "error": ""}
    if last is not None:
        shown |= {
            "state": str(last.state),
            "fraction": last.fraction,
            "note": last.note,
            "attempts": last.attempt,
            "error": last.error,
            "drivers": last.drivers,
        }
    return shown


def _seconds(row: Step, now: dt.datetime) -> float:
    if row.seconds is not None:
        return row.seconds
    return max(0.0, ((row.ended_at or now) - row.started_at).total_seconds())


def _planned(phase: dict[str, Any]) -> Phase:
    known = Forecast(phase["p50"], phase["p90"]) if phase["p50"] is not None else None
    counted = phase["state"] == "running" or (phase["state"] == "waiting" and not phase.get("detour"))
    return Phase(known, done=not counted, elapsed=phase["seconds"] or 0.0, fraction=phase["fraction"])
