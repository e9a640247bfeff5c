"""The time after an upgrade: how it works since, what people say of it, and what it left."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from wellkept.estate import access
from wellkept.estate.access import visible_to
from wellkept.estate.models import Role
from wellkept.upgrades import aftercare, kept, opinions
from wellkept.upgrades.models import Answer, Opinion, Upgrade, UpgradeState
from wellkept.web import backups, shell

WORDS = {
    "fails": ("act", "alert-triangle", gettext_lazy("does not work")),
    "slower": ("watch", "arrow-up", gettext_lazy("slower")),
    "same": ("well", "check", gettext_lazy("as before")),
    "faster": ("well", "arrow-down", gettext_lazy("faster")),
    "unknown": ("calm", "help", gettext_lazy("too few to say")),
}


class OpinionForm(forms.Form):
    """One question and one comment."""

    answer = forms.ChoiceField(label=gettext_lazy("How is your work since the upgrade?"), choices=Answer, widget=forms.RadioSelect)
    comment = forms.CharField(label=gettext_lazy("What should we know?"), max_length=2000, required=False, widget=forms.Textarea)


@shell.page
@require_safe
def after(request: shell.Request, upgrade_id: int) -> HttpResponseBase:
    """How it works since the upgrade in one sentence, then every transaction, what people say, and what the upgrade left."""
    one = opened(request, upgrade_id)
    found = aftercare.report(one)
    mine = Opinion.objects.filter(upgrade=one, person=request.user).first()
    left = kept.keeping(Upgrade.objects.filter(pk=one.pk)).first()
    context = {
        "one": one,
        "report": found,
        "transactions": [line(row) for row in found["transactions"]],
        "opinions": [{"word": Answer(word).label, "count": count} for word, count in found["opinions"].items()],
        "comments": [{**said, "word": Answer(said["answer"]).label} for said in found["comments"]],
        "form": OpinionForm(initial={"answer": mine.answer, "comment": mine.comment} if mine else None),
        "mine": mine,
        "left": left,
        "due": left is not None and kept.due(Upgrade.objects.filter(pk=one.pk)).exists(),
        "days": kept.KEEP_DAYS,
        "may_administer": access.role_on(request.user, one.organisation, one.system) == Role.ADMINISTRATOR,
    }
    return render(request, "upgrades/after.html", context)


def line(row: dict[str, Any]) -> dict[str, Any]:
    """A transaction as the template reads it."""
    tone, icon, word = WORDS[row["word"]]
    return {**row, "tone": tone, "icon": icon, "said": word, "called": row.get("called") or aftercare.transaction(row["name"], {})}


@shell.page
@require_POST
def opinion(request: shell.Request, upgrade_id: int) -> HttpResponseBase:
    """Keep what the person says, in their language."""
    one = opened(request, upgrade_id)
    form = OpinionForm(request.POST)
    if one.closing or one.state != UpgradeState.KEPT:
        messages.error(request, _("The report is closed."))
    elif form.is_valid():
        said = form.cleaned_data
        opinions.answer(one, request.user, said["answer"], said["comment"], get_language() or "en")
        messages.success(request, _("Thank you. You can change it until the report is closed."))
    else:
        messages.error(request, _("Nothing was kept: choose one of the answers."))
    return redirect("upgrade_after", upgrade_id=one.pk)


@shell.page
@require_POST
def remove(request: shell.Request, upgrade_id: int) -> HttpResponseBase:
    """Remove what the upgrade left, after the name of the system was typed, and lead to the run."""
    one = opened(request, upgrade_id)
    access.require(request.user, Role.ADMINISTRATOR, one)
    if request.POST.get("confirm", "").strip() != one.system.name:
        messages.error(request, _("Nothing was removed: the name of the system was not typed as it is."))
        return redirect("upgrade_after", upgrade_id=one.pk)
    return backups.start(request, one.system, "upgrades.remove_kept", {"upgrade_ids": [one.pk], "early": request.POST.get("early") == "1"})


def opened(request: shell.Request, upgrade_id: int) -> Upgrade:
    """The upgrade of the page, with the frame around it. Raises Http404 for one that the person may not see."""
    one = get_object_or_404(visible_to(request.user, Upgrade).select_related("system__organisation", "organisation"), pk=upgrade_id)
    shell.look_at(request, one.organisation)
    return one
