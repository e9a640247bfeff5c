"""Upgrades: where systems stand, and assessments; an assessment is started as a run."""

import datetime as dt
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from ninja.pagination import paginate

from wellkept.api.auth import seen, who
from wellkept.estate import access
from wellkept.upgrades import queries
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
