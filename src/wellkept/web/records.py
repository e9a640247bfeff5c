"""Records: the tamper-evident history, searched, verified and exported."""

import re
import uuid
from typing import Any

import django_filters
import django_tables2 as tables
from django.core.cache import cache
from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from wellkept.estate import access
from wellkept.estate.access import visible_to
from wellkept.estate.models import Organisation, Role, System
from wellkept.operations import records as history
from wellkept.operations.models import Checkpoint, MaintenanceType, Record, Run
from wellkept.web import lists, runs, shell, titles
from wellkept.web.told import told

FORMS = {"jsonl": "application/jsonl; charset=utf-8", "csv": "text/csv; charset=utf-8"}
YEAR = re.compile(r"20\d\d")
VERIFIED_FOR = 7 * 86400


class RecordTable(lists.Table):
    """The columns of the list of records."""

    number = tables.TemplateColumn("{{ record.number|amount }}", verbose_name=gettext_lazy("No."), attrs={"td": {"class": "num quiet"}})
    summary = tables.TemplateColumn(
        '<a class="row-link" href="{% url \'record\' record.pk %}">{{ record.summary|say }}</a>'
        '{% if record.run_id and record.kind|operation != record.kind %}<span class="sub">{{ record.kind|operation }}</span>{% endif %}',
        verbose_name=gettext_lazy("What"),
        orderable=False,
    )
    system_name = tables.Column(verbose_name=gettext_lazy("System"))
    maintenance_type = tables.TemplateColumn("{{ record.get_maintenance_type_display }}", verbose_name=gettext_lazy("Type"))
    actor = tables.Column(verbose_name=gettext_lazy("By"), attrs={"td": {"class": "break"}})
    at = tables.TemplateColumn("{{ record.at|ago }}", verbose_name=gettext_lazy("When"), attrs={"td": {"class": "nowrap"}})

    class Meta(lists.Table.Meta):
        order_by = "-number"

    def value_number(self, record: Record) -> int:
        return record.number

    def value_summary(self, record: Record) -> str:
        return told(record.summary)

    def value_maintenance_type(self, record: Record) -> str:
        return str(record.get_maintenance_type_display())

    def value_at(self, record: Record) -> Any:
        return record.at


class RecordFilters(lists.Filters):
    """What the record can be narrowed by; a year in the search ("erp1 backup 2026") means that year."""

    q = django_filters.CharFilter(method="search", label=gettext_lazy("Search"))
    type = django_filters.ChoiceFilter(field_name="maintenance_type", choices=MaintenanceType.choices, label=gettext_lazy("Type"))
    system = django_filters.ModelChoiceFilter(queryset=runs.systems_of, label=gettext_lazy("System"))
    year = django_filters.ChoiceFilter(
        field_name="at__year",
        choices=lambda: [(str(year), str(year)) for year in range(timezone.localdate().year, 2025, -1)],
        label=gettext_lazy("Year"),
    )

    def search(self, rows: Any, _name: str, value: str) -> Any:
        return matching(rows, value)


def matching(rows: Any, text: str) -> Any:
    """The records that fit every word: a year, or a part of the kind, the system, the actor, the sentence or an operation's title."""
    rows = rows.annotate(told=Cast("summary", TextField()))
    for word in text.split():
        if YEAR.fullmatch(word):
            rows = rows.filter(at__year=int(word))
            continue
        if word == "·":
            continue
        kinds = [name for name, title in titles.operations() if word.lower() in title.lower()]
        fits = Q(kind__icontains=word) | Q(system_name__icontains=word) | Q(actor__icontains=word) | Q(told__icontains=word) | Q(kind__in=kinds)
        rows = rows.filter(fits)
    return rows


@shell.page
@require_safe
def records(request: shell.Request) -> HttpResponseBase:
    """The history as a list."""
    rows = visible_to(request.user, Record).filter(organisation=request.organisation)
    filters = RecordFilters(request.GET, rows, request=request)
    empty = lists.Empty(
        "history",
        _("Nothing is written yet"),
        _("Every run and every decision is written here, and nothing can be changed afterwards."),
        _("Systems"),
        shell.link("systems"),
    )
    whole = access.role_on(request.user, request.organisation) is not None
    context = {
        "verification": cache.get(_key(request.organisation)),
        "checkpoint": last_checkpoint(request),
        "may_export": whole,
        "may_verify": whole,
    }
    return lists.listing(
        request, RecordTable(filters.qs.defer("data")), filters, template="records/records.html", empty=empty, context=context, export_name="records"
    )


def last_checkpoint(request: shell.Request) -> Checkpoint | None:
    """The newest signed statement about the history."""
    return visible_to(request.user, Checkpoint).filter(organisation=request.organisation).order_by("-number", "-pk").first()


@shell.page
@require_safe
def record(request: shell.Request, record_id: int) -> HttpResponseBase:
    """One entry with its evidence."""
    one = get_object_or_404(visible_to(request.user, Record).select_related("organisation", "system"), pk=record_id)
    shell.look_at(request, one.organisation)
    near = visible_to(request.user, Record).filter(organisation=one.organisation, number__in=[one.number - 1, one.number + 1])
    return render(
        request,
        "records/record.html",
        {
            "one": one,
            "neighbours": {record.number - one.number: record for record in near.only("number")},
            "run": visible_to(request.user, Run).filter(pk=one.run_id or uuid.UUID(int=0)).first(),
            "system": visible_to(request.user, System).filter(pk=one.system_id or 0).first(),
            "facts": flat(one.data),
        },
    )


def flat(data: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Plain data as lines of name and value."""
    if isinstance(data, dict):
        return [line for key, value in data.items() for line in flat(value, f"{prefix} › {key}" if prefix else str(key))]
    if isinstance(data, list):
        if all(not isinstance(item, dict | list) for item in data):
            return [(prefix, ", ".join(str(item) for item in data))]
        return [line for number, item in enumerate(data, 1) for line in flat(item, f"{prefix} {number}")]
    return [(prefix, str(data))]


@shell.page
@require_POST
def verify(request: shell.Request) -> HttpResponseBase:
    """Check the whole chain now."""
    access.require(request.user, Role.VIEWER, request.organisation)
    found = history.verify(request.organisation)
    told = {"ok": found.ok, "entries": found.entries, "reason": found.reason, "at": timezone.now()}
    cache.set(_key(request.organisation), told, VERIFIED_FOR)
    return render(request, "records/badge.html", {"verification": told, "checkpoint": last_checkpoint(request), "may_verify": True})


@shell.page
@require_safe
def export(request: shell.Request, form: str) -> HttpResponseBase:
    """The whole record as a file: JSON Lines that can be verified elsewhere, or CSV."""
    if form not in FORMS:
        raise Http404
    access.require(request.user, Role.VIEWER, request.organisation)
    return lists.download(history.export(request.organisation, form), f"record-{request.organisation.slug}", form, FORMS[form])


def _key(organisation: Organisation) -> str:
    return f"record-verified-{organisation.pk}"
