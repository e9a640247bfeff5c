"""Upgrades: where each system stands, and what an assessment found."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_POST, require_safe

from wellkept.estate import access
from wellkept.estate.access import visible_to
from wellkept.estate.models import Role, System
from wellkept.upgrades import queries
from wellkept.upgrades.models import Assessment
from wellkept.web import backups, papers, shell, systems

LINES = 20


@shell.page
@require_safe
def upgrades(request: shell.Request) -> HttpResponseBase:
    """Per system: its release, until when it is maintained, the newest assessment, and where it can go."""
    kept = visible_to(request.user, System).filter(organisation=request.organisation).order_by("name")
    page = Paginator(kept, LINES).get_page(request.GET.get("page"))
    lines = [{**facts(line), "may_operate": shell.may(request, Role.OPERATOR, line.system.pk)} for line in queries.lines(page)]
    return render(request, "upgrades/upgrades.html", {"page": page, "lines": lines})


def facts(line: queries.Line) -> dict[str, Any]:
    """A line as the template reads it."""
    names = ("system", "series", "support_end", "newer", "assessment", "days_left", "proposed", "patch", "modules")
    return {name: getattr(line, name) for name in names}


@shell.page
@require_POST
def assess(request: shell.Request, system_id: int) -> HttpResponseBase:
    """Assess the way to a series now, and lead to the run."""
    one = systems.opened(request, system_id)
    access.require(request.user, Role.OPERATOR, one)
    return backups.start(request, one, "upgrades.assess", {"target": request.POST.get("target", "")[:30]})


@shell.page
@require_POST
def look(request: shell.Request, system_id: int) -> HttpResponseBase:
    """Ask for releases now, and lead to the run."""
    one = systems.opened(request, system_id)
    access.require(request.user, Role.OPERATOR, one)
    return backups.start(request, one, "upgrades.look", {})


@shell.page
@require_safe
def assessment(request: shell.Request, assessment_id: int) -> HttpResponseBase:
    """What an upgrade would meet: the verdict and the risks first, everything else folded."""
    one = opened(request, assessment_id)
    newest = Assessment.objects.filter(system=one.system, current=one.current, target=one.target).order_by("-made_at", "-pk").first()
    role = access.role_on(request.user, one.organisation, one.system)
    context = {**papers.content(one), "newer": newest if newest != one else None, "may_operate": role is not None and role != Role.VIEWER}
    return render(request, "upgrades/assessment.html", context)


@shell.page
@require_safe
def assessment_pdf(request: shell.Request, assessment_id: int) -> HttpResponseBase:
    """The same as a PDF in the reader's language."""
    one = opened(request, assessment_id)
    name = f"{one.system.name}-{one.current}-{one.target}.pdf"
    return HttpResponse(papers.pdf(one), content_type="application/pdf", headers={"Content-Disposition": f'attachment; filename="{name}"'})


def opened(request: shell.Request, assessment_id: int) -> Assessment:
    """The assessment of the page, with the frame around it. Raises Http404 for one that the person may not see."""
    one = get_object_or_404(visible_to(request.user, Assessment).select_related("system", "organisation"), pk=assessment_id)
    shell.look_at(request, one.organisation)
    return one
