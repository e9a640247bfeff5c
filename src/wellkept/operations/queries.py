"""What pages and commands show of runs, as plain data."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet, Sum
from django.utils import timezone

from wellkept.operations.models import OPEN_STATES, Run, RunState, Step, StepState
from wellkept.planning.forecast import Forecast, Phase, forecast, remaining

HISTORY_RUNS = 30


def expected_phases(operation: str, phases: Iterable[tuple[str, str]], environment_id: int | None, organisation_id: int) -> list[dict[str, Any]]:
    """``Run.phases`` for a new run: name, title, p50 and p90 (seconds, null without history) from past steps of the same operation and environment.

    A phase that is new to the environment takes the history of the organisation. Four queries.
    """
    past = Run.objects.filter(operation=operation, organisation_id=organisation_id, state=RunState.SUCCEEDED)
    wide = _durations(past)
    near = _durations(past.filter(environment_id=environment_id)) if environment_id is not None else wide
    made = []
    for name, title in phases:
        known = forecast(near.get(name, [])) or forecast(wide.get(name, []))
        made.append({"name": name, "title": title, "p50": known.p50 if known else None, "p90": known.p90 if known else None})
    return made


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

    ``phases``: name, title, state (waiting, running, done, failed, cancelled, skipped), seconds, p50, p90, fraction, note, attempts, error.
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
    return Phase(known, done=phase["state"] not in {"waiting", "running"}, elapsed=phase["seconds"] or 0.0, fraction=phase["fraction"])
