"""Upgrades of production: how far one is, its gates, what people say to it, and its start."""

import datetime as dt
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_noop
from ninja import Field, Router, Schema, Status

from wellkept.api.auth import agreed, allowed, seen, who
from wellkept.api.shapes import RunOut
from wellkept.backups.failures import told
from wellkept.backups.models import Repository
from wellkept.estate import access
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Environment, Role, System
from wellkept.upgrades import gates, queries
from wellkept.upgrades import path as paths
from wellkept.upgrades.consent import agree, waivers

router = Router(tags=["upgrades"])
PLACE = "/systems/{int:system_id}/upgrades/{str:target}"


class AskIn(Schema):
    planned_for: dt.datetime | None = Field(None, description="When it is to begin, with its offset from UTC; people are told.")


class WaiverIn(Schema):
    gate: str = Field(description=f"One of {', '.join(waivers.WAIVABLE)}; the others protect the data.")
    reason: str = Field("", description="Why; kept with it, in the record and with the upgrade.")
    hours: float = Field(24, description=f"For how long, at most {waivers.LONGEST_HOURS}.")


class ApplyIn(Schema):
    confirm: str = Field(description="The name of the system again.")
    repository_id: int | None = Field(None, description="Where the backup goes that it begins with; optional when there is only one repository.")


@router.get(f"{PLACE}/path", response=dict[str, Any], summary="How far a system is on its way to a release, and what comes next")
def get_path(request: HttpRequest, system_id: int, target: str) -> Any:
    return paths.plain(paths.path(seen(request, System, ("organisation",), pk=system_id), target, starter=who(request)))


@router.get(f"{PLACE}/gates", response=dict[str, Any], summary="Every gate as it is now; the ERP, its database and the disks are asked")
def get_gates(request: HttpRequest, system_id: int, target: str) -> Any:
    environment = _environment(request, Role.OPERATOR, system_id)
    with told():
        return queries.plain_gates(gates.look(environment, target, starter=access.person_of(who(request))))


@router.post(f"{PLACE}/ask", response={201: dict[str, Any]}, summary="Ask for the approval of an upgrade as it was rehearsed")
def ask_upgrade(request: HttpRequest, system_id: int, target: str, wish: AskIn) -> Any:
    environment = _environment(request, Role.OPERATOR, system_id)
    if wish.planned_for is not None and timezone.is_naive(wish.planned_for):
        raise Invalid(gettext_noop("send the planned start with its offset from UTC"))
    return Status(201, queries.plain_approval(agree.ask(environment, target, who=who(request), planned_for=wish.planned_for)))


@router.post(f"{PLACE}/approve", response=dict[str, Any], summary="Approve it; whoever asked cannot, and whoever approves cannot start it")
def approve_upgrade(request: HttpRequest, system_id: int, target: str) -> Any:
    environment = _environment(request, Role.APPROVER, system_id)
    return queries.plain_approval(agree.approve(agree.open_approval(environment, target), who=who(request)))


@router.post(f"{PLACE}/withdraw", response=dict[str, Any], summary="Withdraw the approval; possible until a run has closed the ERP by it")
def withdraw_upgrade(request: HttpRequest, system_id: int, target: str) -> Any:
    environment = _environment(request, Role.OPERATOR, system_id)
    return queries.plain_approval(agree.withdraw(agree.open_approval(environment, target), who=who(request)))


@router.post(f"{PLACE}/waive", response={201: dict[str, Any]}, summary="Have a gate count as open for a while, for exactly what was rehearsed")
def waive_gate(request: HttpRequest, system_id: int, target: str, wish: WaiverIn) -> Any:
    environment = _environment(request, Role.ADMINISTRATOR, system_id)
    return Status(201, queries.plain_waiver(waivers.waive(environment, target, wish.gate, reason=wish.reason, hours=wish.hours, who=who(request))))


@router.delete(f"{PLACE}/waive/{{str:gate}}", response=dict[str, Any], summary="End a waiver")
def end_waiver(request: HttpRequest, system_id: int, target: str, gate: str) -> Any:
    environment = _environment(request, Role.ADMINISTRATOR, system_id)
    return queries.plain_waiver(waivers.revoke(waivers.of_gate(environment, target, gate), who=who(request)))


@router.post(f"{PLACE}/apply", response={202: RunOut}, summary="Upgrade production as it was rehearsed")
def apply_upgrade(request: HttpRequest, system_id: int, target: str, wish: ApplyIn) -> Any:
    environment = _environment(request, Role.ADMINISTRATOR, system_id)
    agreed(wish.confirm, environment.system.name)
    if wish.repository_id is not None:
        seen(request, Repository, pk=wish.repository_id, organisation=environment.system.organisation_id)
    return Status(202, paths.start(environment, target, who=who(request), repository_id=wish.repository_id))


def _environment(request: HttpRequest, role: Role, system_id: int) -> Environment:
    """Production of the system that is meant, when the caller has the role there. Raises NotFound, Denied, Invalid."""
    return paths.production(allowed(request, System, role, ("organisation",), pk=system_id))
