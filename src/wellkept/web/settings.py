"""Settings of an organisation: people, plans, repositories, tokens."""

from typing import Any

from django import forms
from django.conf import settings as configuration
from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from wellkept.backups import forget
from wellkept.backups import repositories as keeping
from wellkept.backups.models import BackupState, Repository
from wellkept.estate import access
from wellkept.estate import people as members
from wellkept.estate import tokens as keys
from wellkept.estate.access import visible_to
from wellkept.estate.errors import EstateError
from wellkept.estate.models import ApiToken, Membership, Organisation, Role, System
from wellkept.lib.text import message
from wellkept.operations import records, registry
from wellkept.operations import schedule as schedules_of
from wellkept.operations.models import Schedule
from wellkept.operations.schedule_words import describe
from wellkept.planning import retention
from wellkept.web import account, forgetting, shell, status, titles, windows
from wellkept.web.told import refusal

FORM = ["GET", "HEAD", "POST"]
PLANNABLE = ("backups.take", "backups.drill", "upgrades.look")
CRON = "cron"


class OrganisationForm(forms.ModelForm):  # type: ignore[type-arg]
    """What is true for the whole organisation."""

    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=configuration.LANGUAGES)
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"), choices=account.zones)

    class Meta:
        model = Organisation
        fields = ("name", "language", "time_zone")


@shell.page
@require_http_methods(FORM)
def index(request: shell.Request) -> HttpResponseBase:
    """The organisation itself."""
    if request.method == "POST":
        access.require(request.user, Role.ADMINISTRATOR, request.organisation)
    one = request.organisation
    form = OrganisationForm(request.POST or None, instance=one)
    if request.method == "POST" and form.is_valid():
        form.save()
        told = message(gettext_noop("The settings of {system} were changed"), system=one.slug)
        records.append(one, "estate.settings", told, actor=access.actor(request.user), data={"changed": form.changed_data})
        messages.success(request, _("Saved."))
        return redirect("settings")
    return render(request, "settings/organisation.html", {"form": form, "tab": "organisation", "status_address": status.address(request, one)})


@shell.page
@require_safe
def people(request: shell.Request) -> HttpResponseBase:
    """Who may do what here."""
    access.require(request.user, Role.ADMINISTRATOR, request.organisation)
    rows = Membership.objects.filter(organisation=request.organisation).select_related("person", "system").order_by("person__email", "system__name")
    rows = rows.annotate(factors=Count("person__authenticator", distinct=True))
    return render(request, "settings/people.html", {"members": rows, "roles": Role.choices, "tab": "people"})


class InviteForm(forms.Form):
    """A new member."""

    email = forms.EmailField(label=gettext_lazy("E-mail"))
    name = forms.CharField(label=gettext_lazy("Name"), required=False, max_length=200)
    role = forms.ChoiceField(
        label=gettext_lazy("Role"),
        choices=Role.choices,
        help_text=gettext_lazy(
            "Viewers read. Operators also back up and run drills. Approvers also agree to risky work. Administrators also manage people and settings."
        ),
    )
    system = forms.ModelChoiceField(
        label=gettext_lazy("Only for this system"), queryset=System.objects.none(), required=False, empty_label=gettext_lazy("All systems")
    )


@shell.page
@require_http_methods(FORM)
def invite(request: shell.Request) -> HttpResponseBase:
    """Make somebody a member; the first password is shown once."""
    access.require(request.user, Role.ADMINISTRATOR, request.organisation)
    form = InviteForm(request.POST or None)
    form.fields["system"].queryset = visible_to(request.user, System).filter(organisation=request.organisation)  # type: ignore[attr-defined]
    if request.method == "POST" and form.is_valid():
        wish = form.cleaned_data
        try:
            person, password = members.invite(
                request.organisation, wish["email"], wish["role"], who=request.user, name=wish["name"], system=wish["system"]
            )
        except EstateError as error:
            form.add_error(None, refusal(error))
        else:
            return once(request, "settings/invited.html", {"person": person, "password": password, "tab": "people"})
    return render(
        request,
        "settings/form.html",
        {"form": form, "tab": "people", "title": _("Invite somebody"), "button": _("Invite"), "back": "settings_people"},
    )


@shell.page
@require_POST
def member(request: shell.Request, membership_id: int) -> HttpResponseBase:
    """Give a member another role, or end the membership, or a new password."""
    access.require(request.user, Role.ADMINISTRATOR, request.organisation)
    one = get_object_or_404(Membership.objects.select_related("person", "system"), pk=membership_id, organisation=request.organisation)
    try:
        if "password" in request.POST:
            return once(
                request,
                "settings/invited.html",
                {"person": one.person, "password": members.reset_password(one.person, who=request.user), "tab": "people"},
            )
        role = None if "remove" in request.POST else request.POST.get("role", "")
        members.set_role(request.organisation, one.person, role, who=request.user, system=one.system)
        messages.success(request, _("Saved."))
    except (EstateError, access.Denied) as error:
        messages.error(request, refusal(error))
    return redirect("settings_people")


def once(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """A page with something secret that is shown this one time and kept by nobody on the way."""
    response = render(request, template, context)
    response.headers["Cache-Control"] = "no-store"
    return response


@shell.page
@require_safe
def schedules(request: shell.Request) -> HttpResponseBase:
    """What is done again and again."""
    rows = (
        visible_to(request.user, Schedule)
        .filter(organisation=request.organisation)
        .select_related("system", "last_run")
        .order_by("system__name", "operation", "pk")
    )
    lines = [{"one": one, "title": titles.operation(one.operation), "when": describe(one.cron, one.time_zone)} for one in rows]
    return render(request, "settings/schedules.html", {"lines": lines, **windows.declared(request), "tab": "schedules"})


class ScheduleForm(forms.Form):
    """When something is done again and again: every day, week or month at a time, or any cron expression."""

    operation = forms.ChoiceField(
        label=gettext_lazy("What"), choices=lambda: [(name, titles.operation(name)) for name in PLANNABLE if name in registry.registered()]
    )
    system = forms.ModelChoiceField(label=gettext_lazy("System"), queryset=System.objects.none())
    rhythm = forms.ChoiceField(
        label=gettext_lazy("How often"),
        choices=[
            ("{minute} {hour} * * *", gettext_lazy("Every day")),
            ("{minute} {hour} * * 0", gettext_lazy("Every Sunday")),
            ("{minute} {hour} 1 * *", gettext_lazy("On the first of every month")),
            (CRON, gettext_lazy("By a cron expression")),
        ],
    )
    time = forms.TimeField(label=gettext_lazy("At"), initial="02:30", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"), required=False)
    cron = forms.CharField(
        label=gettext_lazy("Cron expression"),
        required=False,
        max_length=100,
        help_text=gettext_lazy("Minute, hour, day, month, weekday; only with the last choice above."),
    )
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"), choices=account.zones)

    def clean(self) -> dict[str, Any]:
        """A rhythm needs its time."""
        wish = super().clean() or {}
        if wish.get("rhythm") != CRON and not wish.get("time") and "time" not in self.errors:
            self.add_error("time", _("Say at which time."))
        return wish

    def expression(self) -> str:
        """The cron expression that was meant."""
        wish = self.cleaned_data
        if wish["rhythm"] == CRON:
            return str(wish["cron"])
        return str(wish["rhythm"]).format(minute=wish["time"].minute, hour=wish["time"].hour)


@shell.page
@require_http_methods(FORM)
def schedule_add(request: shell.Request) -> HttpResponseBase:
    """Plan something."""
    allowed = visible_to(request.user, System, Role.OPERATOR).filter(organisation=request.organisation).order_by("name")
    if not allowed.exists():
        access.require(request.user, Role.OPERATOR, request.organisation)
    form = ScheduleForm(request.POST or None, initial={"time_zone": request.organisation.time_zone, "system": request.GET.get("system")})
    form.fields["system"].queryset = allowed  # type: ignore[attr-defined]
    if request.method == "POST" and form.is_valid():
        wish = form.cleaned_data
        try:
            schedules_of.add(
                request.organisation, wish["operation"], form.expression(), who=request.user, time_zone=wish["time_zone"], system=wish["system"]
            )
        except EstateError as error:
            form.add_error("cron", refusal(error))
        else:
            messages.success(request, _("Planned."))
            return redirect("settings_schedules")
    return render(
        request,
        "settings/form.html",
        {"form": form, "tab": "schedules", "title": _("Plan something"), "button": _("Plan it"), "back": "settings_schedules"},
    )


class CronForm(forms.Form):
    """A changed time."""

    cron = forms.CharField(label=gettext_lazy("Cron expression"), max_length=100, help_text=gettext_lazy("Minute, hour, day, month, weekday."))
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"), choices=account.zones)


@shell.page
@require_http_methods(FORM)
def schedule(request: shell.Request, schedule_id: int) -> HttpResponseBase:
    """One plan: its next times; change, pause, resume or remove it."""
    one = get_object_or_404(
        visible_to(request.user, Schedule).exclude(cron=schedules_of.ONCE).select_related("system", "organisation", "last_run"), pk=schedule_id
    )
    shell.look_at(request, one.organisation)
    form = CronForm(request.POST if "cron" in request.POST else None, initial={"cron": one.cron, "time_zone": one.time_zone})
    if request.method == "POST":
        access.require(request.user, Role.OPERATOR, one)
        try:
            done = change(request, one, form)
        except EstateError as error:
            form.add_error("cron", refusal(error))
            done = False
        if done:
            messages.success(request, _("Saved."))
            return redirect("settings_schedules")
    role = access.role_on(request.user, one.organisation, one.system)
    context = {
        "one": one,
        "form": form,
        "title": titles.operation(one.operation),
        "when": describe(one.cron, one.time_zone),
        "upcoming": schedules_of.upcoming(one.cron, one.time_zone) if one.enabled else [],
        "may_operate": role is not None and role != Role.VIEWER,
        "tab": "schedules",
    }
    return render(request, "settings/schedule.html", context)


def change(request: shell.Request, one: Schedule, form: CronForm) -> bool:
    """Do what the pressed button says; False when the form is not valid."""
    if "pause" in request.POST:
        schedules_of.pause(one, who=request.user)
    elif "resume" in request.POST:
        schedules_of.resume(one, who=request.user)
    elif "remove" in request.POST:
        schedules_of.remove(one, who=request.user)
    elif form.is_valid():
        schedules_of.edit(one, who=request.user, cron=form.cleaned_data["cron"], time_zone=form.cleaned_data["time_zone"])
    else:
        return False
    return True


@shell.page
@require_safe
def repositories(request: shell.Request) -> HttpResponseBase:
    """Where backups are kept."""
    rows = visible_to(request.user, Repository).filter(organisation=request.organisation).order_by("name")
    rows = rows.annotate(good=Count("backups", filter=Q(backups__state=BackupState.GOOD)))
    return render(request, "settings/repositories.html", {"repositories": rows, "tab": "repositories"})


@shell.page
@require_http_methods(FORM)
def repository(request: shell.Request, repository_id: int) -> HttpResponseBase:
    """One repository: its recovery key (once), its rules, and how much they would forget."""
    one = get_object_or_404(visible_to(request.user, Repository).select_related("organisation"), pk=repository_id)
    shell.look_at(request, one.organisation)
    if request.method == "POST":
        access.require(request.user, Role.ADMINISTRATOR, one)
        try:
            if "recovery" in request.POST:
                return handed_over(one, keeping.recovery_key(one, actor=access.actor(request.user)))
        except EstateError as error:
            messages.error(request, refusal(error))
    lines = forgetting.shown(request, one, forget.preview(one))
    context = {"one": one, "rules": retention.rules(one.retention), "goes": [line for line in lines if not line.keep], "tab": "repositories"}
    return render(request, "settings/repository.html", context)


def handed_over(one: Repository, key: str) -> HttpResponse:
    """The recovery key as a file; after this it is kept nowhere here."""
    response = HttpResponse(key, content_type="text/plain; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{one.name}-recovery-key.txt"'
    response.headers["Cache-Control"] = "no-store"
    return response


class TokenForm(forms.Form):
    """A new token."""

    name = forms.CharField(label=gettext_lazy("What uses it"), max_length=100)
    scope = forms.ChoiceField(label=gettext_lazy("May act as"), choices=Role.choices)
    days = forms.IntegerField(label=gettext_lazy("Valid for (days)"), min_value=1, max_value=730, initial=90)


@shell.page
@require_http_methods(FORM)
def tokens(request: shell.Request) -> HttpResponseBase:
    """The person's tokens for the API; administrators see all of the organisation."""
    form = TokenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        wish = form.cleaned_data
        try:
            token, text = keys.create(request.user, request.organisation, wish["name"], scope=wish["scope"], days=wish["days"], who=request.user)
        except EstateError as error:
            form.add_error(None, refusal(error))
        else:
            return once(request, "settings/token.html", {"token": token, "text": text, "tab": "tokens"})
    rows = visible_to(request.user, ApiToken).filter(organisation=request.organisation).select_related("person").order_by("expires_at")
    return render(request, "settings/tokens.html", {"form": form, "tokens": rows, "now": timezone.now(), "tab": "tokens"})


@shell.page
@require_POST
def token_revoke(request: shell.Request, token_id: int) -> HttpResponseBase:
    """End a token now."""
    one = get_object_or_404(visible_to(request.user, ApiToken).select_related("person", "organisation"), pk=token_id)
    keys.revoke(one, who=request.user)
    messages.success(request, _("The token has ended."))
    return redirect("settings_tokens")
