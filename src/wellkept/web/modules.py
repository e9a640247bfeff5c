"""Modules of one's own on a page: what is given for a release, and giving it by its file."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from wellkept.estate import access
from wellkept.estate.access import Denied, visible_to
from wellkept.estate.errors import EstateError
from wellkept.estate.models import Role, System
from wellkept.upgrades import packages, releases
from wellkept.upgrades.models import GivenModule
from wellkept.web import shell, systems
from wellkept.web.told import refusal

FORM = ["GET", "HEAD", "POST"]


class FileForm(forms.Form):
    """The file of a module."""

    file = forms.FileField(
        label=gettext_lazy("Wheel (.whl)"),
        max_length=200,
        help_text=format_lazy(
            gettext_lazy("The file that its build made for this release, up to {most} MB. Nothing of it runs before the rehearsal."),
            most=packages.MOST_BYTES // 1_000_000,
        ),
        widget=forms.FileInput(attrs={"accept": ".whl", "data-most-bytes": packages.MOST_BYTES, "data-too-large": gettext_lazy("It is too large.")}),
    )


@shell.page
@require_http_methods(FORM)
def given(request: shell.Request, system_id: int, target: str) -> HttpResponseBase:
    """What is given for a release, what is still missing, and for administrators the form."""
    one = systems.opened(request, system_id)
    try:
        releases.check(target)
    except EstateError as error:
        raise Http404 from error
    if request.method == "POST":
        access.require(request.user, Role.ADMINISTRATOR, one)
        return received(request, one, target)
    return shown(request, one, target, FileForm())


def received(request: shell.Request, one: System, target: str) -> HttpResponseBase:
    """Give what was sent, or say why not."""
    form = FileForm(request.POST, request.FILES)
    if form.is_valid():
        file = form.cleaned_data["file"]
        try:
            made = packages.receive(one, target, file.name, file.chunks(), who=request.user)
        except (EstateError, Denied) as error:
            form.add_error("file", refusal(error))
        else:
            told = _("{package} {version} is given for {target}. Rehearse the upgrade with it.")
            messages.success(request, told.format(package=made.package, version=made.version, target=target))
            return redirect("upgrade_modules", one.pk, target)
    return shown(request, one, target, form)


def shown(request: shell.Request, one: System, target: str, form: FileForm) -> HttpResponseBase:
    """The page."""
    context: dict[str, Any] = {
        "system": one,
        "target": target,
        "form": form,
        "given": packages.given(one, target),
        "lacking": packages.lacking(one, target),
        "may_administer": access.role_on(request.user, one.organisation, one) == Role.ADMINISTRATOR,
        "may_be_sent": packages.may_be_sent(),
    }
    return render(request, "upgrades/given.html", context)


@shell.page
@require_POST
def take_away(request: shell.Request, module_id: int) -> HttpResponseBase:
    """Give one no more."""
    one = get_object_or_404(visible_to(request.user, GivenModule).select_related("system", "organisation"), pk=module_id)
    shell.look_at(request, one.organisation)
    access.require(request.user, Role.ADMINISTRATOR, one)
    try:
        packages.take_away(one, who=request.user)
    except EstateError as error:
        messages.error(request, refusal(error))
    else:
        messages.success(request, _("{package} is given no more for {target}.").format(package=one.package, target=one.target))
    return redirect("upgrade_modules", one.system_id, one.target)
