"""The notes of an upgrade on pages: all of them, one with its versions, and the editor."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from wellkept.adapters.base import AdapterError
from wellkept.estate import access
from wellkept.estate.access import Denied, visible_to
from wellkept.estate.errors import EstateError, NotFound
from wellkept.estate.models import Role
from wellkept.upgrades import revise
from wellkept.upgrades.models import NoteVersion
from wellkept.upgrades.revise import Jump
from wellkept.web import shell, systems
from wellkept.web.told import refusal

FORM = ["GET", "HEAD", "POST"]
SQL = {"rows": 4, "spellcheck": "false", "class": "mono"}


class NoteForm(forms.Form):
    """What a note says."""

    name = forms.CharField(label=gettext_lazy("Short name"), max_length=80, help_text=gettext_lazy("Small letters, digits, points and hyphens."))
    title = forms.CharField(label=gettext_lazy("Title"), max_length=200)
    phase = forms.ChoiceField(
        label=gettext_lazy("When"), choices=[("before", gettext_lazy("before the migration")), ("after", gettext_lazy("after the migration"))]
    )
    why = forms.CharField(label=gettext_lazy("Why it is needed"), widget=forms.Textarea(attrs={"rows": 2}), max_length=2000)
    source = forms.CharField(label=gettext_lazy("Where this comes from"), max_length=300, required=False)
    modules = forms.CharField(
        label=gettext_lazy("Only with these modules"), required=False, max_length=2000, help_text=gettext_lazy("Names, with spaces between them.")
    )
    condition = forms.CharField(
        label=gettext_lazy("Condition (SQL)"),
        required=False,
        widget=forms.Textarea(attrs=SQL),
        help_text=gettext_lazy("A query that gives true or false; empty: always."),
    )
    action = forms.CharField(
        label=gettext_lazy("Action (SQL)"),
        required=False,
        widget=forms.Textarea(attrs=SQL),
        help_text=gettext_lazy("It may run again without harm; empty: only a person can do it, as said above."),
    )
    check = forms.CharField(
        label=gettext_lazy("Check (SQL)"),
        widget=forms.Textarea(attrs=SQL),
        help_text=gettext_lazy(
            "A query that gives true once what the note is for is so. If it gives false after the action, the action is taken back."
        ),
    )
    reason = forms.CharField(label=gettext_lazy("Reason for this change"), max_length=2000)

    def content(self, before: revise.Standing | None) -> dict[str, Any]:
        """The fields of the note; what the form does not show stays as it was."""
        given = {name: self.cleaned_data[name] for name in ("title", "phase", "why", "source", "condition", "action", "check")}
        replaced = list(before.note.replaced_by) if before is not None else []
        return {**given, "modules": self.cleaned_data["modules"].replace(",", " ").split(), "replaced_by": replaced}


@shell.page
@require_safe
def notes(request: shell.Request, system_id: int, current: str, target: str) -> HttpResponseBase:
    """All notes of a jump in the order in which they run, and where each stands."""
    way = opened(request, system_id, current, target)
    return render(request, "upgrades/notes.html", {"way": way, "notes": revise.standings(way), **rights(request, way)})


@shell.page
@require_http_methods(FORM)
def add(request: shell.Request, system_id: int, current: str, target: str) -> HttpResponseBase:
    """A new note of the system."""
    way = opened(request, system_id, current, target)
    access.require(request.user, Role.ADMINISTRATOR, way.system)
    return edited(request, way, None)


@shell.page
@require_http_methods(FORM)
def note(request: shell.Request, system_id: int, current: str, target: str, name: str) -> HttpResponseBase:
    """One note: what it does, its versions, and for administrators the editor."""
    way = opened(request, system_id, current, target)
    try:
        found = revise.standing(way, name)
    except NotFound as error:
        raise Http404 from error
    if request.method == "POST":
        access.require(request.user, Role.ADMINISTRATOR, way.system)
    if "leave-out" in request.POST:
        return done(request, way, found)
    return edited(request, way, found)


def done(request: shell.Request, way: Jump, found: revise.Standing) -> HttpResponseBase:
    """Leave a note out."""
    try:
        revise.leave_out(way, found.note.id, reason=request.POST.get("reason", ""), who=request.user)
    except EstateError as error:
        messages.error(request, refusal(error))
    else:
        messages.success(request, _("Saved. A second person has to approve it before production takes it."))
    return redirect("upgrade_note", way.system.pk, way.current, way.target, found.note.id)


def edited(request: shell.Request, way: Jump, found: revise.Standing | None) -> HttpResponseBase:
    """The page of a note with its form, or the new version that was entered."""
    form = NoteForm(request.POST or None, initial=initial(found))
    if found is not None:
        form.fields["name"].disabled = True
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        try:
            revise.write(way, name, form.content(found), reason=form.cleaned_data["reason"], who=request.user)
        except EstateError as error:
            form.add_error(None, refusal(error))
        else:
            messages.success(request, _("Saved. A second person has to approve it before production takes it."))
            return redirect("upgrade_note", way.system.pk, way.current, way.target, name)
    versions = [one for one in way.versions() if found is not None and one.name == found.note.id]
    return render(request, "upgrades/note.html", {"way": way, "found": found, "form": form, "versions": versions, **rights(request, way)})


@shell.page
@require_POST
def approve(request: shell.Request, version_id: int) -> HttpResponseBase:
    """Let production take a version."""
    one = get_object_or_404(visible_to(request.user, NoteVersion).select_related("system", "organisation"), pk=version_id)
    shell.look_at(request, one.organisation)
    access.require(request.user, Role.APPROVER, one)
    try:
        revise.approve(one, who=request.user)
    except (EstateError, Denied) as error:
        messages.error(request, refusal(error))
    else:
        messages.success(request, _("Approved: production takes it from now on."))
    return redirect("upgrade_note", one.system_id, one.current, one.target, one.name)


def initial(found: revise.Standing | None) -> dict[str, Any]:
    """What the form shows first."""
    if found is None:
        return {}
    note = found.note
    texts = {name: getattr(note, name) for name in ("title", "phase", "why", "source", "condition", "action", "check")}
    return {**texts, "name": note.id, "modules": " ".join(note.modules)}


def rights(request: shell.Request, way: Jump) -> dict[str, Any]:
    """What the person may do with the notes of this system."""
    held = access.role_on(request.user, way.system.organisation, way.system)
    order = list(Role)
    return {
        "may_administer": held == Role.ADMINISTRATOR,
        "may_approve": held is not None and order.index(held) >= order.index(Role.APPROVER),
        "person": request.user,
    }


def opened(request: shell.Request, system_id: int, current: str, target: str) -> Jump:
    """The jump of the page. Raises Http404 for a system that the person may not see, and for a jump that is none."""
    one = systems.opened(request, system_id)
    try:
        return revise.jump(one, current, target)
    except (EstateError, AdapterError) as error:
        raise Http404 from error
