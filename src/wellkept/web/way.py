"""The page Upgrade: the five stones of one system's way to a release, its gates, what people say to it, and the button for what comes next."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from wellkept.adapters import registry
from wellkept.backups.failures import told
from wellkept.estate import access
from wellkept.estate.access import Denied
from wellkept.estate.errors import EstateError
from wellkept.estate.models import Environment, Role, System
from wellkept.operations import runtime, windows
from wellkept.operations.errors import Failed
from wellkept.upgrades import gates, packages, planned
from wellkept.upgrades import path as paths
from wellkept.upgrades.consent import agree, waivers
from wellkept.upgrades.models import UpgradeState
from wellkept.web import shell, status, systems
from wellkept.web import told as sentences

HOURS = 24


@shell.page
@require_safe
def way(request: shell.Request, system_id: int, target: str) -> HttpResponseBase:
    """How far the system is on its way to the release, what is in the way, and what comes next."""
    one, found = opened(request, system_id, target)
    role = access.role_on(request.user, one.organisation, one)
    rank = list(Role).index(role) if role is not None else -1
    upcoming = windows.upcoming(found.environment)
    start = planned.standing(one, target)
    context = {
        "system": one,
        "path": found,
        "gates": [line(gate) for gate in found.seen.gates],
        "may_operate": rank >= list(Role).index(Role.OPERATOR),
        "may_approve": rank >= list(Role).index(Role.APPROVER),
        "may_administer": role == Role.ADMINISTRATOR,
        "asked_by_me": found.approval is not None and found.approval.author_person_id == request.user.pk,
        "start": timezone.localtime(upcoming.starts).strftime("%Y-%m-%dT%H:%M") if upcoming is not None else "",
        "hours": HOURS,
        "described": (found.current, target) in registry.ability(one.adapter, "releases").JUMPS,
        "lacking": packages.lacking(one, target) if found.next == paths.REHEARSE else [],
        "kept": found.upgrade is not None and found.upgrade.state == UpgradeState.KEPT,
        "announcements": announcements(request, found) if rank >= list(Role).index(Role.OPERATOR) else [],
        "planned_start": start,
        "planned_problem": planned.why_not(start) if start is not None else None,
        "openings": planned.openings(found.environment, found.takes) if role == Role.ADMINISTRATOR and found.next == paths.APPLY else [],
    }
    return render(request, "upgrades/way.html", context)


def announcements(request: shell.Request, path: paths.Path) -> list[dict[str, str]]:
    """The texts by which people are told of it, once it is approved and somebody said when it begins."""
    found = (one for one in planned.planned([path.environment.system]) if one.rehearsal.target == path.target)
    return [text for one in found if one.approved and one.problem is None for text in status.texts(request, one)]


@shell.page
@require_safe
def asked(request: shell.Request, system_id: int, target: str) -> HttpResponseBase:
    """The gates for which the ERP, its database and the disks are asked: a part of the page."""
    one, found = opened(request, system_id, target)
    access.require(request.user, Role.OPERATOR, one)
    try:
        with told():
            seen = gates.look(found.environment, target, starter=request.user)
    except Failed as error:
        return render(request, "upgrades/gates.html", {"problem": sentences.refusal(error)})
    known = {gate.name for gate in found.seen.gates}
    return render(request, "upgrades/gates.html", {"gates": [line(gate) for gate in seen.gates if gate.name not in known]})


def line(gate: gates.Gate) -> dict[str, Any]:
    """A gate as the template reads it."""
    waiver = gate.waiver if not gate.holds else None
    return {"name": gate.name, "holds": gate.holds, "why": gate.why, "waiver": waiver, "waivable": gate.waivable and not gate.open}


class StartForm(forms.Form):
    """When an upgrade is to begin; it may be left open."""

    start = forms.DateTimeField(required=False)


@shell.page
@require_POST
def ask(request: shell.Request, system_id: int, target: str) -> HttpResponseBase:
    """Ask for the approval."""
    form = StartForm(request.POST)
    planned = form.cleaned_data["start"] if form.is_valid() else None
    return said(
        request,
        system_id,
        target,
        Role.OPERATOR,
        lambda place: agree.ask(place, target, who=request.user, planned_for=planned),
        _("Asked for. A second person has to approve it."),
    )


@shell.page
@require_POST
def approve(request: shell.Request, system_id: int, target: str) -> HttpResponseBase:
    """Approve what somebody else asked for."""
    return said(
        request,
        system_id,
        target,
        Role.APPROVER,
        lambda place: agree.approve(agree.open_approval(place, target), who=request.user),
        _("Approved, for one upgrade, exactly as it was rehearsed."),
    )


@shell.page
@require_POST
def withdraw(request: shell.Request, system_id: int, target: str) -> HttpResponseBase:
    """Withdraw the approval, or the wish for it."""
    return said(
        request,
        system_id,
        target,
        Role.OPERATOR,
        lambda place: agree.withdraw(agree.open_approval(place, target), who=request.user),
        _("Withdrawn."),
    )


class WaiverForm(forms.Form):
    """Which gate is waived, why, and for how long."""

    gate = forms.CharField(max_length=30)
    reason = forms.CharField(max_length=2000, required=False)
    hours = forms.FloatField(initial=HOURS)


@shell.page
@require_POST
def waive(request: shell.Request, system_id: int, target: str) -> HttpResponseBase:
    """Waive a gate for a while, or end that."""
    form = WaiverForm({"hours": HOURS, **request.POST.dict()})
    wish: dict[str, Any] = form.cleaned_data if form.is_valid() else {"gate": "", "reason": "", "hours": 0}

    def done(place: Environment) -> object:
        if "end" in request.POST:
            return waivers.revoke(waivers.of_gate(place, target, wish["gate"]), who=request.user)
        return waivers.waive(place, target, wish["gate"], reason=wish["reason"], hours=wish["hours"], who=request.user)

    return said(request, system_id, target, Role.ADMINISTRATOR, done, _("Saved."))


@shell.page
@require_POST
def start(request: shell.Request, system_id: int, target: str) -> HttpResponseBase:
    """Start the upgrade of production, and lead to its run; the name of the system has to be typed."""
    one, found = opened(request, system_id, target)
    access.require(request.user, Role.ADMINISTRATOR, one)
    if request.POST.get("confirm") != one.name:
        messages.error(request, _("Nothing was started: type the name of the system."))
        return redirect("upgrade_way", one.pk, target)
    try:
        run = paths.start(found.environment, target, who=request.user)
    except EstateError as error:
        messages.error(request, _("Nothing was started: {why}").format(why=sentences.refusal(error)))
        return redirect("upgrade_way", one.pk, target)
    except runtime.Conflict as conflict:
        messages.error(request, sentences.told(conflict.message))
        return redirect("run", run_id=conflict.run.pk)
    return redirect("run", run_id=run.pk)


def said(request: shell.Request, system_id: int, target: str, role: Role, done: Callable[[Environment], object], success: str) -> HttpResponseBase:
    """Do what a person said, tell how it went, and show the page again."""
    one, found = opened(request, system_id, target)
    access.require(request.user, role, one)
    try:
        done(found.environment)
    except (EstateError, Denied) as error:
        messages.error(request, sentences.refusal(error))
    else:
        messages.success(request, success)
    return redirect("upgrade_way", one.pk, target)


def opened(request: shell.Request, system_id: int, target: str) -> tuple[System, paths.Path]:
    """The system of the page and its way. Raises Http404 for a system that the person may not see, and for a way that is none."""
    one = systems.opened(request, system_id)
    try:
        return one, paths.path(one, target, starter=request.user)
    except EstateError as error:
        raise Http404 from error
