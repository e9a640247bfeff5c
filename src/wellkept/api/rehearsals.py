"""Rehearsals of upgrades with all that they found, and what people accept of them."""

import datetime as dt
from typing import Any

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema
from ninja.pagination import paginate

from wellkept.api.auth import allowed, seen, who
from wellkept.estate import access
from wellkept.estate.models import Role
from wellkept.upgrades import queries, rehearsals
from wellkept.upgrades.consent import accept, findings
from wellkept.upgrades.models import Acceptance, Rehearsal, RehearsalState

router = Router(tags=["upgrades"])


class RehearsalOut(Schema):
    id: int
    system: str
    current: str
    target: str
    version: str
    state: str
    figures_equal: bool | None
    rights_equal: bool | None
    rollback_seconds: float | None
    started_at: dt.datetime
    ended_at: dt.datetime | None

    @staticmethod
    def resolve_system(row: Any) -> str:
        return str(row.system.name)


class RehearsalFilter(Schema):
    system_id: int | None = None
    target: str | None = None
    state: RehearsalState | None = None


class AcceptIn(Schema):
    finding: str = Field(description="The finding of the rehearsal, by its SHA-256.")
    rule: str = Field(findings.EXACT, description="exact, or same_change: the number of the books moves by exactly as much.")
    reason: str = Field(description="Why this is meant to be so; kept with it and in the record.")


class AcceptanceFilter(Schema):
    system_id: int | None = None


class AcceptanceOut(Schema):
    id: int
    system: str
    current: str
    target: str
    finding: dict[str, Any]
    rule: str
    reason: str
    author: str
    made_at: dt.datetime
    approver: str
    approved_at: dt.datetime | None
    revoked_by: str
    revoked_at: dt.datetime | None

    @staticmethod
    def resolve_system(row: Any) -> str:
        return str(row.system.name)


@router.get("/rehearsals", response=list[RehearsalOut], summary="Rehearsals of upgrades, newest first")
@paginate
def list_rehearsals(request: HttpRequest, filters: Query[RehearsalFilter]) -> Any:
    rows = queries.rehearsals(access.visible_to(who(request), Rehearsal)).defer("log", "judged", "compared", "report")
    return rows.filter(**filters.dict(exclude_none=True))


@router.get("/rehearsals/{int:rehearsal_id}", response=dict[str, Any], summary="One rehearsal: its phases, all that it found, and what to do")
def get_rehearsal(request: HttpRequest, rehearsal_id: int) -> Any:
    return rehearsals.plain(seen(request, Rehearsal, ("system", "run"), pk=rehearsal_id))


@router.post("/rehearsals/{int:rehearsal_id}/accept", response=AcceptanceOut, summary="Accept a finding; a second person approves it for production")
def accept_finding(request: HttpRequest, rehearsal_id: int, wish: AcceptIn) -> Any:
    one = allowed(request, Rehearsal, Role.ADMINISTRATOR, ("system", "organisation"), pk=rehearsal_id)
    return accept.accept(one, wish.finding, rule=wish.rule, reason=wish.reason, who=who(request))


@router.get("/acceptances", response=list[AcceptanceOut], summary="What was accepted of rehearsals, also what was revoked")
@paginate
def list_acceptances(request: HttpRequest, filters: Query[AcceptanceFilter]) -> Any:
    rows = access.visible_to(who(request), Acceptance).select_related("system").order_by("pk")
    return rows.filter(**filters.dict(exclude_none=True))


@router.post("/acceptances/{int:acceptance_id}/approve", response=AcceptanceOut, summary="Let production take it; its author cannot")
def approve_acceptance(request: HttpRequest, acceptance_id: int) -> Any:
    return accept.approve(allowed(request, Acceptance, Role.APPROVER, ("system", "organisation"), pk=acceptance_id), who=who(request))


@router.post("/acceptances/{int:acceptance_id}/revoke", response=AcceptanceOut, summary="Have it count no more")
def revoke_acceptance(request: HttpRequest, acceptance_id: int) -> Any:
    return accept.revoke(allowed(request, Acceptance, Role.ADMINISTRATOR, ("system", "organisation"), pk=acceptance_id), who=who(request))
