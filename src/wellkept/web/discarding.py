"""Taking an upgrade back though people have worked with it: first what they wrote since, then the word of an administrator, then the run."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.contrib import messages
from django.http import FileResponse, Http404, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from wellkept.adapters.base import WrittenKind
from wellkept.backups.failures import told
from wellkept.estate import access
from wellkept.estate.errors import EstateError, Invalid
from wellkept.estate.models import Environment, Role
from wellkept.lib.text import gettext_noop
from wellkept.operations.errors import Failed
from wellkept.upgrades import discard
from wellkept.upgrades.models import Upgrade
from wellkept.web import backups, shell, words
from wellkept.web.aftercare import opened
from wellkept.web.told import refusal

FORM = ("GET", "HEAD", "POST")
FIRST = 10
"""How many kinds are seen at once; the others are folded."""


@shell.page
@require_http_methods(FORM)
def page(request: shell.Request, upgrade_id: int) -> HttpResponseBase:
    """The plan of what would be lost; with the name typed and the second sentence agreed to, the run."""
    one = opened(request, upgrade_id)
    access.require(request.user, Role.ADMINISTRATOR, one)
    if request.method == "POST":
        return agreed(request, one)
    return render(request, "upgrades/discard.html", {"one": one, **plan(one)})


def agreed(request: shell.Request, one: Upgrade) -> HttpResponseBase:
    """Start it when both words were given and this is the upgrade that can be taken back; lead to its run."""
    if request.POST.get("confirm", "").strip() != one.system.name or request.POST.get("agree") != "1":
        messages.error(request, _("Nothing was started: agree to the second sentence, and type the name of the system."))
        return redirect("upgrade_discard", upgrade_id=one.pk)
    try:
        candidate(one)
    except (EstateError, Failed) as error:
        messages.error(request, _("Nothing was started: {why}").format(why=refusal(error)))
        return redirect("upgrade_discard", upgrade_id=one.pk)
    return backups.start(request, one.system, "upgrades.discard", {"upgrade_id": one.pk, "actor": access.actor(request.user)})


def plan(one: Upgrade) -> dict[str, Any]:
    """What the template needs: the plan, or why there is none."""
    try:
        with told():
            plan = discard.plan(candidate(one))
            kinds = said(plan.kinds)
            return {"plan": plan, "kinds": kinds[:FIRST], "more": kinds[FIRST:]}
    except (EstateError, Failed) as error:
        return {"problem": refusal(error)}


def said(kinds: Sequence[WrittenKind]) -> list[WrittenKind]:
    """The kinds that most was written of first, in the reader's words; tables without a name for people, which only link records, are one line."""
    named = sorted((_in_words(kind) for kind in kinds if kind.title != kind.table), key=lambda kind: -(kind.created + kind.changed + kind.deleted))
    links = [kind for kind in kinds if kind.title == kind.table]
    if not links:
        return named
    people: Counter[str] = Counter()
    for kind in links:
        people.update(kind.people)
    created, changed, deleted = (sum(getattr(kind, name) for kind in links) for name in ("created", "changed", "deleted"))
    return [*named, WrittenKind("", _("Links between records"), created, changed, deleted, dict(people))]


def _in_words(kind: WrittenKind) -> WrittenKind:
    return replace(kind, title=words.kind(kind.called, kind.title))


def candidate(one: Upgrade) -> Upgrade:
    """The upgrade, when it is the one that can be taken back. Raises NotFound, Invalid, and Failed when its server does not answer."""
    with told():
        found = discard.candidate(Environment.objects.select_related("system__organisation").get(pk=one.environment_id))
    if found.pk != one.pk:
        raise Invalid(gettext_noop("only the newest upgrade of a system is taken back"))
    return found


@shell.page
@require_safe
def export(request: shell.Request, upgrade_id: int) -> HttpResponseBase:
    """The archive of what people wrote, for an administrator. Raises Http404 where there is none on this machine."""
    one = opened(request, upgrade_id)
    access.require(request.user, Role.ADMINISTRATOR, one)
    file = archive(one)
    if file is None:
        raise Http404
    return FileResponse(file.open("rb"), as_attachment=True, filename=file.name, headers={"Cache-Control": "no-store"})


def archive(one: Upgrade) -> Path | None:
    """Where the archive lies; None where nothing was exported, or when it is not on this machine."""
    file = Path(one.discarded.get("path") or "")
    return file if one.discarded and file.is_file() else None
