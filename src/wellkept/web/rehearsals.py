"""Rehearsals on pages: those of a system, one with all that it found, and what a person accepts of it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import django_filters
import django_tables2 as tables
from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from wellkept.estate import access
from wellkept.estate.access import Denied, visible_to
from wellkept.estate.errors import EstateError
from wellkept.estate.models import Environment, Kind, Role
from wellkept.upgrades import patch
from wellkept.upgrades.consent import accept, findings
from wellkept.upgrades.models import Acceptance, Rehearsal, RehearsalState
from wellkept.web import backups, found, lists, papers, shell, systems
from wellkept.web.told import refusal


class RehearsalTable(lists.Table):
    """The columns of the list of rehearsals."""

    started_at = tables.TemplateColumn(
        '<a class="row-link" href="{% url \'upgrade_rehearsal\' record.pk %}">{{ record.started_at|ago }}</a>',
        verbose_name=gettext_lazy("Started"),
        attrs={"td": {"class": "nowrap"}},
    )
    way = tables.TemplateColumn(
        "{{ record.current }} → {{ record.version|default:record.target }}",
        verbose_name=gettext_lazy("Way"),
        order_by="target",
        attrs={"td": {"class": "nowrap"}},
    )
    state = tables.TemplateColumn('{% mark "rehearsal" record.state %}', verbose_name=gettext_lazy("State"))
    outcome = tables.TemplateColumn("{{ record.run.outcome|say }}", verbose_name=gettext_lazy("Outcome"), orderable=False)
    rollback_seconds = tables.TemplateColumn(
        "{{ record.rollback_seconds|duration }}",
        verbose_name=gettext_lazy("Taken back in"),
        attrs={"td": {"class": "num nowrap end"}, "th": {"class": "end"}},
    )

    class Meta(lists.Table.Meta):
        order_by = "-started_at"

    def value_started_at(self, record: Rehearsal) -> Any:
        return record.started_at

    def value_way(self, record: Rehearsal) -> str:
        return f"{record.current} → {record.version or record.target}"

    def value_state(self, record: Rehearsal) -> str:
        return str(record.get_state_display())


class RehearsalFilters(lists.Filters):
    """What the list of rehearsals can be narrowed by."""

    q = lists.Search("target", "version")
    state = django_filters.ChoiceFilter(choices=RehearsalState.choices, label=gettext_lazy("State"))


@shell.page
@require_safe
def rehearsals(request: shell.Request, system_id: int) -> HttpResponseBase:
    """The rehearsals of a system, newest first."""
    one = systems.opened(request, system_id)
    rows = visible_to(request.user, Rehearsal).filter(system=one)
    filters = RehearsalFilters(request.GET, rows, request=request)
    empty = lists.Empty(
        "player-play",
        _("Nothing was rehearsed yet"),
        _("A rehearsal does the whole upgrade on a proven copy and takes it back there. Production goes on all the while."),
        command=f"wellkept upgrade rehearse {one.name} --to SERIES",
    )
    shown = filters.qs.select_related("run").defer("log", "judged", "compared", "report")
    return lists.listing(
        request, RehearsalTable(shown), filters, template="upgrades/rehearsals.html", empty=empty, context={"system": one}, export_name="rehearsals"
    )


@shell.page
@require_safe
def rehearsal(request: shell.Request, rehearsal_id: int) -> HttpResponseBase:
    """One rehearsal: its outcome and what to do first, then what was found, how long it took, and what people tried."""
    one = opened(request, rehearsal_id)
    held = access.role_on(request.user, one.organisation, one.system)
    rights = {
        "may_operate": held is not None and held != Role.VIEWER,
        "may_approve": held in {Role.APPROVER, Role.ADMINISTRATOR},
        "may_administer": held == Role.ADMINISTRATOR,
        "person": request.user,
    }
    return render(request, "upgrades/rehearsal.html", {**found.content(one), **rights})


@shell.page
@require_safe
def rehearsal_pdf(request: shell.Request, rehearsal_id: int) -> HttpResponseBase:
    """The same as a PDF in the reader's language."""
    one = opened(request, rehearsal_id)
    name = f"{one.system.name}-{one.current}-{one.target}-rehearsal-{one.pk}.pdf"
    return HttpResponse(papers.rehearsal_pdf(one), content_type="application/pdf", headers={"Content-Disposition": f'attachment; filename="{name}"'})


@shell.page
@require_POST
def rehearse(request: shell.Request, system_id: int) -> HttpResponseBase:
    """Rehearse the way to a series now, and lead to the run."""
    one = systems.opened(request, system_id)
    access.require(request.user, Role.OPERATOR, one)
    target = request.POST.get("target", "")[:30]
    environment = Environment.objects.filter(system=one, kind=Kind.PRODUCTION).first()
    operation = patch.operation("upgrades.rehearse", environment, target) if environment is not None else "upgrades.rehearse"
    return backups.start(request, one, operation, {"target": target})


@shell.page
@require_POST
def accept_finding(request: shell.Request, rehearsal_id: int) -> HttpResponseBase:
    """Accept one finding of a rehearsal."""
    one = opened(request, rehearsal_id)
    access.require(request.user, Role.ADMINISTRATOR, one.system)
    wish = {"rule": request.POST.get("rule") or findings.EXACT, "reason": request.POST.get("reason", "")}
    finding = request.POST.get("finding", "")
    do = partial(accept.accept, one, finding, **wish, who=request.user)
    return _answered(request, do, _("Accepted. The next rehearsal takes it; production once a second person approved it."), one.pk)


@shell.page
@require_POST
def approve(request: shell.Request, acceptance_id: int) -> HttpResponseBase:
    """Let production take what was accepted."""
    word = _word(request, acceptance_id, Role.APPROVER)
    return _answered(request, lambda: accept.approve(word, who=request.user), _("Approved: production takes it from now on."))


@shell.page
@require_POST
def revoke(request: shell.Request, acceptance_id: int) -> HttpResponseBase:
    """Have an acceptance count no more."""
    word = _word(request, acceptance_id, Role.ADMINISTRATOR)
    return _answered(request, lambda: accept.revoke(word, who=request.user), _("Revoked: it counts no more."))


def opened(request: shell.Request, rehearsal_id: int) -> Rehearsal:
    """The rehearsal of the page, with the frame around it. Raises Http404 for one that the person may not see."""
    rows = visible_to(request.user, Rehearsal).select_related("system", "organisation", "run", "environment")
    one = get_object_or_404(rows, pk=rehearsal_id)
    shell.look_at(request, one.organisation)
    return one


def _word(request: shell.Request, acceptance_id: int, role: Role) -> Acceptance:
    word = get_object_or_404(visible_to(request.user, Acceptance).select_related("system", "organisation"), pk=acceptance_id)
    shell.look_at(request, word.organisation)
    access.require(request.user, role, word)
    return word


def _answered(request: shell.Request, do: Callable[[], Acceptance], told: str, rehearsal_id: int | None = None) -> HttpResponseBase:
    """Do it, say what came of it, and go back to the rehearsal that the person came from."""
    try:
        do()
    except (EstateError, Denied) as error:
        messages.error(request, refusal(error))
    else:
        messages.success(request, told)
    number = rehearsal_id if rehearsal_id is not None else request.POST.get("rehearsal", "")
    row = visible_to(request.user, Rehearsal).filter(pk=number).first() if str(number).isdigit() else None
    return redirect("upgrade_rehearsal", row.pk) if row is not None else redirect("upgrades")
