"""What people say of an upgrade, for those who act on it: read, taken up, settled with a note, exported."""

import csv
import io
import json

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from wellkept.estate import access
from wellkept.estate.access import visible_to
from wellkept.estate.errors import EstateError
from wellkept.estate.models import Role
from wellkept.lib import csvsafe
from wellkept.upgrades import opinions
from wellkept.upgrades.models import Answer, Opinion, Upgrade
from wellkept.web import shell
from wellkept.web.aftercare import opened
from wellkept.web.told import refusal


@shell.page
@require_safe
def page(request: shell.Request, upgrade_id: int) -> HttpResponseBase:
    """Every answer with who gave it and who looks after it; with ``?export=csv`` or ``json`` a file of them."""
    one = opened(request, upgrade_id)
    access.require(request.user, Role.OPERATOR, one)
    rows = list(opinions.said(one))
    if request.GET.get("export") in {"csv", "json"}:
        return export(one, rows, request.GET["export"])
    counts = [{"word": word.label, "count": sum(row.answer == word for row in rows)} for word in Answer]
    return render(request, "upgrades/opinions.html", {"one": one, "rows": rows, "counts": counts, "me": access.actor(request.user)})


def export(one: Upgrade, rows: list[Opinion], form: str) -> HttpResponse:
    """The answers as a file."""
    plain = [opinions.plain(row) for row in rows]
    name = f"{one.system.name}-{one.version}-answers.{form}"
    if form == "json":
        text, kind = json.dumps(plain, default=str, ensure_ascii=False, indent=1), "application/json"
    else:
        made = io.StringIO()
        writer = csv.writer(made)
        writer.writerow(opinions.COLUMNS)
        writer.writerows([csvsafe.cell(row[column]) for column in opinions.COLUMNS] for row in plain)
        text, kind = made.getvalue(), "text/csv; charset=utf-8"
    return HttpResponse(text, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@shell.page
@require_POST
def handle(request: shell.Request, opinion_id: int) -> HttpResponseBase:
    """Take an answer up, or settle it."""
    one = get_object_or_404(visible_to(request.user, Opinion).select_related("upgrade__organisation"), pk=opinion_id)
    shell.look_at(request, one.upgrade.organisation)
    access.require(request.user, Role.OPERATOR, one)
    act, note = (opinions.settle if "settle" in request.POST else opinions.take_up), request.POST.get("note", "")[:2000]
    try:
        act(one, note, who=request.user)
    except EstateError as error:
        messages.error(request, refusal(error))
    else:
        messages.success(request, _("Saved."))
    return redirect("upgrade_opinions", upgrade_id=one.upgrade_id)
