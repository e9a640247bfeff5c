"""Forgetting backups on a page: the rules, what they would forget and why the others stay, and then exactly that."""

from dataclasses import asdict

from django import forms
from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from wellkept.backups import forget, repositories
from wellkept.backups.models import Backup, Repository
from wellkept.estate import access
from wellkept.estate.access import visible_to
from wellkept.estate.models import Role
from wellkept.operations import runtime
from wellkept.planning import retention
from wellkept.web import shell


class RetentionForm(forms.Form):
    """How many backups are kept."""

    last = forms.IntegerField(label=gettext_lazy("The last"), min_value=0, max_value=retention.LIMIT)
    daily = forms.IntegerField(label=gettext_lazy("Days"), min_value=0, max_value=retention.LIMIT)
    weekly = forms.IntegerField(label=gettext_lazy("Weeks"), min_value=0, max_value=retention.LIMIT)
    monthly = forms.IntegerField(label=gettext_lazy("Months"), min_value=0, max_value=retention.LIMIT)
    yearly = forms.IntegerField(label=gettext_lazy("Years"), min_value=0, max_value=retention.LIMIT)


def shown(request: shell.Request, repository: Repository, plan: forget.Preview) -> list[forget.Line]:
    """The lines of a preview on backups that the person may see: a repository may hold those of several systems."""
    seen = set(visible_to(request.user, Backup).filter(repository=repository).values_list("pk", flat=True))
    return [line for line in plan.lines if line.backup_id in seen]


@shell.page
@require_http_methods(["GET", "HEAD", "POST"])
def rules(request: shell.Request, repository_id: int) -> HttpResponseBase:
    """The rules of a repository with a preview that follows them while they are typed; save them, or forget what was previewed."""
    one = get_object_or_404(visible_to(request.user, Repository).select_related("organisation"), pk=repository_id)
    shell.look_at(request, one.organisation)
    saved = retention.rules(one.retention)
    given = request.POST if "save" in request.POST else request.GET if "last" in request.GET else None
    form = RetentionForm(given, initial=asdict(saved))
    if request.method == "POST":
        access.require(request.user, Role.ADMINISTRATOR, one)
        if "token" in request.POST:
            return start(request, one)
        if form.is_valid():
            repositories.set_rules(one, form.cleaned_data, actor=access.actor(request.user))
            messages.success(request, _("Saved."))
            return redirect("settings_repository_forget", repository_id=one.pk)
    considered = retention.rules(form.cleaned_data) if form.is_bound and form.is_valid() else saved
    plan = forget.preview(one, considered)
    lines = shown(request, one, plan)
    context = {
        "one": one,
        "form": form,
        "token": plan.token,
        "goes": [line for line in lines if not line.keep],
        "stays": [line for line in lines if line.keep],
        "unsaved": considered != saved,
        "tab": "repositories",
    }
    return render(request, "settings/forget.html", context)


def start(request: shell.Request, one: Repository) -> HttpResponseBase:
    """Forget exactly the previewed backups, after the repository's name was typed; a preview that is out of date forgets nothing."""
    if request.POST.get("confirm", "").strip() != one.name:
        messages.error(request, _("Nothing was forgotten: the name of the repository was not typed as it is."))
    elif request.POST["token"] != forget.preview(one).token:
        messages.error(request, _("Nothing was forgotten: what the rules would forget has changed since the preview. Look at it again."))
    else:
        arguments = {"repository_id": one.pk, "token": request.POST["token"]}
        run = runtime.submit("backups.forget", organisation=one.organisation, arguments=arguments, requested_by=request.user)
        return redirect("run", run_id=run.pk)
    return redirect("settings_repository_forget", repository_id=one.pk)
