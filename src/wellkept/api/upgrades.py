"""Upgrades: where systems stand, and assessments; an assessment is started as a run."""

import datetime as dt
from dataclasses import asdict
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_noop
from ninja import Field, Query, Router, Schema
from ninja.pagination import paginate

from wellkept.api.auth import allowed, seen, who
from wellkept.estate import access
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Role, System
from wellkept.upgrades import queries, revise
from wellkept.upgrades.models import Assessment, Level, Release

router = Router(tags=["upgrades"])


class ReleaseOut(Schema):
    adapter: str
    series: str
    newest: str
    released: dt.date | None
    support_end: dt.date | None
    long_term: bool
    seen_at: dt.datetime


class AssessmentOut(Schema):
    id: int
    system: str
    current: str
    target: str
    level: str
    made_at: dt.datetime

    @staticmethod
    def resolve_system(row: Any) -> str:
        return str(row.system.name)


class NoteOut(Schema):
    name: str
    phase: str
    title: str
    state: str = Field(description="as_shipped, own, left_out, or waiting for the approval of its newest version.")
    shipped: bool
    version: int | None
    author: str | None
    approver: str | None


class NoteDetail(NoteOut):
    source: str
    why: str
    condition: str
    action: str
    check: str
    modules: list[str]
    replaced_by: list[str]


class NoteIn(Schema):
    title: str
    phase: str = Field(description="before or after the migration.")
    why: str
    check: str = Field(description="SQL that gives one boolean: whether what the note is for is so now.")
    action: str = Field("", description="SQL that may run again without harm; empty: only a person can do it.")
    condition: str = Field("", description="SQL that gives one boolean; empty: always.")
    source: str = ""
    modules: list[str] = Field(default_factory=list)
    replaced_by: list[str] = Field(default_factory=list)
    reason: str = Field(description="Why; kept with the version and in the record.")


class ReasonIn(Schema):
    reason: str


class AssessmentFilter(Schema):
    system_id: int | None = None
    level: Level | None = None


@router.get("/releases", response=list[ReleaseOut], summary="The releases that are known, as the package index showed them last")
@paginate
def list_releases(request: HttpRequest) -> Any:
    return access.visible_to(who(request), Release).order_by("adapter", "released", "pk")


@router.get("/assessments", response=list[AssessmentOut], summary="Assessments of upgrades, newest first")
@paginate
def list_assessments(request: HttpRequest, filters: Query[AssessmentFilter]) -> Any:
    return queries.assessments(access.visible_to(who(request), Assessment)).filter(**filters.dict(exclude_none=True))


@router.get("/assessments/{int:assessment_id}", response=dict[str, Any], summary="One assessment with all that it found")
def get_assessment(request: HttpRequest, assessment_id: int) -> Any:
    return queries.plain_assessment(seen(request, Assessment, ("system",), pk=assessment_id))


NOTES = "/systems/{int:system_id}/upgrades/{str:current}/{str:target}/notes"


@router.get(NOTES, response=list[NoteOut], summary="The notes of an upgrade in the order in which they run, and where each stands")
def list_notes(request: HttpRequest, system_id: int, current: str, target: str) -> Any:
    way = revise.jump(seen(request, System, ("organisation",), pk=system_id), current, target)
    return [_plain(one) for one in revise.standings(way)]


@router.get(f"{NOTES}/{{str:note}}", response=NoteDetail, summary="One note with what it does")
def get_note(request: HttpRequest, system_id: int, current: str, target: str, note: str) -> Any:
    return _detail(revise.jump(seen(request, System, ("organisation",), pk=system_id), current, target), note)


@router.put(f"{NOTES}/{{str:note}}", response=NoteDetail, summary="Add a note or correct one: a new version, which a second person has to approve")
def write_note(request: HttpRequest, system_id: int, current: str, target: str, note: str, wish: NoteIn) -> Any:
    way = revise.jump(allowed(request, System, Role.ADMINISTRATOR, ("organisation",), pk=system_id), current, target)
    revise.write(way, note, wish.dict(exclude={"reason"}), reason=wish.reason, who=who(request))
    return _detail(way, note)


@router.post(f"{NOTES}/{{str:note}}/leave-out", response=NoteDetail, summary="Leave a note out: a new version, which a second person has to approve")
def leave_note_out(request: HttpRequest, system_id: int, current: str, target: str, note: str, wish: ReasonIn) -> Any:
    way = revise.jump(allowed(request, System, Role.ADMINISTRATOR, ("organisation",), pk=system_id), current, target)
    revise.leave_out(way, note, reason=wish.reason, who=who(request))
    return _detail(way, note)


@router.post(f"{NOTES}/{{str:note}}/approve", response=NoteDetail, summary="Approve the newest version of a note for production; its author cannot")
def approve_note(request: HttpRequest, system_id: int, current: str, target: str, note: str) -> Any:
    way = revise.jump(allowed(request, System, Role.APPROVER, ("organisation",), pk=system_id), current, target)
    own = revise.standing(way, note).own
    if own is None:
        raise Invalid(gettext_noop("{name} comes with the release and needs no approval"), name=note)
    revise.approve(own, who=who(request))
    return _detail(way, note)


def _plain(one: revise.Standing) -> dict[str, Any]:
    own = {"version": one.own.version, "author": one.own.author, "approver": one.own.approver or None} if one.own else {}
    none = {"version": None, "author": None, "approver": None}
    return {**asdict(one.note), "name": one.note.id, "state": one.state, "shipped": one.shipped, **none, **own}


def _detail(way: revise.Jump, name: str) -> dict[str, Any]:
    return _plain(revise.standing(way, name))
