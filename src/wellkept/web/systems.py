"""Systems: the list, and what is known of one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import django_filters
import django_tables2 as tables
from django import forms
from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop
from django.views.decorators.http import require_http_methods, require_safe

from wellkept.adapters.base import Inspect
from wellkept.backups import verdicts
from wellkept.backups.models import Backup, BackupState, Drill, DrillState
from wellkept.estate import access, connect
from wellkept.estate.access import visible_to
from wellkept.estate.models import Component, Environment, Kind, Role, System
from wellkept.lib.text import message, recognised
from wellkept.operations import records
from wellkept.operations.models import Record, Run, RunState
from wellkept.upgrades import aftercare, planned
from wellkept.web import lists, marks, shell, titles
from wellkept.web.timeline import Moment, Strip, strip
from wellkept.web.told import told

STORY = 25
RANGES = (7, 30, 90, 365)


@dataclass(frozen=True)
class Row:
    """One system of the list."""

    pk: int
    name: str
    title: str
    kind: str
    version: str
    verdict: verdicts.Verdict
    backup: datetime | None
    proof: datetime | None
    proof_id: int | None

    @property
    def rank(self) -> int:
        """For sorting: the most urgent first."""
        return verdicts.ORDER[self.verdict.level]


class SystemTable(lists.Table):
    """The columns of the list of systems."""

    title = tables.TemplateColumn(
        '<a class="row-link" href="{% url \'system\' record.pk %}">{{ record.title }}</a>'
        '{% if record.title != record.name %} <span class="sub">{{ record.name }}</span>{% endif %}',
        verbose_name=gettext_lazy("System"),
    )
    rank = tables.TemplateColumn('{% mark "verdict" record.verdict.level %}', verbose_name=gettext_lazy("Verdict"))
    reason = tables.TemplateColumn("{{ record.verdict.reason|say }}", verbose_name=gettext_lazy("Reason"), orderable=False, accessor="name")
    version = tables.TemplateColumn(
        "{{ record.kind|title }} {{ record.version }}", verbose_name=gettext_lazy("Version"), attrs={"td": {"class": "nowrap"}}
    )
    backup = tables.TemplateColumn("{{ record.backup|ago }}", verbose_name=gettext_lazy("Last backup"), attrs={"td": {"class": "nowrap"}})
    proof = tables.TemplateColumn(
        "{% if record.proof_id %}<a href=\"{% url 'drill' record.proof_id %}\">{{ record.proof|ago }}</a>{% else %}–{% endif %}",
        verbose_name=gettext_lazy("Last proof"),
        attrs={"td": {"class": "nowrap"}},
    )

    class Meta(lists.Table.Meta):
        order_by = ("rank", "title")

    def value_title(self, record: Row) -> str:
        return record.name

    def value_rank(self, record: Row) -> str:
        return str(marks.VERDICTS[record.verdict.level].word)

    def value_version(self, record: Row) -> str:
        return f"{record.kind} {record.version}"

    def value_backup(self, record: Row) -> datetime | None:
        return record.backup

    def value_proof(self, record: Row) -> datetime | None:
        return record.proof


class SystemFilters(lists.Filters):
    """What the list of systems can be narrowed by; the verdict is not in the database and is applied to the rows."""

    q = lists.Search("name", "title", "adapter")
    verdict = django_filters.ChoiceFilter(
        choices=lambda: [(level, mark.word) for level, mark in marks.VERDICTS.items()], method="keep", label=gettext_lazy("Verdict")
    )

    def keep(self, rows: Any, _name: str, _value: str) -> Any:
        return rows


@shell.page
@require_safe
def systems(request: shell.Request) -> HttpResponseBase:
    """All systems, the most urgent first."""
    filters = SystemFilters(request.GET, visible_to(request.user, System).filter(organisation=request.organisation), request=request)
    wanted = request.GET.get("verdict", "")
    rows = [row for row in rows_of(filters.qs) if wanted not in marks.VERDICTS or row.verdict.level == wanted]
    empty = lists.Empty(
        "stack-2",
        _("Nothing to keep yet"),
        _("Adopt an ERP that runs already: Wellkept only reads it, and says what it sees."),
        command="wellkept system adopt erp1 --tryton-config /etc/trytond.conf",
    )
    bulk = [(_("Back up now"), shell.link("backup_take_several"))] if shell.may(request, Role.OPERATOR) else []
    return lists.listing(request, SystemTable(rows), filters, template="systems/systems.html", empty=empty, bulk=bulk, export_name="systems")


def rows_of(found: Any) -> list[Row]:
    """The rows of the list, with a constant number of queries."""
    states = verdicts.states(list(found.values_list("pk", flat=True)))
    version = dict(Environment.objects.filter(system__in=[state.pk for state in states], kind=Kind.PRODUCTION).values_list("system_id", "version"))
    return [
        Row(
            pk=state.pk,
            name=state.row.name,
            title=str(state),
            kind=state.row.adapter,
            version=version.get(state.pk, ""),
            verdict=verdicts.judge(state),
            backup=state.good_at,
            proof=state.proven_at,
            proof_id=state.row.proven_id,
        )
        for state in states
    ]


def opened(request: shell.Request, system_id: int) -> System:
    """The system of the page, with the frame around it. Raises Http404 for one that the person may not see."""
    one = get_object_or_404(visible_to(request.user, System).select_related("organisation"), pk=system_id)
    shell.look_at(request, one.organisation)
    return one


def heading(request: shell.Request, one: System, tab: str) -> dict[str, Any]:
    """What the top of every page of one system shows."""
    environment = Environment.objects.filter(system=one, kind=Kind.PRODUCTION).select_related("host").first()
    (state,) = verdicts.states([one.pk])
    role = access.role_on(request.user, one.organisation, one)
    order = list(Role)
    return {
        "system": one,
        "environment": environment,
        "state": state,
        "verdict": verdicts.judge(state),
        "tab": tab,
        "planned": planned.planned([one]),
        "followed": aftercare.shown([one]),
        "may_operate": role is not None and order.index(role) >= order.index(Role.OPERATOR),
        "may_administer": role == Role.ADMINISTRATOR,
    }


@shell.page
@require_safe
def system(request: shell.Request, system_id: int) -> HttpResponseBase:
    """One system: its verdict, and everything that ever happened to it."""
    one = opened(request, system_id)
    days = next((days for days in RANGES if request.GET.get("days") == str(days)), 30)
    before = moment(request.GET.get("before", ""))
    told = story(request, one, before)
    return render(
        request,
        "systems/system.html",
        {
            **heading(request, one, "health"),
            "strip": lanes(request, one, days),
            "days": days,
            "ranges": RANGES,
            "story": told[:STORY],
            "older": told[STORY - 1]["at"].isoformat() if len(told) > STORY else "",
            "later": before is not None,
        },
    )


def moment(text: str) -> datetime | None:
    """A moment from the address; None when it is none."""
    try:
        parsed = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        return None
    return parsed if parsed.tzinfo else None


def story(request: shell.Request, one: System, before: datetime | None) -> list[dict[str, Any]]:
    """What happened, newest first: runs, and decisions of people that belong to no run; at most one more than a page."""
    runs = visible_to(request.user, Run).filter(system=one)
    notes = visible_to(request.user, Record).filter(system=one, run_id=None)
    if before:
        runs, notes = runs.filter(requested_at__lt=before), notes.filter(at__lt=before)
    told = [
        {"at": run.requested_at, "run": run, "title": titles.operation(run.operation)}
        for run in runs.select_related("requested_by").order_by("-requested_at")[: STORY + 1]
    ]
    told += [{"at": note.at, "record": note} for note in notes.order_by("-at")[: STORY + 1]]
    return sorted(told, key=lambda item: item["at"], reverse=True)[: STORY + 1]  # type: ignore[arg-type,return-value]


def lanes(request: shell.Request, one: System, days: int) -> Strip:
    """The drawing: backups, drills and runs of the last days, as far as they have ended."""
    end = timezone.now()
    start = end - timedelta(days=days)
    backups = visible_to(request.user, Backup).filter(system=one, made_at__gte=start)
    backups = backups.exclude(state__in=[BackupState.FORGOTTEN, BackupState.MAKING])
    drills = visible_to(request.user, Drill).filter(system=one, started_at__gte=start, state__in=[DrillState.PROVEN, DrillState.FAILED])
    runs = visible_to(request.user, Run).filter(system=one, requested_at__gte=start, ended_at__isnull=False)
    runs = runs.exclude(operation__in=["backups.take", "backups.drill"])
    moments = [
        Moment("backup", row.made_at, row.state == BackupState.GOOD, shell.link("backup", backup_id=row.pk))
        for row in backups.only("made_at", "state")[:500]
    ]
    moments += [
        Moment("drill", row.started_at, row.state == DrillState.PROVEN, shell.link("drill", drill_id=row.pk))
        for row in drills.only("started_at", "state")[:500]
    ]
    moments += [
        Moment("run", row.requested_at, row.state in {RunState.SUCCEEDED, RunState.CANCELLED}, shell.link("run", run_id=row.pk))
        for row in runs.only("requested_at", "state")[:500]
    ]
    return strip(start, end, moments)


class ComponentTable(lists.Table):
    """The columns of the list of components."""

    name = tables.Column(verbose_name=gettext_lazy("Component"))
    kind = tables.TemplateColumn("{{ record.kind|component_kind }}", verbose_name=gettext_lazy("Kind"))
    installed = tables.Column(verbose_name=gettext_lazy("Installed"), default="–")
    active = tables.Column(verbose_name=gettext_lazy("Active in the database"), default="–")

    class Meta(lists.Table.Meta):
        order_by = "name"


class ComponentFilters(lists.Filters):
    """What the list of components can be narrowed by."""

    q = lists.Search("name", "installed")


@shell.page
@require_safe
def components(request: shell.Request, system_id: int) -> HttpResponseBase:
    """What the system is made of."""
    one = opened(request, system_id)
    shown = heading(request, one, "components")
    found = ComponentFilters(request.GET, visible_to(request.user, Component).filter(environment=shown["environment"]), request=request)
    empty = lists.Empty(
        "puzzle", _("No component was seen"), _("The last look at this system named none."), command=f"wellkept system discover {one.name}"
    )
    seen = shown["environment"].seen if shown["environment"] else {}
    return lists.listing(
        request,
        ComponentTable(found.qs),
        found,
        template="systems/components.html",
        empty=empty,
        context={**shown, "blind": [not_seen(shown["environment"], entry) for entry in seen.get("blind", [])]},
        export_name=f"{one.name}-components",
    )


def not_seen(environment: Environment, entry: dict[str, str]) -> dict[str, str]:
    """What could not be seen, why, and what would help, in the reader's language where the words are the adapter's."""
    known: Inspect = connect.ability(environment, "inspect")
    return {name: told(recognised(text, known.WORDS)) for name, text in entry.items()}


class Hours(forms.DecimalField):
    """A length of time in hours."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_digits=8, decimal_places=2, required=False, **options)

    def prepare_value(self, value: Any) -> Any:
        return f"{value.total_seconds() / 3600:g}" if isinstance(value, timedelta) else value

    def clean(self, value: Any) -> timedelta | None:
        hours = super().clean(value)
        return timedelta(hours=float(hours)) if hours else None


class SystemForm(forms.ModelForm):  # type: ignore[type-arg]
    """What people decide about a system."""

    rpo_target = Hours(
        label=gettext_lazy("Work that may be lost at most (hours)"), help_text=gettext_lazy("The newest good backup must never be older than this.")
    )
    rto_target = Hours(label=gettext_lazy("Longest time to be back (hours)"), help_text=gettext_lazy("Each drill measures how long a restore takes."))

    class Meta:
        model = System
        fields = ("title", "rpo_target", "rto_target")


@shell.page
@require_http_methods(["GET", "HEAD", "POST"])
def system_settings(request: shell.Request, system_id: int) -> HttpResponseBase:
    """The name to show and the targets."""
    one = opened(request, system_id)
    if request.method == "POST":
        access.require(request.user, Role.ADMINISTRATOR, one)
    form = SystemForm(request.POST or None, instance=one)
    if request.method == "POST" and form.is_valid():
        form.save()
        told = message(gettext_noop("The settings of {system} were changed"), system=one.name)
        records.append(one.organisation, "estate.settings", told, actor=access.actor(request.user), system=one, data={"changed": form.changed_data})
        messages.success(request, _("Saved."))
        return redirect("system_settings", system_id=one.pk)
    return render(request, "systems/settings.html", {**heading(request, one, "settings"), "form": form})
