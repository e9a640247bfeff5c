"""What a rehearsal has to say: how long each phase takes, what was found, and what to do when it failed."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Sum
from django.utils.translation import gettext_noop

from wellkept.lib.text import Message, message, say
from wellkept.operations.models import Step, StepState
from wellkept.operations.runbook import CLEAN_UP
from wellkept.planning.forecast import quantile
from wellkept.upgrades import queries
from wellkept.upgrades.consent import accept, findings
from wellkept.upgrades.models import Acceptance, Rehearsal, RehearsalState

NEWEST = 20
DETAIL = re.compile(r"DETAIL:\s*(.+)")
AGAIN = gettext_noop("Then rehearse again; production was not touched")
ADVICE = {
    "plan": gettext_noop("Do what is said above"),
    "install": gettext_noop("Let this machine reach the package index, or name another one (PIP_INDEX_URL)"),
    "notes-before": gettext_noop("Correct the note, or leave it out for this system"),
    "notes-after": gettext_noop("Correct the note, or leave it out for this system"),
    "migrate": gettext_noop("Correct the record in the ERP, or add a note that does so before the migration; its log is below"),
    "compare": gettext_noop(
        "Look at each difference below: what is meant to be so is accepted with a reason, anything else needs a note that puts it right"
    ),
    "work": gettext_noop("See whether the module that fails has a newer version for this release"),
    "flows-new": gettext_noop("See whether the module that fails has a newer version for this release"),
    "exchange": gettext_noop("Look at the log of the run: the new release did not start on the migrated copy"),
    "back": gettext_noop("Do not upgrade production before this works: what cannot be taken back there could not be taken back in earnest"),
}
ELSEWHERE = gettext_noop("The backup or the copy failed, not the upgrade: look at the log of the run")
LINES = gettext_noop("Look at the lines of the log that nobody has judged: what is harmless is accepted with a reason")


@dataclass(frozen=True)
class Pace:
    """One phase: how it ended, its seconds here, and p50 and p90 (None for none) of the ``runs`` that succeeded up to this one."""

    name: str
    title: str
    state: str
    seconds: float | None
    p50: float | None
    p90: float | None
    runs: int


@dataclass(frozen=True)
class Failure:
    """Why a rehearsal failed: in which step, by which note and which record (each empty where it is not known), and what to do, in order."""

    step: str
    title: str
    note: str
    record: str
    advice: list[Message]


def paces(rehearsal: Rehearsal) -> list[Pace]:
    """The phases in their order. Three queries."""
    way = {"environment": rehearsal.environment_id, "current": rehearsal.current, "target": rehearsal.target, "state": RehearsalState.SUCCEEDED}
    past = Rehearsal.objects.filter(**way, started_at__lte=rehearsal.started_at).order_by("-started_at").values_list("run_id", flat=True)[:NEWEST]
    known: dict[str, list[float]] = {}
    for row in Step.objects.filter(run__in=list(past), state=StepState.DONE).values("run", "name").annotate(total=Sum("seconds")):
        known.setdefault(row["name"], []).append(row["total"] or 0.0)
    phases: dict[str, list[Step]] = {}
    for step in Step.objects.filter(run=rehearsal.run_id).order_by("number", "attempt"):
        phases.setdefault(step.name, []).append(step)
    return [_pace(name, steps, sorted(known.get(name, []))) for name, steps in phases.items()]


def failure(rehearsal: Rehearsal) -> Failure | None:
    """Why it failed and what to do; None for one that did not fail. One query."""
    if rehearsal.state != RehearsalState.FAILED:
        return None
    failed = Step.objects.filter(run=rehearsal.run_id, state=StepState.FAILED).exclude(name=CLEAN_UP[0])
    step = failed.order_by("-number", "-attempt").first()
    if step is None:
        return Failure("", "", "", "", [message(AGAIN)])
    told = rehearsal.run.outcome.get("params", {}) if isinstance(rehearsal.run.outcome, dict) else {}
    note = str(told.get("note", "")) if step.name.startswith("notes-") else ""
    details = [found.group(1) for line in rehearsal.log if (found := DETAIL.search(line))]
    record = details[-1] if details and step.name == "migrate" else ""
    return Failure(step.name, step.title, note, record, [*_advice(rehearsal, step.name), message(AGAIN)])


def acceptances(rehearsal: Rehearsal) -> dict[int, Acceptance]:
    """What was accepted for this way by number, revoked or not; one query."""
    way = {"system": rehearsal.system_id, "current": rehearsal.current, "target": rehearsal.target}
    return {one.pk: one for one in Acceptance.objects.filter(**way).order_by("pk")}


def plain(rehearsal: Rehearsal) -> dict[str, Any]:
    """A rehearsal as data for programs, with all that it found; ``finding`` is what a finding is accepted by."""
    why = failure(rehearsal)
    return {
        **queries.plain_rehearsal(rehearsal, whole=True),
        "outcome": say(rehearsal.run.outcome),
        "phases": [asdict(pace) for pace in paces(rehearsal)],
        "findings": [{**one, "said": say(accept.said(one)), "finding": findings.digest(one)} for one in (*rehearsal.judged, *rehearsal.compared)],
        "failure": {**asdict(why), "advice": [say(one) for one in why.advice]} if why is not None else None,
    }


def plain_acceptance(one: Acceptance) -> dict[str, Any]:
    """An acceptance as data for programs."""
    names = ("rule", "reason", "author", "made_at", "approver", "approved_at", "revoked_by", "revoked_at")
    return {
        "acceptance": one.pk,
        "system": one.system.name,
        "from": one.current,
        "to": one.target,
        "finding": say(accept.said(one.finding)),
        **{name: getattr(one, name) for name in names},
    }


def _pace(name: str, steps: list[Step], known: list[float]) -> Pace:
    seconds = sum(step.seconds or 0.0 for step in steps)
    half, most = (quantile(known, 0.5), quantile(known, 0.9)) if known else (None, None)
    return Pace(name, steps[-1].title, str(steps[-1].state), round(seconds, 3), half, most, len(known))


def _advice(rehearsal: Rehearsal, step: str) -> Iterator[Message]:
    if step == "migrate" and findings.nobodys(rehearsal.judged):
        yield message(LINES)
    yield message(ADVICE.get(step, ELSEWHERE))
