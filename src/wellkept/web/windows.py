"""When production may be changed: the windows and freezes among the plans of an organisation, and their forms."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from wellkept.estate import access
from wellkept.estate.access import visible_to
from wellkept.estate.errors import EstateError
from wellkept.estate.models import Role, System
from wellkept.operations import windows
from wellkept.operations.models import Freeze, Window
from wellkept.planning import cron
from wellkept.web import account, shell
from wellkept.web.told import refusal, told

FORM = ["GET", "HEAD", "POST"]


def declared(request: shell.Request) -> dict[str, Any]:
    """Windows and freezes of the organisation as the page of plans shows them; freezes that are past are left out."""
    places: Any = {"organisation": request.organisation}
    freezes = visible_to(request.user, Freeze).filter(**places, ends_at__gt=timezone.now()).select_related("system").order_by("starts_at")
    kept = visible_to(request.user, Window).filter(**places).select_related("system").order_by("pk")
    return {"windows": [(one, told(windows.told(one))) for one in kept], "freezes": [(one, told(windows.told(one))) for one in freezes]}


def at(kind: str) -> forms.DateTimeInput:
    """How a moment or a time of the day is typed."""
    return forms.DateTimeInput(attrs={"type": kind}, format="%Y-%m-%dT%H:%M")


class PlaceForm(forms.Form):
    """For which systems it is."""

    system = forms.ModelChoiceField(
        label=gettext_lazy("System"), queryset=System.objects.none(), required=False, empty_label=gettext_lazy("All systems")
    )


class WindowForm(PlaceForm):
    """When production may be changed: every week, or once."""

    days = forms.MultipleChoiceField(
        label=gettext_lazy("Every week on"), choices=list(WEEKDAYS.items()), widget=forms.CheckboxSelectMultiple, required=False
    )
    opens = forms.TimeField(label=gettext_lazy("Opens"), initial="22:00", widget=forms.TimeInput(attrs={"type": "time"}), required=False)
    closes = forms.TimeField(
        label=gettext_lazy("Closes"),
        initial="04:00",
        widget=forms.TimeInput(attrs={"type": "time"}),
        required=False,
        help_text=gettext_lazy("On the next day where this is not after it opens."),
    )
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"), choices=account.zones)
    starts = forms.DateTimeField(label=gettext_lazy("Or once, from"), widget=at("datetime-local"), required=False)
    ends = forms.DateTimeField(label=gettext_lazy("Until"), widget=at("datetime-local"), required=False)

    def clean(self) -> dict[str, Any]:
        """Either days with their times, or two moments, in the time zone of the form."""
        wish = super().clean() or {}
        once, weekly = bool(wish.get("starts") and wish.get("ends")), bool(wish.get("days"))
        if once == weekly:
            raise forms.ValidationError(_("Choose days of the week, or say from when until when; not both."))
        if weekly and not (wish.get("opens") and wish.get("closes")):
            raise forms.ValidationError(_("Say when it opens and when it closes."))
        return wish


class FreezeForm(PlaceForm):
    """When production stays as it is."""

    starts = forms.DateTimeField(label=gettext_lazy("From"), widget=at("datetime-local"))
    ends = forms.DateTimeField(label=gettext_lazy("Until"), widget=at("datetime-local"))
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=500, help_text=gettext_lazy("Shown to everybody it stops."))


@shell.page
@require_http_methods(FORM)
def window_add(request: shell.Request) -> HttpResponseBase:
    """Declare a window."""

    def done(wish: dict[str, Any]) -> Window:
        if wish["days"]:
            days = map(int, wish["days"])
            place = {"who": request.user, "system": wish["system"], "time_zone": wish["time_zone"]}
            return windows.add_weekly(request.organisation, days, wish["opens"], wish["closes"], **place)
        zone = cron.zone(wish["time_zone"])
        starts, ends = (timezone.make_naive(wish[name]).replace(tzinfo=zone) for name in ("starts", "ends"))
        return windows.add_once(request.organisation, starts, ends, who=request.user, system=wish["system"])

    form = WindowForm(request.POST or None, initial={"time_zone": request.organisation.time_zone, "system": request.GET.get("system")})
    return declare(request, form, done, _("Say when production may be changed"))


@shell.page
@require_http_methods(FORM)
def freeze_add(request: shell.Request) -> HttpResponseBase:
    """Declare a freeze."""

    def done(wish: dict[str, Any]) -> Freeze:
        return windows.freeze(request.organisation, wish["starts"], wish["ends"], wish["reason"], who=request.user, system=wish["system"])

    return declare(request, FreezeForm(request.POST or None), done, _("Freeze production for a time"))


def declare(request: shell.Request, form: PlaceForm, done: Callable[[dict[str, Any]], object], title: str) -> HttpResponseBase:
    """The page of a form, or what was entered with it."""
    access.require(request.user, Role.ADMINISTRATOR, request.organisation)
    allowed = visible_to(request.user, System, Role.ADMINISTRATOR).filter(organisation=request.organisation).order_by("name")
    form.fields["system"].queryset = allowed  # type: ignore[attr-defined]
    if request.method == "POST" and form.is_valid():
        try:
            done(form.cleaned_data)
        except (EstateError, access.Denied) as error:
            form.add_error(None, refusal(error))
        else:
            messages.success(request, _("Saved."))
            return redirect("settings_schedules")
    context = {"form": form, "tab": "schedules", "title": title, "button": _("Save"), "back": "settings_schedules"}
    return render(request, "settings/form.html", context)


@shell.page
@require_POST
def window_remove(request: shell.Request, window_id: int) -> HttpResponseBase:
    """Declare a window no more."""
    return remove(request, Window, window_id)


@shell.page
@require_POST
def freeze_remove(request: shell.Request, freeze_id: int) -> HttpResponseBase:
    """End a freeze."""
    return remove(request, Freeze, freeze_id)


def remove(request: shell.Request, model: type[Window] | type[Freeze], number: int) -> HttpResponseBase:
    """Forget a window or a freeze."""
    one = get_object_or_404(visible_to(request.user, model).select_related("system", "organisation"), pk=number)
    windows.remove(one, who=request.user)
    messages.success(request, _("Saved."))
    return redirect("settings_schedules")
