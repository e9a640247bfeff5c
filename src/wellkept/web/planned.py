"""When an upgrade starts by itself: chosen and called off on its page."""

from datetime import datetime

from django import forms
from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from wellkept.estate import access
from wellkept.estate.models import Role
from wellkept.upgrades import planned
from wellkept.web import shell
from wellkept.web.way import opened, said


class PlanForm(forms.Form):
    """When it starts: a moment with its offset, as the page offers it, or the local time that somebody typed."""

    start = forms.CharField(max_length=40)

    def clean_start(self) -> datetime:
        """The moment, aware."""
        try:
            typed = datetime.fromisoformat(self.cleaned_data["start"])
        except ValueError as error:
            raise forms.ValidationError(_("Say when it starts.")) from error
        return typed if timezone.is_aware(typed) else timezone.make_aware(typed)


@shell.page
@require_POST
def plan(request: shell.Request, system_id: int, target: str) -> HttpResponseBase:
    """Choose when it starts by itself, after the name of the system was typed; or call that off."""
    if "end" in request.POST:
        done = _("It is not started by itself any more.")
        return said(request, system_id, target, Role.APPROVER, lambda place: planned.call_off(place, who=request.user), done)
    one, _path = opened(request, system_id, target)
    access.require(request.user, Role.ADMINISTRATOR, one)
    form = PlanForm(request.POST)
    if request.POST.get("confirm") != one.name or not form.is_valid():
        messages.error(request, _("Nothing was planned: choose when, and type the name of the system."))
        return redirect("upgrade_way", one.pk, target)
    at = form.cleaned_data["start"]
    done = _("Planned. It starts by itself if every gate is open then.")
    return said(request, system_id, target, Role.ADMINISTRATOR, lambda place: planned.plan(place, target, at, who=request.user), done)
