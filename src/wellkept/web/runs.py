"""Runs: the list, and the live console of one."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import django_filters
import django_tables2 as tables
from asgiref.sync import sync_to_async
from django.contrib import messages
from django.db import connections
from django.db.models import DurationField, ExpressionWrapper, F
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseNotAllowed, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from wellkept.backups.models import Backup, Drill
from wellkept.estate import access
from wellkept.estate.access import visible_to
from wellkept.estate.errors import EstateError
from wellkept.estate.models import Role, System
from wellkept.operations import queries, runtime
from wellkept.operations.models import OPEN_STATES, MaintenanceType, Record, Run, RunState, Step
from wellkept.planning.forecast import MIN_HISTORY
from wellkept.upgrades.consent import accept
from wellkept.upgrades.models import Rehearsal, Upgrade
from wellkept.web import bars, found, lists, shell, titles, way_back, words
from wellkept.web.told import refusal

POLL_SECONDS = 1.0
LIFETIME_SECONDS = 300
PARTS = {"live": "runs/live.html", "back": "runs/back.html", "log": "runs/log.html"}
TOOK = ExpressionWrapper(F("ended_at") - F("started_at"), output_field=DurationField())
POLLERS = ThreadPoolExecutor(max_workers=4, thread_name_prefix="live")


class RunTable(lists.Table):
    """The columns of the list of runs."""

    what = tables.TemplateColumn(
        '<a class="row-link" href="{% url \'run\' record.pk %}">{{ record.operation|operation }}</a>',
        verbose_name=gettext_lazy("Run"),
        order_by="operation",
    )
    system = tables.Column(accessor="system__name", verbose_name=gettext_lazy("System"), default="")
    state = tables.TemplateColumn('{% mark "run" record.state %}', verbose_name=gettext_lazy("State"))
    outcome = tables.TemplateColumn("{{ record.outcome|say }}", verbose_name=gettext_lazy("Outcome"), orderable=False)
    requested_at = tables.TemplateColumn("{{ record.requested_at|ago }}", verbose_name=gettext_lazy("Started"), attrs={"td": {"class": "nowrap"}})
    took = tables.TemplateColumn(
        "{{ record.took|duration }}",
        verbose_name=gettext_lazy("Took"),
        orderable=False,
        attrs={"td": {"class": "num nowrap end"}, "th": {"class": "end"}},
    )
    person = tables.Column(accessor="requested_by", verbose_name=gettext_lazy("By"), default="–", order_by="requested_by__email")

    class Meta(lists.Table.Meta):
        order_by = "-requested_at"

    def value_what(self, record: Run) -> str:
        return titles.operation(record.operation)

    def value_state(self, record: Run) -> str:
        return str(record.get_state_display())

    def value_requested_at(self, record: Run) -> Any:
        return record.requested_at

    def value_took(self, record: Run) -> Any:
        return round(record.took.total_seconds(), 1) if record.took else ""  # type: ignore[attr-defined]


def systems_of(request: HttpRequest) -> Any:
    """The systems that a filter offers."""
    organisation = getattr(request, "organisation", None)
    return visible_to(request.user, System).filter(organisation=organisation).order_by("name")


class RunFilters(lists.Filters):
    """What the list of runs can be narrowed by."""

    q = lists.Search("operation", "system__name", "system__title", "requested_by__email", "requested_by__name")
    state = django_filters.ChoiceFilter(choices=RunState.choices, label=gettext_lazy("State"))
    operation = django_filters.ChoiceFilter(choices=titles.operations, label=gettext_lazy("Operation"))
    type = django_filters.ChoiceFilter(field_name="maintenance_type", choices=MaintenanceType.choices, label=gettext_lazy("Type"))
    system = django_filters.ModelChoiceFilter(queryset=systems_of, label=gettext_lazy("System"))


@shell.page
@require_safe
def runs(request: shell.Request) -> HttpResponseBase:
    """All runs, newest first."""
    rows = visible_to(request.user, Run).filter(organisation=request.organisation)
    filters = RunFilters(request.GET, rows, request=request)
    found = filters.qs.select_related("system", "requested_by").annotate(took=TOOK).defer("phases", "result", "error", "arguments")
    empty = lists.Empty(
        "player-play",
        _("Nothing has run yet"),
        _("Everything Wellkept does is a run: you can watch it live, and read later what happened. Start with a backup of a system."),
        _("Systems"),
        shell.link("systems"),
    )
    return lists.listing(request, RunTable(found), filters, template="runs/runs.html", empty=empty, export_name="runs")


@shell.page
@require_safe
def run(request: shell.Request, run_id: uuid.UUID) -> HttpResponseBase:
    """The console of one run: live while it is open, afterwards its report."""
    one = get_object_or_404(visible_to(request.user, Run).select_related("organisation", "system"), pk=run_id)
    shell.look_at(request, one.organisation)
    role = access.role_on(request.user, one.organisation, one.system)
    return render(
        request,
        "runs/run.html",
        {
            **live_context(str(run_id)),
            "one": one,
            "may_cancel": role is not None and role != Role.VIEWER,
            "may_administer": role == Role.ADMINISTRATOR,
            "record": visible_to(request.user, Record).filter(run_id=run_id).order_by("number").first(),
            "backup": visible_to(request.user, Backup).filter(run=run_id).first(),
            "drill": visible_to(request.user, Drill).filter(run=run_id).first(),
            "rehearsal": visible_to(request.user, Rehearsal).filter(run=run_id).only("pk").first(),
            "found": found_in(one),
        },
    )


def found_in(one: Run) -> dict[str, found.Sorted] | None:
    """What was found in an upgrade of production that nobody means to be so; None where nothing was."""
    upgrade = Upgrade.objects.filter(run=one).first() if one.operation == "upgrades.apply" and one.state not in OPEN_STATES else None
    if upgrade is None or not accept.open_findings(upgrade):
        return None
    return {"books": found.sort(upgrade.compared, {}), "log": found.sort(upgrade.judged, {})}


@shell.page
@require_POST
def cancel(request: shell.Request, run_id: uuid.UUID) -> HttpResponseBase:
    """Ask for the end of a run."""
    one = get_object_or_404(visible_to(request.user, Run), pk=run_id)
    access.require(request.user, Role.OPERATOR, one)
    try:
        runtime.cancel(one, request.user)
    except EstateError as error:
        messages.error(request, refusal(error))
    else:
        messages.info(request, _("Cancelling was asked for; the run stops at the next safe point."))
    return redirect("run", run_id=run_id)


def live_context(run_id: str) -> dict[str, Any]:
    """What the moving part of the console shows; two queries, three for an upgrade. Raises Run.DoesNotExist."""
    one = Run.objects.select_related("system", "environment__system", "requested_by").prefetch_related("steps").get(pk=run_id)
    state = queries.describe(one)
    left = state["remaining"]
    return {
        "state": state,
        "title": titles.operation(state["operation"]),
        "bar": bars.run_bar(state["phases"]),
        "phases": bars.phase_bars(state["phases"]),
        "now": next((phase for phase in state["phases"] if phase["state"] == "running"), None),
        "log": [log_line(step) for step in one.steps.all()],
        "planned": planned(state),
        "back": way_back.of(one, state),
        "eta": timezone.now() + timedelta(seconds=left["p50"]) if left else None,
    }


def log_line(step: Step) -> dict[str, Any]:
    """One attempt of one step: when, what it said last, and what its duration depended on."""
    return {
        "at": step.started_at,
        "title": step.title,
        "attempt": step.attempt,
        "seconds": step.seconds,
        "note": step.note,
        "error": step.error,
        "drivers": [(words.driver(name), words.driver_value(name, value)) for name, value in step.drivers.items()],
    }


def planned(state: dict[str, Any]) -> dict[str, float] | None:
    """The forecast made before the start, in seconds, and of how few runs, where these are too few to tell; None without a history of every phase."""
    phases = [phase for phase in state["phases"] if phase["attempts"] or (phase["state"] in {"waiting", "skipped"} and not bars.detoured(phase))]
    if not phases or any(phase["p50"] is None for phase in phases):
        return None
    few = min(phase.get("runs", MIN_HISTORY) for phase in phases)
    return {"p50": sum(phase["p50"] for phase in phases), "p90": sum(phase["p90"] for phase in phases), "few": few if few < MIN_HISTORY else 0}


@dataclass(frozen=True)
class Reader:
    """In whose words a stream speaks."""

    language: str
    zone: Any


async def events(request: HttpRequest, run_id: uuid.UUID) -> HttpResponseBase:
    """Server-sent events: the moving part of the console as HTML, once a second when it changed, and ``ended`` at the end.

    The stream ends by itself after a few minutes; the browser opens it again and is authorised again.
    """
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    if not await sync_to_async(_allowed)(request, run_id):
        raise Http404
    reader = Reader(translation.get_language() or "en", timezone.get_current_timezone())
    response = StreamingHttpResponse(_stream(str(run_id), reader), content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _allowed(request: HttpRequest, run_id: uuid.UUID) -> bool:
    return visible_to(request.user, Run).filter(pk=run_id).exists()


async def _stream(run_id: str, reader: Reader) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    until, sent = loop.time() + LIFETIME_SECONDS, dict.fromkeys(PARTS, "")
    while loop.time() < until:
        is_open, now = await loop.run_in_executor(POLLERS, _render, run_id, reader)
        changed = [name for name in PARTS if now[name] != sent[name]]
        yield "".join(_event(name, now[name]) for name in changed) or ": nothing new\n\n"
        sent = now
        if not is_open:
            yield _event("ended", "")
            return
        await asyncio.sleep(POLL_SECONDS)


def _render(run_id: str, reader: Reader) -> tuple[bool, dict[str, str]]:
    try:
        with translation.override(reader.language), timezone.override(reader.zone):
            context = live_context(run_id)
            return context["state"]["open"], {name: render_to_string(template, context) for name, template in PARTS.items()}
    finally:
        connections.close_all()


def _event(name: str, data: str) -> str:
    return f"event: {name}\n" + "".join(f"data: {line}\n" for line in data.splitlines() or [""]) + "\n"
