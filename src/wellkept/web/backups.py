"""Backups: sets, drills with their certificates, and the way back."""

from datetime import timedelta
from typing import Any

import django_filters
import django_tables2 as tables
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from wellkept.backups import verdicts
from wellkept.backups.models import Backup, BackupState, Drill, DrillState, Repository
from wellkept.estate import access
from wellkept.estate.access import visible_to
from wellkept.estate.models import Environment, Kind, Role, System
from wellkept.operations import runtime
from wellkept.operations.models import Run
from wellkept.web import lists, runs, shell, systems
from wellkept.web.sparks import spark
from wellkept.web.timeline import Moment, strip
from wellkept.web.told import told

LINES = 15
DAYS = 30
HISTORY = 30


@shell.page
@require_safe
def backups(request: shell.Request) -> HttpResponseBase:
    """Per system: what could be brought back, how fast, and what proves it."""
    kept = visible_to(request.user, System).filter(organisation=request.organisation).order_by("name")
    page = Paginator(kept, LINES).get_page(request.GET.get("page"))
    end = timezone.now()
    start = end - timedelta(days=DAYS)
    moments = points([system.pk for system in page], start)
    return render(
        request,
        "backups/backups.html",
        {
            "page": page,
            "lines": [
                {"state": state, "verdict": verdicts.judge(state), "strip": strip(start, end, moments.get(state.pk, []), marks=2), **targets(state)}
                for state in verdicts.states([system.pk for system in page])
            ],
            "repositories": visible_to(request.user, Repository).filter(organisation=request.organisation).exists(),
            "tab": "overview",
        },
    )


def points(ids: list[int], start: Any) -> dict[int, list[Moment]]:
    """Dots (made) and ticks (proven) of the systems since ``start``; two queries."""
    found: dict[int, list[Moment]] = {}
    for row in (
        Backup.objects.filter(system__in=ids, made_at__gte=start)
        .exclude(state__in=[BackupState.FORGOTTEN, BackupState.MAKING])
        .only("system", "made_at", "state")
    ):
        found.setdefault(row.system_id, []).append(
            Moment("backup", row.made_at, row.state == BackupState.GOOD, shell.link("backup", backup_id=row.pk))
        )
    for drill in Drill.objects.filter(system__in=ids, started_at__gte=start, state__in=[DrillState.PROVEN, DrillState.FAILED]).only(
        "system", "started_at", "state"
    ):
        found.setdefault(drill.system_id, []).append(
            Moment("drill", drill.started_at, drill.state == DrillState.PROVEN, shell.link("drill", drill_id=drill.pk))
        )
    return found


def targets(state: verdicts.State) -> dict[str, Any]:
    """The two plain figures: work that would be lost now, and the time to be back, each against what was agreed."""
    row = state.row
    lost = timezone.now().timestamp() - row.good_point if row.good_point is not None else None
    return {
        "lost": lost,
        "lost_fits": None if lost is None or row.rpo_target is None else lost <= row.rpo_target,
        "back": row.proven_rto,
        "back_fits": None if row.proven_rto is None or row.rto_target is None else row.proven_rto <= row.rto_target,
    }


class SetTable(lists.Table):
    """The columns of the list of backups."""

    made_at = tables.TemplateColumn(
        '<a class="row-link" href="{% url \'backup\' record.pk %}">{{ record.made_at|ago }}</a>', verbose_name=gettext_lazy("Made")
    )
    system = tables.Column(accessor="system", verbose_name=gettext_lazy("System"), order_by="system__name")
    state = tables.TemplateColumn('{% mark "backup" record.state %}', verbose_name=gettext_lazy("State"))
    proof = tables.TemplateColumn("{{ record.proof|ago }}", verbose_name=gettext_lazy("Restored and checked"), attrs={"td": {"class": "nowrap"}})
    bytes = tables.TemplateColumn(
        "{{ record.bytes|size }}", verbose_name=gettext_lazy("Size"), attrs={"td": {"class": "num end nowrap"}, "th": {"class": "end"}}
    )
    stored_bytes = tables.TemplateColumn(
        "{{ record.stored_bytes|size }}", verbose_name=gettext_lazy("Added"), attrs={"td": {"class": "num end nowrap"}, "th": {"class": "end"}}
    )
    seconds = tables.TemplateColumn(
        "{{ record.seconds|duration }}", verbose_name=gettext_lazy("Took"), attrs={"td": {"class": "num end nowrap"}, "th": {"class": "end"}}
    )
    repository = tables.Column(verbose_name=gettext_lazy("Repository"), order_by="repository__name")

    class Meta(lists.Table.Meta):
        order_by = "-made_at"

    def value_made_at(self, record: Backup) -> Any:
        return record.made_at

    def value_state(self, record: Backup) -> str:
        return str(record.get_state_display())

    def value_proof(self, record: Backup) -> Any:
        return record.proof  # type: ignore[attr-defined]

    def value_bytes(self, record: Backup) -> Any:
        return record.bytes

    def value_stored_bytes(self, record: Backup) -> Any:
        return record.stored_bytes

    def value_seconds(self, record: Backup) -> Any:
        return record.seconds


class SetFilters(lists.Filters):
    """What the list of backups can be narrowed by."""

    q = lists.Search("system__name", "system__title", "repository__name", "snapshot", "version")
    state = django_filters.ChoiceFilter(choices=BackupState.choices, label=gettext_lazy("State"))
    proven = django_filters.ChoiceFilter(
        choices=[("yes", gettext_lazy("Yes")), ("no", gettext_lazy("No"))], method="by_proof", label=gettext_lazy("Restored and checked")
    )
    system = django_filters.ModelChoiceFilter(queryset=runs.systems_of, label=gettext_lazy("System"))

    def by_proof(self, rows: Any, _name: str, value: str) -> Any:
        return rows.filter(proof__isnull=value == "no")


class OwnSetFilters(SetFilters):
    """The same for the backups of one system."""

    system = None


def found_sets(request: shell.Request) -> Any:
    """The visible backups with the date of their newest proof."""
    from django.db.models import OuterRef, Subquery

    proofs = Drill.objects.filter(backup=OuterRef("pk"), state=DrillState.PROVEN).order_by("-ended_at").values("ended_at")[:1]
    rows = visible_to(request.user, Backup).filter(organisation=request.organisation)
    return rows.select_related("system", "repository").defer("manifest").annotate(proof=Subquery(proofs))


@shell.page
@require_safe
def sets(request: shell.Request) -> HttpResponseBase:
    """All backups, newest first."""
    filters = SetFilters(request.GET, found_sets(request), request=request)
    return lists.listing(
        request, SetTable(filters.qs), filters, template="backups/sets.html", empty=no_backups(), context={"tab": "sets"}, export_name="backups"
    )


def no_backups() -> lists.Empty:
    """What an empty list of backups says."""
    return lists.Empty(
        "archive",
        _("No backup yet"),
        _("A backup is the database, the files and the settings of one moment, with every business figure read in the same moment."),
        _("Choose a system"),
        shell.link("systems"),
    )


@shell.page
@require_safe
def system_backups(request: shell.Request, system_id: int) -> HttpResponseBase:
    """The backups of one system: what would be lost, how long until it is back, and what proves it."""
    one = systems.opened(request, system_id)
    shown = systems.heading(request, one, "backups")
    end = timezone.now()
    start = end - timedelta(days=DAYS)
    proven = list(Drill.objects.filter(system=one, state=DrillState.PROVEN).order_by("-started_at").defer("certificate")[:HISTORY])[::-1]
    filters = OwnSetFilters(request.GET, found_sets(request).filter(system=one), request=request)
    context = {
        **shown,
        **targets(shown["state"]),
        "strip": strip(start, end, points([one.pk], start).get(one.pk, []), marks=2),
        "rto_line": spark([drill.rto_seconds or 0.0 for drill in proven], one.rto_target.total_seconds() if one.rto_target else None),
        "rpo_line": spark([drill.rpo_seconds or 0.0 for drill in proven], one.rpo_target.total_seconds() if one.rpo_target else None),
        "repositories": list(visible_to(request.user, Repository).filter(organisation=one.organisation).order_by("name")),
        "days": DAYS,
    }
    table = SetTable(filters.qs, exclude=("system",))
    return lists.listing(
        request, table, filters, template="backups/system.html", empty=no_backups(), context=context, export_name=f"{one.name}-backups"
    )


@shell.page
@require_safe
def backup(request: shell.Request, backup_id: int) -> HttpResponseBase:
    """One set: what it holds, what proved it, and the way back."""
    one = get_object_or_404(
        visible_to(request.user, Backup).select_related("system", "organisation", "repository", "run", "environment"), pk=backup_id
    )
    shell.look_at(request, one.organisation)
    role = access.role_on(request.user, one.organisation, one.system)
    drills = visible_to(request.user, Drill).filter(backup=one).order_by("-started_at").defer("certificate")
    return render(request, "backups/backup.html", {"one": one, "drills": drills[:10], "may_operate": role is not None and role != Role.VIEWER})


class DrillTable(lists.Table):
    """The columns of the list of drills."""

    started_at = tables.TemplateColumn(
        '<a class="row-link" href="{% url \'drill\' record.pk %}">{{ record.started_at|ago }}</a>', verbose_name=gettext_lazy("Started")
    )
    system = tables.Column(verbose_name=gettext_lazy("System"), order_by="system__name")
    state = tables.TemplateColumn('{% mark "drill" record.state %}', verbose_name=gettext_lazy("State"))
    rto_seconds = tables.TemplateColumn(
        "{{ record.rto_seconds|duration }}",
        verbose_name=gettext_lazy("Time to be back"),
        attrs={"td": {"class": "num end nowrap"}, "th": {"class": "end"}},
    )
    rpo_seconds = tables.TemplateColumn(
        "{{ record.rpo_seconds|duration }}", verbose_name=gettext_lazy("Work lost"), attrs={"td": {"class": "num end nowrap"}, "th": {"class": "end"}}
    )
    figures = tables.TemplateColumn(
        "{% if record.figures is not None %}{{ record.figures|amount }}{% else %}–{% endif %}",
        verbose_name=gettext_lazy("Figures compared"),
        attrs={"td": {"class": "num end"}, "th": {"class": "end"}},
    )

    class Meta(lists.Table.Meta):
        order_by = "-started_at"

    def value_started_at(self, record: Drill) -> Any:
        return record.started_at

    def value_state(self, record: Drill) -> str:
        return str(record.get_state_display())

    def value_rto_seconds(self, record: Drill) -> Any:
        return record.rto_seconds

    def value_rpo_seconds(self, record: Drill) -> Any:
        return record.rpo_seconds

    def value_figures(self, record: Drill) -> Any:
        return record.figures


class DrillFilters(lists.Filters):
    """What the list of drills can be narrowed by."""

    q = lists.Search("system__name", "system__title")
    state = django_filters.ChoiceFilter(choices=DrillState.choices, label=gettext_lazy("State"))
    system = django_filters.ModelChoiceFilter(queryset=runs.systems_of, label=gettext_lazy("System"))


@shell.page
@require_safe
def drills(request: shell.Request) -> HttpResponseBase:
    """All drills, newest first."""
    rows = visible_to(request.user, Drill).filter(organisation=request.organisation).select_related("system").defer("certificate", "differences")
    filters = DrillFilters(request.GET, rows, request=request)
    empty = lists.Empty(
        "lifebuoy",
        _("No drill yet"),
        _("A drill restores a backup in isolation, starts the ERP on it, signs in and compares the books. Only then a backup counts."),
        _("Choose a system"),
        shell.link("systems"),
    )
    return lists.listing(
        request, DrillTable(filters.qs), filters, template="backups/drills.html", empty=empty, context={"tab": "drills"}, export_name="drills"
    )


@shell.page
@require_safe
def drill(request: shell.Request, drill_id: int) -> HttpResponseBase:
    """One drill: its certificate, or why there is none."""
    rows = visible_to(request.user, Drill).select_related("system", "organisation", "backup__repository", "run")
    one = get_object_or_404(rows, pk=drill_id)
    shell.look_at(request, one.organisation)
    steps = list(one.run.steps.all()) if one.run else []
    longest = max((step.seconds or 0.0 for step in steps), default=0.0) or 1.0
    return render(
        request,
        "backups/drill.html",
        {
            "one": one,
            "certificate": one.certificate,
            "steps": [{"step": step, "width": f"{max(0.3, 100 * (step.seconds or 0.0) / longest):.2f}%"} for step in steps],
        },
    )


@shell.page
@require_POST
def take(request: shell.Request, system_id: int) -> HttpResponseBase:
    """Back up a system now."""
    one = systems.opened(request, system_id)
    access.require(request.user, Role.OPERATOR, one)
    repository = request.POST.get("repository", "")
    if not repository.isdigit():
        repository = ""
    if repository and not visible_to(request.user, Repository).filter(pk=int(repository), organisation=one.organisation).exists():
        messages.error(request, _("There is no such repository."))
        return redirect("system_backups", system_id=one.pk)
    return start(request, one, "backups.take", {"repository_id": int(repository)} if repository else {})


@shell.page
@require_POST
def take_several(request: shell.Request) -> HttpResponseBase:
    """Back up the selected systems."""
    ids = [int(text) for text in request.POST.getlist("ids") if text.isdigit()]
    chosen = visible_to(request.user, System, Role.OPERATOR).filter(organisation=request.organisation, pk__in=ids)
    started = [submit(request, one, "backups.take", {}) for one in chosen.select_related("organisation")]
    messages.info(request, ngettext("{n} backup was started.", "{n} backups were started.", len(started)).format(n=len(started)))
    return redirect("runs")


@shell.page
@require_POST
def start_drill(request: shell.Request, system_id: int) -> HttpResponseBase:
    """Prove a backup of a system now."""
    one = systems.opened(request, system_id)
    access.require(request.user, Role.OPERATOR, one)
    wanted = request.POST.get("backup", "")
    return start(request, one, "backups.drill", {"backup_id": int(wanted)} if wanted.isdigit() else {})


def start(request: shell.Request, one: System, operation: str, arguments: dict[str, Any]) -> HttpResponseBase:
    """Start an operation on the system and lead to its console; where another run is in the way, to that one."""
    try:
        run = submit(request, one, operation, arguments)
    except runtime.Conflict as conflict:
        messages.error(request, told(conflict.message))
        return redirect("run", run_id=conflict.run.pk)
    return redirect("run", run_id=run.pk)


def submit(request: shell.Request, one: System, operation: str, arguments: dict[str, Any]) -> Run:
    """Start an operation on the system's production environment."""
    environment = Environment.objects.filter(system=one, kind=Kind.PRODUCTION).first()
    return runtime.submit(
        operation, organisation=one.organisation, system=one, environment=environment, arguments=arguments, requested_by=request.user
    )
