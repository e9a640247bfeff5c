"""The way back on a page: what, to where, what will happen and how long it takes, and then do it."""

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django import forms
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from wellkept.backups import restore as restoring
from wellkept.backups.models import Backup, BackupState, Drill, DrillState
from wellkept.estate import access
from wellkept.estate.access import visible_to
from wellkept.estate.models import Environment, Kind, Role
from wellkept.lib.paths import unused
from wellkept.operations import runtime
from wellkept.operations.errors import Failed
from wellkept.web import shell
from wellkept.web.told import told


class RestoreForm(forms.Form):
    """To where: a new folder below an allowed place, and a new database on a known server."""

    place = forms.ChoiceField(label=gettext_lazy("Place"))
    folder = forms.RegexField(
        r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
        label=gettext_lazy("New folder"),
        max_length=120,
        help_text=gettext_lazy("It must be empty or not exist yet; the files, the settings and the dump go there."),
        error_messages={"invalid": gettext_lazy("Use letters, digits, hyphens, underscores and dots.")},
    )
    database = forms.RegexField(
        r"^[A-Za-z0-9_][A-Za-z0-9_-]*$",
        label=gettext_lazy("New database (optional)"),
        max_length=63,
        required=False,
        help_text=gettext_lazy("A database of this name must not exist yet. Its books are compared with the backup at the end."),
        error_messages={"invalid": gettext_lazy("Use letters, digits, hyphens and underscores.")},
    )
    environment = forms.ModelChoiceField(
        label=gettext_lazy("On the database server of"), queryset=Environment.objects.none(), required=False, empty_label=None
    )

    def wish(self, backup: Backup) -> dict[str, Any]:
        """The arguments of the run."""
        chosen = self.cleaned_data
        database = chosen["database"] if chosen.get("environment") is not None else ""
        environment_id = chosen["environment"].pk if database else None
        return {
            "backup_id": backup.pk,
            "folder": str(Path(chosen["place"]) / chosen["folder"]),
            "database": database,
            "environment_id": environment_id,
        }


@dataclass
class Shown:
    """What the form led to: a plan, or the reason why there is none."""

    plan: dict[str, Any] | None = None
    problem: str = ""
    command: str = ""
    answers: dict[str, str] = field(default_factory=dict)


@shell.page
@require_http_methods(["GET", "HEAD", "POST"])
def restore(request: shell.Request, backup_id: int) -> HttpResponseBase:
    """The way back in four steps; operators see the plan, and administrators carry it out, because it makes a full copy of the data."""
    rows = visible_to(request.user, Backup).select_related("system", "organisation", "repository", "environment__system")
    one = get_object_or_404(rows, pk=backup_id)
    shell.look_at(request, one.organisation)
    access.require(request.user, Role.ADMINISTRATOR if request.method == "POST" else Role.OPERATOR, one)
    form = form_of(request, one)
    counts = one.state == BackupState.GOOD
    shown = look(form, one) if counts and form.is_bound and form.is_valid() else Shown()
    unsure = ""
    if request.method == "POST" and shown.plan is not None:
        if not asks_for_name(one) or request.POST.get("confirm", "").strip() == one.system.name:
            run = runtime.submit(
                "backups.restore", organisation=one.organisation, environment=one.environment, arguments=form.wish(one), requested_by=request.user
            )
            return redirect("run", run_id=run.pk)
        unsure = _("Nothing was started: the name of the system was not typed as it is.")
    context = {
        "one": one,
        "form": form,
        "counts": counts,
        "shown": shown,
        "unsure": unsure,
        "asks_for_name": asks_for_name(one),
        "may": access.role_on(request.user, one.organisation, one.system) == Role.ADMINISTRATOR,
        "forecast": restoring.expected(one, database=bool(shown.plan["database"])) if shown.plan is not None else None,
        "proven": Drill.objects.filter(backup=one, state=DrillState.PROVEN).order_by("-started_at").first(),
    }
    return render(request, "backups/restore.html", context)


def asks_for_name(backup: Backup) -> bool:
    """Whether the name of the system has to be typed: the data of production is copied to where fewer people may look after it."""
    return backup.environment.kind == Kind.PRODUCTION


def form_of(request: shell.Request, backup: Backup) -> RestoreForm:
    """The form with what was entered, or with proposals that are free."""
    places = restoring.places(backup.organisation)
    held = access.role_on(request.user, backup.organisation, backup.system) or Role.VIEWER
    servers = visible_to(request.user, Environment, held).filter(system__organisation=backup.organisation, settings__host__isnull=False)
    given = request.POST if request.method == "POST" else request.GET if "folder" in request.GET else None
    form = RestoreForm(given, initial=proposals(backup, places[0]))
    form.fields["place"].choices = [(str(place), str(place)) for place in places]  # type: ignore[attr-defined]
    if len(places) == 1:
        form.fields["place"].widget = forms.HiddenInput()
    form.fields["environment"].queryset = servers.select_related("system").order_by("system__name", "pk")  # type: ignore[attr-defined]
    if not servers.exists():
        del form.fields["database"], form.fields["environment"]
        form.fields["folder"].help_text = _("It must be empty or not exist yet. No database server is known: the database comes as a dump.")
    return form


def proposals(backup: Backup, place: Path) -> dict[str, Any]:
    """A folder that is not there yet, and a database named after the moment of the backup."""
    at = timezone.localtime(backup.snapshot_at or backup.made_at)
    name = backup.system.name.strip("-")
    folder = unused(place, f"{name}-{at:%Y-%m-%d-%H%M}")
    database = re.sub(r"\W", "_", f"{name[:40]}_restored_{at:%Y%m%d}", flags=re.ASCII)
    return {"place": str(place), "folder": folder, "database": database, "environment": backup.environment_id}


def look(form: RestoreForm, backup: Backup) -> Shown:
    """The plan of what was entered, or why it is refused."""
    wish = form.wish(backup)
    answers = {name: str(form.data.get(name, "")) for name in form.fields}
    try:
        return Shown(plan=restoring.plan(**wish), command=command(wish, backup), answers=answers)
    except Failed as refusal:
        return Shown(problem=told(refusal.message))


def command(wish: dict[str, Any], backup: Backup) -> str:
    """The same as a command; empty where the database goes to another environment's server, whose login a command would have to be told."""
    if wish["environment_id"] not in {None, backup.environment_id}:
        return ""
    database = ["--database", wish["database"]] if wish["database"] else []
    return shlex.join(["wellkept", "backup", "restore", str(backup.pk), "--to", wish["folder"], *database])
