"""The page Today, for the question whether anything needs a person."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from wellkept.backups import verdicts
from wellkept.estate.access import visible_to
from wellkept.estate.models import Environment, Kind, System
from wellkept.monitoring import queries as monitored
from wellkept.monitoring.queries import Now
from wellkept.operations import queries, runtime
from wellkept.operations.models import OPEN_STATES, Run, Schedule
from wellkept.upgrades import aftercare, planned
from wellkept.web import bars, shell, titles

NEEDS, LINES, RUNNING, AHEAD = 8, 25, 4, 8


@dataclass(frozen=True)
class Line:
    """One system on the page."""

    verdict: verdicts.Verdict
    state: verdicts.State
    version: str
    now: Now | None
    tonight: Schedule | None


@shell.page
@require_safe
def today(request: shell.Request) -> HttpResponseBase:
    """The page that answers in thirty seconds whether anything needs a person."""
    systems = visible_to(request.user, System).filter(organisation=request.organisation)
    ids = list(systems.values_list("pk", flat=True))
    judged = sorted(((state, verdicts.judge(state)) for state in verdicts.states(ids)), key=lambda pair: verdicts.ORDER[pair[1].level])
    needs = [(state, verdict) for state, verdict in judged if verdict.level != verdicts.WELL]
    counts = {level: sum(verdict.level == level for _state, verdict in judged) for level in verdicts.ORDER}
    return render(
        request,
        "today/today.html",
        {
            "headline": headline(counts),
            "counts": counts,
            "needs": [{"verdict": verdict, "state": state} for state, verdict in needs[:NEEDS]],
            "more_needs": max(0, len(needs) - NEEDS),
            "lines": lines(judged[:LINES]),
            "more_lines": max(0, len(judged) - LINES),
            "running": running(request),
            "planned": planned.planned(systems),
            "followed": aftercare.shown(systems),
            "ahead": ahead(request),
            "today": timezone.localtime(),
            "worker_missing": not runtime.live_workers(),
        },
    )


def headline(counts: dict[str, int]) -> str:
    """The page in one sentence: "3 systems well, 1 needs you"."""
    well, watch, act = counts[verdicts.WELL], counts[verdicts.WATCH], counts[verdicts.ACT]
    if not well + watch + act:
        return _("No system is kept yet")
    parts = []
    if well:
        parts.append(ngettext("{n} system is well", "{n} systems are well", well).format(n=well))
    if watch:
        parts.append(ngettext("{n} to watch", "{n} to watch", watch).format(n=watch))
    if act:
        parts.append(ngettext("{n} needs you", "{n} need you", act).format(n=act))
    return _(", ").join(parts)


def lines(judged: list[tuple[verdicts.State, verdicts.Verdict]]) -> list[Line]:
    """The table: what is known of each system, with its version and its next planned work."""
    ids = [state.pk for state, _verdict in judged]
    productions = {environment.system_id: environment for environment in Environment.objects.filter(system__in=ids, kind=Kind.PRODUCTION)}
    works = monitored.now([environment.pk for environment in productions.values()])
    upcoming: dict[int | None, Schedule] = {}
    for schedule in Schedule.objects.filter(system__in=ids, enabled=True, next_at__isnull=False).order_by("-next_at"):
        upcoming[schedule.system_id] = schedule
    made = []
    for state, verdict in judged:
        production = productions.get(state.pk)
        version, now = (production.version, works.get(production.pk)) if production is not None else ("", None)
        made.append(Line(verdict, state, version, now, upcoming.get(state.pk)))
    return made


def running(request: shell.Request) -> list[dict[str, Any]]:
    """The runs that are under way, each with its bar."""
    opened = visible_to(request.user, Run).filter(organisation=request.organisation, state__in=OPEN_STATES)
    now = []
    for run in opened.select_related("system", "environment__system", "requested_by").prefetch_related("steps").order_by("-requested_at")[:RUNNING]:
        state = queries.describe(run)
        now.append({"run": run, "title": titles.operation(run.operation), "bar": bars.run_bar(state["phases"]), "remaining": state["remaining"]})
    return now


def ahead(request: shell.Request) -> list[dict[str, Any]]:
    """What is planned for the next seven days."""
    planned = visible_to(request.user, Schedule).filter(
        organisation=request.organisation, enabled=True, next_at__isnull=False, next_at__lte=timezone.now() + timedelta(days=7)
    )
    return [{"schedule": one, "title": titles.operation(one.operation)} for one in planned.select_related("system").order_by("next_at")[:AHEAD]]
