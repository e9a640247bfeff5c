"""How one system works: in words, and as curves over time."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.http import Http404, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from wellkept.estate.models import Environment
from wellkept.lib.text import Message
from wellkept.monitoring import queries, use
from wellkept.monitoring.models import Panel, Watch
from wellkept.monitoring.queries import Curve
from wellkept.operations import leases
from wellkept.planning import offpeak
from wellkept.web import shell, words
from wellkept.web.systems import heading, opened

HOUR = dt.timedelta(hours=1)
RANGES: Mapping[str, tuple[dt.timedelta, object]] = {
    "1h": (HOUR, _("1 hour")),
    "6h": (6 * HOUR, _("6 hours")),
    "1d": (24 * HOUR, _("1 day")),
    "7d": (7 * 24 * HOUR, _("7 days")),
    "30d": (30 * 24 * HOUR, _("30 days")),
    "1y": (365 * 24 * HOUR, _("1 year")),
}
LARGEST = 6
"""How many curves one chart shows; of more, the highest at the end."""


@dataclass(frozen=True)
class Chart:
    """What a chart shows: the series of these names, each with its word (its label where it has one), in a unit of charts.js."""

    title: object
    unit: str
    series: Mapping[str, object]


CHARTS: Mapping[str, Chart] = {
    "response": Chart(_("What users feel: seconds for each action"), "s", {"probe_seconds": ""}),
    "users": Chart(_("People at work"), "", {"erp_users_active": _("people in the last five minutes")}),
    "waiting": Chart(
        _("Waiting"), "", {"erp_tasks_waiting": _("tasks in the queue"), "erp_jobs_late": _("late jobs"), "postgres_blocked": _("blocked sessions")}
    ),
    "processor": Chart(
        _("Processors"), "", {"host_processor_seconds": _("processors in use"), "host_waiting_seconds": _("processors waiting for disks")}
    ),
    "memory": Chart(_("Memory"), "B", {"host_memory_free_bytes": _("free memory"), "host_memory_bytes": _("memory in all")}),
    "disk": Chart(_("Room on disks"), "B", {"host_disk_free_bytes": ""}),
    "connections": Chart(
        _("Connections to the database"),
        "",
        {
            "postgres_connections": _("open connections"),
            "postgres_active": _("connections at work"),
            "postgres_connections_most": _("connections allowed"),
        },
    ),
    "written": Chart(_("Rows written per second"), "/s", {"postgres_rows_written": _("rows written")}),
    "read": Chart(
        _("Blocks of the database per second"),
        "/s",
        {"postgres_blocks_hit": _("blocks from memory"), "postgres_blocks_read": _("blocks from the disk")},
    ),
    "size": Chart(_("Size of the database"), "B", {"postgres_database_bytes": _("database in all")}),
    "tables": Chart(_("The largest tables"), "B", {"postgres_table_bytes": ""}),
}


@shell.page
@require_safe
def performance(request: shell.Request, system_id: int) -> HttpResponseBase:
    """How the system works now, and the charts, which get their curves one by one."""
    one = opened(request, system_id)
    shown = heading(request, one, "performance")
    environment = shown["environment"]
    chosen = request.GET.get("range", "")
    return render(
        request,
        "systems/performance.html",
        {
            **shown,
            "now": queries.now([environment.pk]).get(environment.pk) if environment else None,
            "read": Panel.objects.filter(environment=environment).exists(),
            "paused": Watch.objects.filter(environment=environment, enabled=False).exists(),
            "changing": leases.holder(environment.pk) if environment else None,
            "charts": CHARTS,
            "week": week(environment) if environment else None,
            "ranges": {name: title for name, (_length, title) in RANGES.items()},
            "range": chosen if chosen in RANGES else "1d",
        },
    )


@dataclass(frozen=True)
class Week:
    """The hours of a week as a map: ``rows`` of (day, cells), each cell (hour, people, percent of the most); and what it rests on."""

    rows: Sequence[tuple[str, Sequence[tuple[int, float, int]]]]
    basis: Message
    peaks: Sequence[str]


def week(environment: Environment) -> Week | None:
    """When people usually work; None as long as nothing was learnt."""
    curve = use.curve(environment)
    if curve is None:
        return None
    most = max(curve.level) or 1.0
    rows = [
        (str(WEEKDAYS[day]), [(hour, round(people, 1), round(100 * people / most)) for hour, people in enumerate(hours)])
        for day, hours in enumerate(offpeak.heat_map(curve))
    ]
    return Week(rows, offpeak.basis(curve), [words.peak(peak) for peak in curve.peaks])


@shell.page
@require_safe
def curves(request: shell.Request, system_id: int, chart: str) -> HttpResponseBase:
    """The curves of one chart as data: ``{"times": [seconds since 1970], "curves": [{"title", "values", "highs"}]}``, null where nothing was read."""
    one = opened(request, system_id)
    if chart not in CHARTS:
        raise Http404(chart)
    environment = heading(request, one, "performance")["environment"]
    length, _title = RANGES.get(request.GET.get("range", ""), RANGES["1d"])
    end = timezone.now()
    found = queries.curves(environment.pk, CHARTS[chart].series, end - length, end) if environment else []
    return JsonResponse(aligned(CHARTS[chart], found))


def aligned(chart: Chart, found: Sequence[Curve]) -> dict[str, object]:
    """The curves over the same times, the highest at the end first."""
    chosen = sorted(found, key=lambda one: -one.points[-1].mean)[:LARGEST]
    times = sorted({point.at for one in chosen for point in one.points})
    several = []
    for one in chosen:
        points = {point.at: point for point in one.points}
        row = [points.get(at) for at in times]
        several.append({
            "title": title(chart, one),
            "values": [point.mean if point else None for point in row],
            "highs": [point.high if point else None for point in row],
        })  # fmt: skip
    return {"times": [at.timestamp() for at in times], "curves": several}


def title(chart: Chart, one: Curve) -> str:
    """What a curve is called: the word for its series, or its label."""
    return words.probe(one.label) if one.name == "probe_seconds" else str(chart.series.get(one.name) or one.label)
